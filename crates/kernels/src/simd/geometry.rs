//! Whether a convolution and its slices are what its shapes say: the one check that pointers rely on.

use niwaki_blob::{Conv2d, Shape, Window};

fn elements(shape: Shape) -> Option<usize> {
    shape.height.checked_mul(shape.width)?.checked_mul(shape.channels)
}

/// Whether input, output, biases and multipliers are as long as the shapes say, the weights are one filter of `filter`
/// elements per output channel, and no position that a window may have overflows.
pub(crate) fn fits(op: &Conv2d<'_>, filter: usize, input: &[i8], output: &[i8]) -> bool {
    let channels = op.output.channels;
    counts(&op.window, op.input, op.output, input, output)
        && channels > 0
        && channels.checked_mul(filter) == Some(op.weights.len())
        && op.bias.len() == channels
        && op.requantise.multipliers.len() == channels
}

/// Whether input and output are as long as their shapes say, and no position that a window may have overflows.
pub(crate) fn counts(window: &Window, from: Shape, to: Shape, input: &[i8], output: &[i8]) -> bool {
    let axis = |axis: usize, size: usize, outputs: usize| {
        let taps = window.kernel[axis].checked_mul(window.dilation[axis])?;
        let steps = outputs.checked_mul(window.stride[axis])?;
        taps.checked_add(steps)?.checked_add(window.padding[axis])?.checked_add(size)
    };
    let positions = axis(0, from.height, to.height).zip(axis(1, from.width, to.width));
    positions.is_some() && elements(from) == Some(input.len()) && elements(to) == Some(output.len())
}
