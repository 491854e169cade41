//! Fully connected layer with block weights.

use super::{blocks::Blocks, copy::copy};
use crate::scalar;
use niwaki_blob::BlockFullyConnected;

/// See [`crate::scalar::block_fully_connected`]. What [`Blocks::new`] does not take goes the scalar way.
pub(crate) fn block_fully_connected(op: &BlockFullyConnected<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let skipped = scratch.as_ptr().align_offset(4);
    let copied = scratch.get_mut(skipped..).and_then(|rest| rest.get_mut(..op.quads() * 4));
    let blocks = Blocks::new(&op.blocks, op.outputs, op.quads());
    let (Some(copied), Some(blocks)) = (copied, blocks) else {
        return scalar::block_fully_connected(op, input, output);
    };
    if input.len().is_multiple_of(4) && (input.as_ptr() as usize).is_multiple_of(4) {
        return blocks.times(input, output);
    }
    // Behind the last input the weights are 0.
    copy(copied, input);
    blocks.times(copied, output);
}
