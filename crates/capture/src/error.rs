//! What can go wrong in a capture: everything unsupported at once, with what to write instead.

use niwaki_graph::GraphError;
use std::fmt;

/// A module that cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Operations that have no counterpart in a [`Graph`](niwaki_graph::Graph): all of them, not only the first.
    #[error("{}", listed(.0))]
    Unsupported(Vec<Unsupported>),
    /// An example shape does not start with a batch of one.
    #[error("example shape {shape:?} of input {input} does not start with a batch of 1")]
    ExampleShape {
        /// Which input, counted from zero.
        input: usize,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The module runs on one sample but panics on two.
    #[error(
        "the model runs on a batch of 1 but panics on a batch of 2: {message}\n  instead: let shapes follow the \
         input's batch dimension, as in `x.flatten(1, -1)` or `x.reshape([batch, -1])`"
    )]
    Batch {
        /// What the panic said.
        message: String,
    },
    /// The module computes something else on two samples than on one.
    #[error("the model is another network on a batch of 2 than on a batch of 1: {difference}")]
    BatchDependent {
        /// What differs.
        difference: String,
    },
    /// Burn refused to record the forward pass.
    #[error("Burn could not record the forward pass: {reason}")]
    Record {
        /// Burn's reason.
        reason: String,
    },
    /// The result breaks the graph's own rules: a fault in this crate.
    #[error("the captured graph is not valid, which is a fault in niwaki-capture: {0}")]
    Graph(#[from] GraphError),
}

/// An operation that has no counterpart in a [`Graph`](niwaki_graph::Graph).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Burn's name of the operation.
    pub operation: String,
    /// Shape of what it yields, with the batch dimension.
    pub shape: Vec<usize>,
    /// The nearest parameter, upstream or downstream, to find the place in the user's code.
    pub near: Option<String>,
    /// Why it cannot be captured.
    pub reason: String,
    /// What to write instead.
    pub suggestion: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = self.near.as_ref().map(|name| format!(" near `{name}`")).unwrap_or_default();
        write!(f, "{} {:?}{near}: {}\n  instead: {}", self.operation, self.shape, self.reason, self.suggestion)
    }
}

fn listed(operations: &[Unsupported]) -> String {
    let plural = if operations.len() == 1 { "operation" } else { "operations" };
    let mut text = format!("{} unsupported {plural}:", operations.len());
    for operation in operations {
        text += &format!("\n- {operation}");
    }
    text
}
