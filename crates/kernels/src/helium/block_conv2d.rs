//! Convolution with block weights: each window's elements as one vector.

use super::{blocks::Blocks, conv2d::each_window};
use crate::{isa::single_pixels, scalar};
use niwaki_blob::{BlockConv2d, Conv2d, Requantise};

/// See [`crate::scalar::block_conv2d`]. What [`Blocks::new`] does not take goes the scalar way.
pub(crate) fn block_conv2d(op: &BlockConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let skipped = scratch.as_ptr().align_offset(4);
    let window = scratch.get_mut(skipped..).and_then(|rest| rest.get_mut(..op.quads() * 4));
    let blocks = Blocks::new(&op.blocks, op.output.channels, op.quads());
    let (Some(window), Some(blocks)) = (window, blocks) else {
        return scalar::block_conv2d(op, input, output);
    };
    let activation = op.blocks.activation;
    // The geometry, for what convolutions share.
    let conv = Conv2d {
        input: op.input,
        output: op.output,
        window: op.window,
        groups: 1,
        input_zero_point: op.input_zero_point,
        weights: &[],
        bias: &[],
        requantise: Requantise { multipliers: &[], shift: 0, zero_point: op.blocks.zero_point, activation },
    };
    let aligned = op.input.channels.is_multiple_of(4) && (input.as_ptr() as usize).is_multiple_of(4);
    let direct = single_pixels(&conv) && aligned;
    each_window(&conv, input, output, window, direct, |window, pixel| blocks.times(window, pixel));
}
