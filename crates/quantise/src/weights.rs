//! int8 weights and 32-bit biases of one convolution or linear layer.

use crate::{Quantisation, QuantiseError};
use niwaki_graph::{Conv, Graph, Linear, Op};
use std::ops::Range;

/// Largest magnitude of a bias in accumulator units: leaves room for the products in 32 bits.
const MAX_BIAS: f64 = (1u32 << 29) as f64;

/// Most products that one accumulator sums: `2^16 * 128 * 127 < 2^30`.
const MAX_PRODUCTS: usize = 1 << 16;

/// int8 weights of a layer, `[out][rest]` in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedWeights {
    /// Symmetric int8, -127..=127. Convolutions: `[out][in / groups][kernel...]`; linear: `[out][in]` (transposed from
    /// Burn's).
    pub data: Vec<i8>,
    /// Real value of one weight step, per output channel.
    pub scales: Vec<f64>,
    /// In steps of `input scale * weight scale`, with `-input_zero_point * sum(weights)` added.
    pub bias: Vec<i32>,
}

impl QuantisedWeights {
    /// Those of some of the outputs.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let inner = self.data.len() / self.bias.len();
        Self {
            data: self.data[rows.start * inner..rows.end * inner].to_vec(),
            scales: self.scales[rows.clone()].to_vec(),
            bias: self.bias[rows].to_vec(),
        }
    }
}

/// Quantises a node's weights; `None` for nodes without.
pub(crate) fn quantise(
    graph: &Graph,
    index: usize,
    input: Quantisation,
    output: Quantisation,
) -> Result<Option<QuantisedWeights>, QuantiseError> {
    let node = &graph.nodes[index];
    let (rows, bias) = match &node.op {
        Op::Conv(Conv { weight, bias, .. }) => {
            let param = graph.param(*weight);
            let inner = param.shape[1..].iter().product();
            (param.data.chunks_exact(inner).map(<[f32]>::to_vec).collect::<Vec<_>>(), bias)
        }
        Op::Linear(Linear { weight, bias }) => {
            let param = graph.param(*weight);
            let outputs = param.shape[1];
            let column = |o: usize| param.data.iter().skip(o).step_by(outputs).copied().collect();
            ((0..outputs).map(column).collect(), bias)
        }
        _ => return Ok(None),
    };
    let products = rows.first().map_or(0, Vec::len);
    if products > MAX_PRODUCTS {
        return Err(QuantiseError::Accumulator(node.name.clone(), products));
    }
    let bias = bias.map(|id| graph.param(id).data.clone()).unwrap_or_else(|| vec![0.0; rows.len()]);
    let mut quantised = QuantisedWeights { data: Vec::new(), scales: Vec::new(), bias: Vec::new() };
    for (row, bias) in rows.iter().zip(bias) {
        let scale = channel_scale(row, bias, input, output);
        let q = row.iter().map(|w| (f64::from(*w) / scale).round().clamp(-127.0, 127.0) as i8);
        let start = quantised.data.len();
        quantised.data.extend(q);
        let sum: i32 = quantised.data[start..].iter().map(|w| i32::from(*w)).sum();
        let own = (f64::from(bias) / (f64::from(input.scale) * scale)).round() as i32;
        quantised.bias.push(own - i32::from(input.zero_point) * sum);
        quantised.scales.push(scale);
    }
    Ok(Some(quantised))
}

/// The weight scale of one output channel: the finest that covers the weights, coarser where the bias would not fit.
fn channel_scale(row: &[f32], bias: f32, input: Quantisation, output: Quantisation) -> f64 {
    let largest = row.iter().fold(0.0f64, |max, w| max.max(f64::from(w.abs())));
    let for_bias = f64::from(bias.abs()) / (f64::from(input.scale) * MAX_BIAS);
    // A channel without weights only has its bias: 1024 accumulator steps to one output step represent it well.
    let without = f64::from(output.scale) / (f64::from(input.scale) * 1024.0);
    let scale = if largest > 0.0 { largest / 127.0 } else { without };
    scale.max(for_bias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Range;

    fn layer(weights: Vec<f32>, outputs: usize, bias: Vec<f32>) -> Graph {
        let mut graph = Graph::default();
        let inputs = weights.len() / outputs;
        let x = graph.add_input("x", vec![inputs]);
        let weight = graph.add_param("fc.weight", vec![inputs, outputs], weights);
        let bias = Some(graph.add_param("fc.bias", vec![outputs], bias));
        let y = graph.push("fc", Op::Linear(Linear { weight, bias }), &[x]).unwrap();
        graph.outputs.push(y);
        graph
    }

    #[test]
    fn rows_are_transposed_scaled_and_corrected() {
        let graph = layer(vec![0.5, -1.0, 0.25, 2.0], 2, vec![0.1, 0.0]);
        let input = Quantisation { scale: 0.1, zero_point: -3 };
        let q = quantise(&graph, 0, input, input).unwrap().unwrap();
        assert_eq!(q.data, [127, 64, -64, 127]);
        let own = (0.1f64 / (0.1 * 0.5 / 127.0)).round() as i32;
        assert_eq!(q.bias, [own + 3 * (127 + 64), 3 * (127 - 64)]);
    }

    #[test]
    fn a_bias_without_weights_survives() {
        let graph = layer(vec![0.0, 0.0], 1, vec![1.5]);
        let io = Quantisation::of(Range { min: -2.0, max: 2.0 });
        let q = quantise(&graph, 0, io, io).unwrap().unwrap();
        assert_eq!(q.data, [0, 0]);
        let real = f64::from(q.bias[0]) * f64::from(io.scale) * q.scales[0];
        assert!((real - 1.5).abs() < 1e-4, "{real}");
    }

    #[test]
    fn a_large_bias_on_tiny_weights_fits() {
        let graph = layer(vec![1e-9, 1e-9], 1, vec![1000.0]);
        let io = Quantisation { scale: 1.0, zero_point: 127 };
        let q = quantise(&graph, 0, io, io).unwrap().unwrap();
        assert!(f64::from(q.bias[0]).abs() <= MAX_BIAS * 1.001);
    }
}
