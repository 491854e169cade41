//! Convolution with block weights.

use super::{axis::Axis, block::Blocks, packed_conv2d::Patch};
use niwaki_blob::{BLOCK_OUTPUTS, BlockConv2d};

/// As [`super::conv2d`], with the blocks that are there.
pub fn block_conv2d(op: &BlockConv2d<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    let (shape, kernel, zero_point) = (op.input, op.window.kernel, op.input_zero_point);
    let patch = Patch { rows, columns, input, shape, kernel, zero_point };
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let mut blocks = Blocks::new(&op.blocks, op.quads());
            for (four, out) in pixel.chunks_mut(BLOCK_OUTPUTS).enumerate() {
                blocks.four(four * BLOCK_OUTPUTS, |term| patch.term([y, x], term), out);
            }
        }
    }
}
