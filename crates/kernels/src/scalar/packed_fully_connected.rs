//! Fully connected layer with packed weights, dense and sparse.

use super::packed::{Blocks, MAX_ROWS, add_block, finish};
use niwaki_blob::{FULLY_CONNECTED_STEP, PackedFullyConnected};

/// As [`super::fully_connected`], with dense packed weights.
pub fn packed_fully_connected(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    each_group(op, input, output, Blocks::dense(&op.packed, op.quads()));
}

/// As [`super::fully_connected`], with streams of the blocks that are not zero.
pub fn sparse_fully_connected(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    each_group(op, input, output, Blocks::sparse(&op.packed, FULLY_CONNECTED_STEP));
}

#[inline(always)]
fn each_group(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8], mut blocks: Blocks<'_>) {
    for (group, out) in output.chunks_mut(op.packed.rows.max(1)).enumerate() {
        let mut sums = [0; MAX_ROWS];
        for (first, rows) in op.packed.streams() {
            let sums = sums.get_mut(first..).unwrap_or_default();
            blocks.stream(rows, |quad, block| {
                // Behind the last input the weights are 0.
                let terms = core::array::from_fn(|k| input.get(quad * 4 + k).copied().unwrap_or(0));
                add_block(sums, rows, block, terms);
            });
        }
        finish(&op.packed, group, sums, out);
    }
}
