//! Steps that move elements, and operations that move none.

use super::{
    Context, Lowering,
    place::{Layout, Place},
};
use crate::{
    Kernel, PlanError,
    layout::{axis_of, elements, natural, reshaped, tensor_shape, transposed},
};
use niwaki_graph::{Op, ValueId};
use std::rc::Rc;

impl Lowering<'_> {
    pub(super) fn concat(&mut self, context: &Context, axis: usize) -> Result<(), PlanError> {
        // Constants take the order of the others.
        let inputs = &context.node.inputs;
        let leader = inputs.iter().copied().find(|id| !self.is_free(*id)).unwrap_or(inputs[0]);
        let order = self.order(leader)?;
        let operands = inputs.iter().map(|id| self.operand(*id, &order)).collect::<Result<Vec<_>, _>>()?;
        let output = self.place(context.output, &order)?;
        let axis = axis_of(&order, axis);
        let mut origin = [0; 3];
        for (part, input) in operands.into_iter().enumerate() {
            let name = format!("{}.{part}", context.node.name);
            self.plain(&name, Kernel::Concat { origin }, &[input], output);
            origin[axis] += self.shape_of(input)[axis];
        }
        Ok(())
    }

    pub(super) fn pad(&mut self, context: &Context, padding: &[[usize; 2]], value: f32) -> Result<(), PlanError> {
        let order = self.order(context.node.inputs[0])?;
        let mut origin = [0; 3];
        for (dim, [before, _]) in padding.iter().enumerate() {
            origin[axis_of(&order, dim)] = *before;
        }
        let value = self.quantisation(context.output).quantise(value);
        self.simple(context, &order, Kernel::Pad { origin, value })
    }

    /// Nothing moves: the same bytes are in another order.
    pub(super) fn transpose(&mut self, context: &Context, perm: &[usize]) -> Result<(), PlanError> {
        let order = self.order(context.node.inputs[0])?;
        let tensor = self.first(context.node.inputs[0])?.tensor;
        let layout = Layout::Order(transposed(&order, perm));
        self.places[context.output.0].push(Place { tensor, layout });
        Ok(())
    }

    /// A view where the order allows it; where only linear layers read the result, their weights are reordered; elsewhere
    /// the bytes are brought into the graph's order.
    pub(super) fn reshape(&mut self, context: &Context) -> Result<(), PlanError> {
        let (name, input) = (&context.node.name, context.node.inputs[0]);
        let (from, to) = (self.sizes(input).to_vec(), self.sizes(context.output).to_vec());
        let value = self.graph.value(context.output);
        let order = self.order(input)?;
        let place = if let Some(order) = reshaped(&from, &order, &to) {
            let tensor = self.first(input)?.tensor;
            Place { tensor: self.view(name, tensor, tensor_shape(value, &order)?), layout: Layout::Order(order) }
        } else if to.len() == 1 && self.only_linear(context.output) {
            let tensor = self.first(input)?.tensor;
            let layout = Layout::Scattered(Rc::new(elements(&from, &order)));
            Place { tensor: self.view(name, tensor, tensor_shape(value, &[0])?), layout }
        } else {
            let tensor = self.operand(input, &natural(from.len()))?;
            let order = natural(to.len());
            Place { tensor: self.view(name, tensor, tensor_shape(value, &order)?), layout: Layout::Order(order) }
        };
        self.places[context.output.0].push(place);
        Ok(())
    }

    /// Whether a value is read by linear layers alone, directly or through element-wise functions.
    fn only_linear(&self, id: ValueId) -> bool {
        let consumers = self.graph.consumers(id);
        !self.graph.outputs.contains(&id)
            && consumers.iter().all(|consumer| {
                let node = &self.graph.nodes[*consumer];
                match &node.op {
                    Op::Linear(_) => true,
                    Op::Unary(_) => self.only_linear(node.output),
                    _ => false,
                }
            })
    }
}
