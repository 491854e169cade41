//! From recorded operations to graph nodes, one by one, without a look at their neighbours except for biases.

mod arithmetic;
mod layer;
mod masked;
mod movement;
mod problem;
mod sequence;

use crate::constant::{Constant, Interned};
use crate::record::Recording;
use crate::trace::{Trace, operation_name};
use crate::{CaptureOptions, Unsupported};
use burn::tensor::TensorId;
use burn_ir::{BaseOperationIr, FloatOperationIr, NumericOperationIr, OperationIr, TensorIr};
use niwaki_graph::{Graph, Op, ParamId, ValueId};
use problem::Problem;
use std::collections::HashMap;

/// A lowered recording. Where something is unsupported, the graph is incomplete.
pub(crate) struct Lowered {
    pub(crate) graph: Graph,
    pub(crate) unsupported: Vec<Unsupported>,
}

/// What a recorded tensor is in the graph.
#[derive(Clone, Debug)]
enum Slot {
    /// An activation.
    Value(ValueId),
    /// An activation `[.., n]` whose tensor is `[rows, n]`, with the batch folded into the rows: Burn does so around
    /// matrix products.
    Rows(ValueId),
    /// Something that does not depend on the inputs.
    Constant(Box<Constant>),
    /// The result of arithmetic on constants alone, by this operation.
    Computed(String),
    /// What an unsupported operation yields, where its batch dimension is lost.
    Broken,
}

type Result<T> = std::result::Result<T, Problem>;

struct Lowering<'a> {
    recording: &'a Recording,
    trace: Trace<'a>,
    options: &'a CaptureOptions,
    batch: usize,
    graph: Graph,
    slots: HashMap<TensorId, Slot>,
    /// The tensor that a value was first, before views of it.
    origins: HashMap<ValueId, TensorId>,
    params: Interned,
}

/// Lowers a recording that was made with this batch size.
pub(crate) fn lower(recording: &Recording, batch: usize, options: &CaptureOptions) -> Lowered {
    let mut lowering = Lowering {
        recording,
        trace: Trace::new(recording),
        options,
        batch,
        graph: Graph::default(),
        slots: HashMap::new(),
        origins: HashMap::new(),
        params: Interned::default(),
    };
    lowering.bind_values();
    let mut unsupported = Vec::new();
    for (index, operation) in recording.operations.iter().enumerate() {
        if !lowering.trace.alive[index] || matches!(operation, OperationIr::Init(_)) {
            continue;
        }
        let slot = match lowering.lower(operation) {
            Ok(slot) => Some(slot),
            Err(problem) => {
                unsupported.extend(problem.report(operation, || lowering.trace.nearest_parameter(index)));
                None
            }
        };
        for tensor in operation.outputs() {
            let slot = slot.clone().unwrap_or_else(|| lowering.stand_in(tensor));
            lowering.slots.insert(tensor.id, slot);
        }
    }
    unsupported.extend(lowering.bind_outputs());
    Lowered { graph: lowering.graph, unsupported }
}

