//! Fully connected layer.

use super::rows::Rows;
use niwaki_blob::FullyConnected;

/// See [`crate::scalar::fully_connected`].
pub(crate) fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    Rows::new(op.inputs, op.weights, op.bias, &op.requantise).times(input, output);
}
