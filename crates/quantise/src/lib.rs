//! From ranges to int8: every value gets a scale and zero point, every weight an int8 tensor.
//!
//! The scheme is that of Jacob et al. 2018 (arXiv:1712.05877): `real = scale * (q - zero_point)`; weights symmetric per
//! output channel, activations asymmetric per tensor, biases 32-bit in accumulator units. What it yields is a graph
//! beside tables, still in Burn's layouts; planning gives it memory and order.

mod calibrate;
mod classes;
mod equalise;
mod weights;

pub use calibrate::{Calibration, Method, Range};
pub use equalise::equalise;
pub use weights::QuantisedWeights;

use niwaki_graph::{Graph, Op, ValueId};

/// How an int8 value stands for a real one: `real = scale * (q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantisation {
    /// Real value of one step.
    pub scale: f32,
    /// The int8 value that stands for zero.
    pub zero_point: i8,
}

impl Quantisation {
    /// What softmax yields: `[0, 1)` in steps of 1/256.
    pub const PROBABILITY: Self = Self { scale: 1.0 / 256.0, zero_point: -128 };

    /// Whole numbers from 0 to 255, for what an embedding looks up.
    pub const INDEX: Self = Self { scale: 1.0, zero_point: -128 };

    /// The finest that covers a range and zero, which is exact: padding and skipped blocks are zeros.
    pub fn of(range: Range) -> Self {
        let (min, max) = (range.min.min(0.0), range.max.max(0.0));
        // A value that is always zero still needs a scale.
        let scale = if max > min { (max - min) / 255.0 } else { 1.0 / 255.0 };
        let zero_point = (-128.0 - min / scale).round().clamp(-128.0, 127.0) as i8;
        Self { scale, zero_point }
    }

    /// The real values that it stands for: [`Quantisation::of`] this is `self` again, as near as `f32` allows.
    pub fn range(self) -> Range {
        Range { min: self.dequantise(i8::MIN), max: self.dequantise(i8::MAX) }
    }

    /// The nearest int8, saturating.
    pub fn quantise(self, real: f32) -> i8 {
        ((real / self.scale).round() + f32::from(self.zero_point)).clamp(-128.0, 127.0) as i8
    }

    /// The real value that an int8 stands for.
    pub fn dequantise(self, q: i8) -> f32 {
        self.scale * (f32::from(q) - f32::from(self.zero_point))
    }
}

/// A graph with its int8 parameters.
#[derive(Clone, Debug)]
pub struct QuantisedGraph {
    /// Structure and shapes; its `f32` parameters are what the int8 ones were made from.
    pub graph: Graph,
    /// One per value of the graph.
    pub values: Vec<Quantisation>,
    /// One per node of the graph: set for convolutions and linear layers.
    pub weights: Vec<Option<QuantisedWeights>>,
}

/// A graph that cannot be quantised.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum QuantiseError {
    /// Batch normalisation has no int8 form: it is folded before.
    #[error("node `{0}` is a batch normalisation; fold it with `niwaki_graph::fold_batch_norm` before quantising")]
    NotFolded(String),
    /// Calibration saw no, or no finite, data for a value.
    #[error("calibration saw no finite data for `{0}`: the network yields NaN or infinity, or no samples were given")]
    NoRange(String),
    /// A weight is not a number.
    #[error("parameter `{0}` holds NaN or infinity: training diverged; lower the learning rate and train again")]
    NotFinite(String),
    /// An index does not fit int8.
    #[error("the table of `{0}` has {1} rows; a device looks up one of at most 256: fold rare ones into one")]
    Rows(String, usize),
    /// The accumulator could pass 32 bits.
    #[error("node `{0}` sums more products than 32 bits hold: it has {1} inputs per output, 65536 are possible")]
    Accumulator(String, usize),
}

/// Quantises a graph whose batch normalisations are folded, with the ranges that calibration found.
pub fn quantise(graph: &Graph, ranges: &[Range]) -> Result<QuantisedGraph, QuantiseError> {
    for node in &graph.nodes {
        if matches!(node.op, Op::BatchNorm(_)) {
            return Err(QuantiseError::NotFolded(node.name.clone()));
        }
    }
    for param in graph.nodes.iter().flat_map(|node| node.op.params()).map(|id| graph.param(id)) {
        if param.data.iter().any(|x| !x.is_finite()) {
            return Err(QuantiseError::NotFinite(param.name.clone()));
        }
    }
    let values = classes::assign(graph, ranges)?;
    let weights = (0..graph.nodes.len())
        .map(|index| {
            let output = fused_output(graph, index);
            let input = graph.nodes[index].inputs.first().unwrap_or(&output);
            weights::quantise(graph, index, values[input.0], values[output.0])
        })
        .collect::<Result<_, _>>()?;
    Ok(QuantisedGraph { graph: graph.clone(), values, weights })
}

/// The value that a node's kernel writes: its own, or that of the clamp that follows and is fused into it.
///
/// ReLU and clamp are fused into what computes an accumulator, where nothing else reads the value between.
pub fn fused_output(graph: &Graph, index: usize) -> ValueId {
    let output = graph.nodes[index].output;
    fused_clamp(graph, index).map_or(output, |next| graph.nodes[next].output)
}

/// Index of the ReLU or clamp that is fused into a node.
pub fn fused_clamp(graph: &Graph, index: usize) -> Option<usize> {
    use niwaki_graph::Unary;
    let node = &graph.nodes[index];
    let accumulates =
        matches!(node.op, Op::Conv(_) | Op::Linear(_) | Op::Binary(_) | Op::AvgPool(_) | Op::GlobalAvgPool { .. });
    let &[next] = graph.consumers(node.output).as_slice() else { return None };
    let clamps = matches!(graph.nodes[next].op, Op::Unary(Unary::Relu | Unary::Clamp { .. }));
    (accumulates && clamps && !graph.outputs.contains(&node.output)).then_some(next)
}
