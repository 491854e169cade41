//! Fully connected layer with Winograd weights.

use super::packed::finish_rows;
use niwaki_blob::{PackedFullyConnected, WINOGRAD_BLOCK, WINOGRAD_CONSTANTS, WINOGRAD_QUADS, WINOGRAD_ROWS};

/// As [`super::fully_connected`], with weights plus 128, `[group][chunk][pair of terms][2 halves][2 terms][4 rows]`, and
/// constants, which only say what the weights do, before every chunk.
pub fn winograd_fully_connected(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    let mut rest = op.packed.weights;
    for (group, out) in output.chunks_mut(WINOGRAD_ROWS).enumerate() {
        let mut sums = [0i32; WINOGRAD_ROWS];
        for elements in input.chunks(4 * WINOGRAD_QUADS) {
            let bytes = elements.len().div_ceil(4) * WINOGRAD_BLOCK;
            let words = rest.get(WINOGRAD_CONSTANTS..).and_then(|rest| rest.split_at_checked(bytes));
            let (words, behind) = words.unwrap_or_default();
            rest = behind;
            for (pair, elements) in words.as_chunks::<16>().0.iter().zip(elements.chunks(2)) {
                for (sums, half) in sums.as_chunks_mut::<4>().0.iter_mut().zip(pair.as_chunks::<8>().0) {
                    for (x, weights) in elements.iter().zip(half.as_chunks::<4>().0) {
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum = sum.wrapping_add(i32::from(*x) * (i32::from(*weight as u8) - 128));
                        }
                    }
                }
            }
        }
        finish_rows(&op.packed, group, sums, out);
    }
}
