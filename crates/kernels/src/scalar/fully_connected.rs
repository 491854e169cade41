//! Fully connected layer.

use super::{dot, pieces};
use niwaki_blob::{FullyConnected, requantise};

/// `output[o] = requantise(bias[o] + sum(input * weights[o]))`.
pub fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    let rows = pieces(op.weights, op.inputs).zip(op.bias);
    for (channel, (out, (weights, bias))) in output.iter_mut().zip(rows).enumerate() {
        *out = requantise(bias.wrapping_add(dot(input, weights)), channel, &op.requantise);
    }
}
