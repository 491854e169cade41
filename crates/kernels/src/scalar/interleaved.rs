//! Fully connected layer with interleaved weights, dense and sparse.

use super::packed::{Blocks, MAX_ROWS, finish_rows};
use niwaki_blob::{INTERLEAVED_STEP, PackedFullyConnected};

/// As [`super::fully_connected`], with weights plus 128, `[group][term][4 rows]`.
pub fn interleaved_fully_connected(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    each_group(op, input, output, Blocks::dense(&op.packed, op.quads()));
}

/// As [`super::fully_connected`], with streams of the blocks that are not zero.
pub fn sparse_interleaved_fully_connected(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    each_group(op, input, output, Blocks::sparse(&op.packed, INTERLEAVED_STEP));
}

#[inline(always)]
fn each_group(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8], mut blocks: Blocks<'_>) {
    for (group, out) in output.chunks_mut(MAX_ROWS).enumerate() {
        let mut sums = [0i32; MAX_ROWS];
        blocks.group(|quad, block| {
            for (k, weights) in block.as_chunks::<MAX_ROWS>().0.iter().enumerate() {
                // Behind the last input the weights are 0.
                let x = i32::from(input.get(quad * 4 + k).copied().unwrap_or(0));
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum = sum.wrapping_add(x * (i32::from(*weight as u8) - 128));
                }
            }
        });
        finish_rows(&op.packed, group, sums, out);
    }
}
