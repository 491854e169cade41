//! Softmax over the channels of every pixel.

use super::pieces;
use niwaki_blob::Softmax;

/// With `e[i] = table[max - x[i]]`: `output[i] = clamp((256 * e[i] + sum / 2) / sum - 128)`.
pub fn softmax(op: &Softmax<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.shape.channels.max(1);
    let Some(table) = op.table.first_chunk::<256>() else { return };
    for (out, x) in output.chunks_exact_mut(channels).zip(pieces(input, channels)) {
        let max = x.iter().copied().max().unwrap_or(0);
        // Up to 255 for every pair of elements: the wrapped difference, read as unsigned, is exact.
        let exp = |x: i8| u32::from(table[usize::from(max.wrapping_sub(x) as u8)]);
        let sum = x.iter().fold(0u32, |sum, x| sum.wrapping_add(exp(*x))).max(1);
        for (out, x) in out.iter_mut().zip(x) {
            let share = (exp(*x) << 8).wrapping_add(sum / 2) / sum;
            *out = (share.min(255) as i32 - 128) as i8;
        }
    }
}