impl Lowering<'_> {
    fn bind_values(&mut self) {
        for (index, id) in self.recording.inputs.iter().enumerate() {
            let shape = self.recording.values[id].shape()[1..].to_vec();
            let value = self.graph.add_input(format!("input{index}"), shape);
            self.slots.insert(*id, Slot::Value(value));
        }
        for (id, data) in &self.recording.values {
            if !self.recording.inputs.contains(id) {
                let constant =
                    Constant::new(*id, self.recording.names.get(id), data.shape().to_vec(), data.iter().collect());
                self.slots.insert(*id, Slot::Constant(Box::new(constant)));
            }
        }
    }

    fn bind_outputs(&mut self) -> Vec<Unsupported> {
        let mut unsupported = Vec::new();
        for (index, id) in self.recording.outputs.iter().enumerate() {
            match self.slots.get(id) {
                Some(Slot::Value(value)) => self.graph.outputs.push(*value),
                Some(Slot::Broken) => {}
                _ => unsupported.push(Unsupported {
                    operation: format!("output {index}"),
                    shape: Vec::new(),
                    near: None,
                    reason: "does not depend on the model's inputs sample by sample".into(),
                    suggestion: "return only what is computed from the inputs, with the batch in dimension 0".into(),
                }),
            }
        }
        unsupported
    }

    /// What an unsupported operation would yield: a value that no node yields, so that what follows is checked as well.
    fn stand_in(&mut self, tensor: &TensorIr) -> Slot {
        match tensor.shape.split_first() {
            Some((batch, shape)) if *batch == self.batch => {
                Slot::Value(self.graph.add_value("unsupported", shape.to_vec()))
            }
            _ => Slot::Broken,
        }
    }

    fn lower(&mut self, operation: &OperationIr) -> Result<Slot> {
        let slots: Vec<&Slot> = operation.inputs().map(|tensor| self.slot(tensor)).collect();
        if slots.iter().any(|slot| matches!(slot, Slot::Broken)) {
            return Err(Problem::Upstream);
        }
        if slots.iter().all(|slot| matches!(slot, Slot::Constant(_) | Slot::Computed(_))) {
            return Ok(self.lower_constant(operation));
        }
        match operation {
            OperationIr::Module(op) => self.lower_module(op),
            OperationIr::Float(_, FloatOperationIr::Matmul(op)) => self.lower_matmul(op),
            OperationIr::BaseFloat(op) | OperationIr::BaseInt(op) => self.lower_movement(op),
            OperationIr::Float(_, FloatOperationIr::IntoInt(op)) => self.lower_into_int(op),
            OperationIr::NumericFloat(_, NumericOperationIr::Pad(op)) => self.lower_pad(op),
            OperationIr::NumericFloat(_, NumericOperationIr::MeanDim(op)) => self.lower_mean(op),
            OperationIr::NumericFloat(_, NumericOperationIr::SumDim(op)) => self.lower_sum(op),
            OperationIr::NumericFloat(_, op) => self.lower_numeric(op),
            OperationIr::Float(_, op) => self.lower_float(op),
            OperationIr::Activation(op) => self.lower_activation(op),
            _ => Err(Problem::NoCounterpart),
        }
    }

    /// Views of constants are constants; other arithmetic on them is only an error where an activation meets it.
    fn lower_constant(&self, operation: &OperationIr) -> Slot {
        let view = match operation {
            OperationIr::BaseFloat(BaseOperationIr::Reshape(op)) => {
                self.constant(&op.input).map(|constant| constant.reshaped(&op.out.shape))
            }
            OperationIr::BaseFloat(BaseOperationIr::Permute(op)) => {
                self.constant(&op.input).map(|constant| constant.permuted(&op.axes))
            }
            OperationIr::BaseFloat(BaseOperationIr::SwapDims(op)) => self.constant(&op.input).map(|constant| {
                let mut axes: Vec<usize> = (0..constant.shape.len()).collect();
                axes.swap(op.dim1, op.dim2);
                constant.permuted(&axes)
            }),
            OperationIr::BaseFloat(BaseOperationIr::Expand(op)) => self.expanded(&op.input, &op.out),
            OperationIr::BaseFloat(BaseOperationIr::RepeatDim(op)) if op.dim == 0 => self.expanded(&op.tensor, &op.out),
            OperationIr::BaseFloat(BaseOperationIr::Slice(op)) => {
                self.constant(&op.tensor).and_then(|constant| constant.sliced(&op.ranges, &op.out))
            }
            OperationIr::BaseFloat(BaseOperationIr::Ones(op)) => Some(filled(&op.out, 1.0)),
            OperationIr::BaseFloat(BaseOperationIr::Zeros(op)) => Some(filled(&op.out, 0.0)),
            OperationIr::NumericFloat(_, NumericOperationIr::Full(op)) => Some(filled(&op.out, op.value.elem())),
            _ => None,
        };
        match view {
            Some(constant) => Slot::Constant(Box::new(constant)),
            // The first computation is what the user has to look for.
            None => operation
                .inputs()
                .map(|tensor| self.slot(tensor).clone())
                .find(|slot| matches!(slot, Slot::Computed(_)))
                .unwrap_or_else(|| Slot::Computed(operation_name(operation))),
        }
    }

    /// A constant of one entry that is repeated for every sample stays one entry.
    fn expanded(&self, from: &TensorIr, to: &TensorIr) -> Option<Constant> {
        let constant = self.constant(from)?;
        let same = constant.shape.first() == Some(&1) && constant.shape.get(1..) == to.shape.get(1..);
        (same && to.shape.first() == Some(&self.batch)).then(|| constant.clone())
    }

    fn slot(&self, tensor: &TensorIr) -> &Slot {
        self.slots.get(&tensor.id).unwrap_or(&Slot::Broken)
    }

    fn constant(&self, tensor: &TensorIr) -> Option<&Constant> {
        match self.slot(tensor) {
            Slot::Constant(constant) => Some(constant),
            _ => None,
        }
    }

    /// The activation behind an operand.
    fn value(&self, tensor: &TensorIr) -> Result<ValueId> {
        match self.slot(tensor) {
            Slot::Value(id) => Ok(*id),
            Slot::Rows(_) => Err(Problem::MixesBatch),
            Slot::Constant(constant) => Err(Problem::ConstantOperand(constant.describe())),
            Slot::Computed(by) => Err(Problem::ConstantOperand(format!("the result of `{by}` on constants"))),
            Slot::Broken => Err(Problem::Upstream),
        }
    }

    /// The graph's parameter behind an operand, under this shape.
    fn param(&mut self, tensor: &TensorIr, shape: &[usize]) -> Result<ParamId> {
        match self.slots.get(&tensor.id) {
            Some(Slot::Constant(constant)) => Ok(self.params.param(&mut self.graph, constant, shape)),
            Some(Slot::Computed(by)) => Err(Problem::ComputedParameter(by.clone())),
            _ => Err(Problem::ActivationAsParameter),
        }
    }

    /// Appends a node whose result has the recorded shape.
    fn emit(&mut self, op: Op, inputs: &[ValueId], out: &TensorIr) -> Result<Slot> {
        if out.shape.first() != Some(&self.batch) {
            return Err(Problem::MixesBatch);
        }
        let value = self.push(op, inputs, out)?;
        let inferred = &self.graph.value(value).shape;
        match inferred[..] == out.shape[1..] {
            true => Ok(Slot::Value(value)),
            false => Err(Problem::Shape { ours: inferred.clone(), recorded: out.shape[1..].to_vec() }),
        }
    }

    fn push(&mut self, op: Op, inputs: &[ValueId], out: &TensorIr) -> Result<ValueId> {
        // Final names are given when fusion has settled which nodes there are.
        let name = format!("node{}", self.graph.nodes.len());
        let value = self.graph.push(name, op, inputs).map_err(|e| Problem::Other(e.to_string()))?;
        self.origins.insert(value, out.id);
        Ok(value)
    }
}

fn filled(out: &TensorIr, value: f32) -> Constant {
    Constant::new(out.id, None, out.shape.to_vec(), vec![value; out.shape.iter().product()])
}
