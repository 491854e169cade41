//! Where values are: tensors, and the orders in which they hold a value.

use super::Lowering;
use crate::{
    Interface, Kernel, PlanError, Step, Tensor, TensorId,
    layout::{elements, natural, permutation, same, tensor_shape},
};
use niwaki_graph::{Op, ValueId};
use niwaki_quantise::Quantisation;
use std::rc::Rc;

/// One place where a value is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) tensor: TensorId,
    pub(super) layout: Layout,
}

/// In which order a place holds a value.
#[derive(Clone)]
pub(super) enum Layout {
    /// Dimensions from the outermost to the innermost; the tensor has their sizes.
    Order(Vec<usize>),
    /// For a flattened value whose bytes stayed where they were: the element of every byte. Linear layers read it.
    Scattered(Rc<Vec<usize>>),
}

impl Lowering<'_> {
    pub(super) fn interface(&self, id: ValueId, tensor: TensorId) -> Interface {
        let value = self.graph.value(id);
        Interface { name: value.name.clone(), tensor, shape: value.shape.clone() }
    }

    pub(super) fn quantisation(&self, id: ValueId) -> Quantisation {
        self.quantised.values[id.0]
    }

    pub(super) fn sizes(&self, id: ValueId) -> &[usize] {
        &self.graph.value(id).shape
    }

    pub(super) fn shape_of(&self, tensor: TensorId) -> [usize; 3] {
        self.plan.tensors[tensor.0].shape
    }

    /// A new tensor in a storage of its own.
    pub(super) fn tensor(&mut self, name: &str, shape: [usize; 3], quantisation: Quantisation) -> TensorId {
        self.storages += 1;
        let storage = self.storages - 1;
        self.plan.tensors.push(Tensor { name: name.into(), shape, quantisation, storage, offset: 0 });
        TensorId(self.plan.tensors.len() - 1)
    }

    /// The same bytes under another shape.
    pub(super) fn view(&mut self, name: &str, of: TensorId, shape: [usize; 3]) -> TensorId {
        if self.shape_of(of) == shape {
            return of;
        }
        let tensor = Tensor { name: name.into(), shape, ..self.plan.tensors[of.0].clone() };
        self.plan.tensors.push(tensor);
        TensorId(self.plan.tensors.len() - 1)
    }

    /// A new tensor for a value in an order.
    pub(super) fn place(&mut self, id: ValueId, order: &[usize]) -> Result<TensorId, PlanError> {
        let value = self.graph.value(id);
        let tensor = self.tensor(&value.name, tensor_shape(value, order)?, self.quantisation(id));
        self.places[id.0].push(Place { tensor, layout: Layout::Order(order.to_vec()) });
        Ok(tensor)
    }

    pub(super) fn step(
        &mut self,
        name: &str,
        kernel: Kernel,
        inputs: &[TensorId],
        output: TensorId,
        range: [i8; 2],
        macs: usize,
    ) {
        self.plan.steps.push(Step { name: name.into(), macs, kernel, inputs: inputs.to_vec(), output, range });
    }

    /// A step whose results are not clamped and cost no multiply-accumulates.
    pub(super) fn plain(&mut self, name: &str, kernel: Kernel, inputs: &[TensorId], output: TensorId) {
        self.step(name, kernel, inputs, output, [i8::MIN, i8::MAX], 0);
    }

    /// Where a value was first put. Constants are put where they are first read, as the graph counts elements.
    pub(super) fn first(&mut self, id: ValueId) -> Result<Place, PlanError> {
        if self.places[id.0].is_empty() {
            let order = natural(self.sizes(id).len());
            self.constant(id, &order)?;
        }
        Ok(self.places[id.0][0].clone())
    }

    /// The order in which a value was first put.
    pub(super) fn order(&mut self, id: ValueId) -> Result<Vec<usize>, PlanError> {
        match self.first(id)?.layout {
            Layout::Order(order) => Ok(order),
            Layout::Scattered(_) => {
                unreachable!("only linear layers and functions of one element read a scattered value")
            }
        }
    }

    /// Whether a value has no place yet, as it is a constant that nothing read.
    pub(super) fn is_free(&self, id: ValueId) -> bool {
        self.places[id.0].is_empty()
    }

    /// A tensor that holds a value in an order: one that there is, or the result of a step that moves bytes.
    pub(super) fn operand(&mut self, id: ValueId, order: &[usize]) -> Result<TensorId, PlanError> {
        let value = self.graph.value(id);
        let shape = tensor_shape(value, order)?;
        if self.is_free(id) {
            return self.constant(id, order);
        }
        let fits = |place: &&Place| match &place.layout {
            Layout::Order(other) => same(&value.shape, other, order),
            Layout::Scattered(_) => false,
        };
        if let Some(place) = self.places[id.0].iter().find(fits) {
            return Ok(self.view(&value.name, place.tensor, shape));
        }
        let (from, held) = (self.first(id)?.tensor, self.order(id)?);
        let name = format!("{}.order", value.name);
        let tensor = self.tensor(&name, shape, self.quantisation(id));
        self.plain(&name, Kernel::Transpose { perm: permutation(&held, order) }, &[from], tensor);
        self.places[id.0].push(Place { tensor, layout: Layout::Order(order.to_vec()) });
        Ok(tensor)
    }

    /// A step that yields a constant in an order.
    fn constant(&mut self, id: ValueId, order: &[usize]) -> Result<TensorId, PlanError> {
        let producer = self.graph.producer(id).map(|index| &self.graph.nodes[index]);
        let Some(Op::Constant(param)) = producer.map(|node| &node.op) else {
            unreachable!("nodes are in execution order");
        };
        let (param, quantisation) = (self.graph.param(*param), self.quantisation(id));
        let data = elements(&param.shape, order).iter().map(|at| quantisation.quantise(param.data[*at])).collect();
        let tensor = self.place(id, order)?;
        self.plain(&self.graph.value(id).name, Kernel::Constant { data }, &[], tensor);
        Ok(tensor)
    }
}
