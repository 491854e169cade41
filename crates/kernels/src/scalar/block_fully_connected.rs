//! Fully connected layer with block weights.

use super::block::Blocks;
use niwaki_blob::{BLOCK_OUTPUTS, BlockFullyConnected};

/// As [`super::fully_connected`], with the blocks that are there.
pub fn block_fully_connected(op: &BlockFullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    let mut blocks = Blocks::new(&op.blocks, op.quads());
    for (four, out) in output.chunks_mut(BLOCK_OUTPUTS).enumerate() {
        // Behind the last input the weights are 0.
        blocks.four(four * BLOCK_OUTPUTS, |term| input.get(term).copied().unwrap_or(0), out);
    }
}
