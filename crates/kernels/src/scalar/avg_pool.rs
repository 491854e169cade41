//! Average over windows.

use super::axis::Axis;
use niwaki_blob::{AvgPool, requantise};

/// Channels that are accumulated together: they are neighbours in memory, so a compiler makes vectors of them.
const TILE: usize = 32;

/// `requantise(sum(x - input_zero_point))` under each window, channel by channel. Padding adds nothing; where there is
/// a multiplier per count, the number of elements inside the input picks it.
pub fn avg_pool(op: &AvgPool<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let (rows, columns) = (rows.covered(y), columns.covered(x));
            let count = rows.len() * columns.len();
            let rule = if op.requantise.multipliers.len() == 1 { 0 } else { count.saturating_sub(1) };
            // What the zero points of all elements add up to.
            let offset = (count as i32).wrapping_mul(i32::from(op.input_zero_point));
            for (tile, out) in pixel.chunks_mut(TILE).enumerate() {
                let mut acc = [0i32; TILE];
                for row in rows.clone() {
                    for column in columns.clone() {
                        let at = (row * op.input.width + column) * channels + tile * TILE;
                        for (acc, x) in acc.iter_mut().zip(input.get(at..at + out.len()).unwrap_or_default()) {
                            *acc = acc.wrapping_add(i32::from(*x));
                        }
                    }
                }
                for (out, acc) in out.iter_mut().zip(acc) {
                    *out = requantise(acc.wrapping_sub(offset), rule, &op.requantise);
                }
            }
        }
    }
}
