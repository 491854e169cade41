//! From a quantised graph to steps in memory: lowering, fusion, execution order, places in the arena.
//!
//! Values become tensors of three dimensions, in the order that kernels want: channels innermost for windows (`[c, h, w]` is
//! stored as rows, columns, channels), the last dimension innermost for sequences. ReLU and clamp disappear into what
//! feeds them, reshapes into the order of the next layer's weights or into a second view of the same bytes. Every tensor
//! gets an offset in one arena whose size is exact.

mod arena;
mod elementwise;
mod layout;
mod lower;
mod normalise;
mod step;
mod window;

pub use step::{Interface, Kernel, Plan, Requantise, Step, Tensor, TensorId, Window};

use niwaki_quantise::QuantisedGraph;

/// A quantised graph that the runtime's operations cannot express.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PlanError {
    /// More dimensions than the device's tensors have.
    #[error(
        "value `{value}` has the shape {shape:?}: on a device a sample has at most three dimensions; reshape so that it has"
    )]
    Rank {
        /// The value.
        value: String,
        /// Its per-sample shape.
        shape: Vec<usize>,
    },
    /// A dimension or attribute does not fit 16 bits.
    #[error("`{node}`: {what} is {found}, at most 65535 is possible on a device")]
    TooLarge {
        /// The node or value.
        node: String,
        /// Which attribute.
        what: &'static str,
        /// Its size.
        found: usize,
    },
    /// The accumulator does not fit 32 bits at the scale of the output.
    #[error("`{0}`: its output range is too small for its weights; calibrate with more samples or another method")]
    Range(String),
    /// Both operands are stretched.
    #[error("`{node}` stretches both of its operands, {shapes:?}; expand one of them to the full shape first")]
    Broadcast {
        /// The node.
        node: String,
        /// Per-sample shapes of the operands.
        shapes: [Vec<usize>; 2],
    },
    /// An operation that planning does not expect here.
    #[error("`{0}` is a batch normalisation; fold it with `niwaki_graph::fold_batch_norm` before quantising")]
    NotFolded(String),
}

/// Plans a quantised graph.
pub fn plan(graph: &QuantisedGraph) -> Result<Plan, PlanError> {
    let mut lowered = lower::lower(graph)?;
    arena::place(&mut lowered);
    Ok(lowered)
}
