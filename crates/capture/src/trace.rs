//! Who reads and who yields each recorded tensor: what is alive, how often it is used, which parameter is near.

use crate::record::Recording;
use burn::tensor::TensorId;
use burn_ir::OperationIr;
use std::collections::{BTreeSet, HashMap};

/// Links between the operations of a [`Recording`], of those that reach an output only.
pub(crate) struct Trace<'a> {
    recording: &'a Recording,
    /// Which operations reach an output.
    pub(crate) alive: Vec<bool>,
    producers: HashMap<TensorId, usize>,
    consumers: HashMap<TensorId, Vec<usize>>,
}

impl<'a> Trace<'a> {
    pub(crate) fn new(recording: &'a Recording) -> Self {
        let operations = &recording.operations;
        let mut producers = HashMap::new();
        for (index, operation) in operations.iter().enumerate() {
            producers.extend(operation.outputs().map(|tensor| (tensor.id, index)));
        }
        let mut alive = vec![false; operations.len()];
        let mut open: Vec<TensorId> = recording.outputs.clone();
        while let Some(id) = open.pop() {
            if let Some(index) = producers.get(&id).filter(|index| !alive[**index]) {
                alive[*index] = true;
                open.extend(operations[*index].inputs().map(|tensor| tensor.id));
            }
        }
        let mut consumers: HashMap<TensorId, Vec<usize>> = HashMap::new();
        for (index, operation) in operations.iter().enumerate().filter(|(index, _)| alive[*index]) {
            for tensor in operation.inputs() {
                consumers.entry(tensor.id).or_default().push(index);
            }
        }
        Self { recording, alive, producers, consumers }
    }

    /// Operations that read a tensor.
    pub(crate) fn consumers(&self, id: TensorId) -> impl Iterator<Item = &'a OperationIr> {
        let operations = &self.recording.operations;
        self.consumers.get(&id).into_iter().flatten().map(|index| &operations[*index])
    }

    /// The operation that yields a tensor.
    pub(crate) fn producer(&self, id: TensorId) -> Option<&'a OperationIr> {
        self.producers.get(&id).map(|index| &self.recording.operations[*index])
    }

    /// Whether one operation reads a tensor, once, and it is no output.
    pub(crate) fn used_once(&self, id: TensorId) -> bool {
        self.consumers(id).count() == 1 && !self.recording.outputs.contains(&id)
    }

    /// The parameter nearest to an operation, counted in operations upstream or downstream; upstream wins a tie.
    pub(crate) fn nearest_parameter(&self, index: usize) -> Option<String> {
        let operations = &self.recording.operations;
        let named = |index: &usize| {
            let mut inputs = operations[*index].inputs();
            inputs.find_map(|tensor| self.recording.names.get(&tensor.id).map(|(name, _)| name.clone()))
        };
        let (mut above, mut below) = (BTreeSet::from([index]), BTreeSet::from([index]));
        while !(above.is_empty() && below.is_empty()) {
            // The latest operation first: it is the nearest in the source as well.
            if let Some(name) = above.iter().rev().find_map(named).or_else(|| below.iter().find_map(named)) {
                return Some(name);
            }
            above = above
                .iter()
                .flat_map(|index| operations[*index].inputs())
                .filter_map(|tensor| self.producers.get(&tensor.id).copied())
                .collect();
            below = below
                .iter()
                .flat_map(|index| operations[*index].outputs())
                .flat_map(|tensor| self.consumers.get(&tensor.id).into_iter().flatten().copied())
                .collect();
        }
        None
    }
}

/// Burn's name of an operation: the innermost enum variant, `Conv2d` for `Module(Conv2d(..))`.
pub(crate) fn operation_name(operation: &OperationIr) -> String {
    let text = match operation {
        OperationIr::BaseFloat(op) | OperationIr::BaseInt(op) | OperationIr::BaseBool(op) => format!("{op:?}"),
        OperationIr::NumericFloat(_, op) | OperationIr::NumericInt(_, op) => format!("{op:?}"),
        OperationIr::Bool(op) => format!("{op:?}"),
        OperationIr::Int(op) => format!("{op:?}"),
        OperationIr::Float(_, op) => format!("{op:?}"),
        OperationIr::Module(op) => format!("{op:?}"),
        OperationIr::Activation(op) => format!("{op:?}"),
        OperationIr::Distributed(op) => format!("{op:?}"),
        OperationIr::Custom(op) => return op.id.clone(),
        OperationIr::Init(_) => "Init".into(),
        OperationIr::Drop(_) => "Drop".into(),
    };
    text.split(['(', ' ', '{']).next().unwrap_or_default().to_string()
}
