//! Whether a convolution and its slices are what its shapes say: the one check that pointers rely on.

use niwaki_blob::{Conv2d, Shape};

fn elements(shape: Shape) -> Option<usize> {
    shape.height.checked_mul(shape.width)?.checked_mul(shape.channels)
}

/// Whether input, output, biases and multipliers are as long as the shapes say, the weights are one filter of `filter`
/// elements per output channel, and no position that a window may have overflows.
pub(crate) fn fits(op: &Conv2d<'_>, filter: usize, input: &[i8], output: &[i8]) -> bool {
    let channels = op.output.channels;
    let axis = |axis: usize, size: usize, outputs: usize| {
        let taps = op.window.kernel[axis].checked_mul(op.window.dilation[axis])?;
        let steps = outputs.checked_mul(op.window.stride[axis])?;
        taps.checked_add(steps)?.checked_add(op.window.padding[axis])?.checked_add(size)
    };
    let positions = axis(0, op.input.height, op.output.height).zip(axis(1, op.input.width, op.output.width));
    positions.is_some()
        && channels > 0
        && elements(op.input) == Some(input.len())
        && elements(op.output) == Some(output.len())
        && channels.checked_mul(filter) == Some(op.weights.len())
        && op.bias.len() == channels
        && op.requantise.multipliers.len() == channels
}
