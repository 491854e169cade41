//! Average over windows, four channels at a time.

use super::word;
use crate::scalar;
use niwaki_blob::{AvgPool, requantise};

/// Elements of a window whose sum fits 16 bits.
const MAX_ELEMENTS: usize = 255;

/// As [`crate::scalar::avg_pool`].
pub(crate) fn avg_pool(op: &AvgPool<'_>, input: &[i8], output: &mut [i8]) {
    let window = &op.window;
    let channels = op.output.channels;
    let whole = window.padding == [0, 0]
        && (op.output.height - 1) * window.stride[0] + window.kernel[0] <= op.input.height
        && (op.output.width - 1) * window.stride[1] + window.kernel[1] <= op.input.width;
    let taps = window.kernel[0] * window.kernel[1];
    let complete = input.len() == op.input.elements() && op.input.channels == channels;
    if !whole || !complete || !channels.is_multiple_of(4) || taps > MAX_ELEMENTS {
        return scalar::avg_pool(op, input, output);
    }
    let rule = if op.requantise.multipliers.len() == 1 { 0 } else { taps - 1 };
    let offset = taps as i32 * i32::from(op.input_zero_point);
    let pitch = op.input.width * channels;
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels.max(1)).enumerate() {
            let first = y * window.stride[0] * pitch + x * window.stride[1] * channels;
            for (tile, out) in pixel.chunks_exact_mut(4).enumerate() {
                let (mut even, mut odd) = (0, 0);
                for row in 0..window.kernel[0] {
                    let mut at = first + row * pitch + 4 * tile;
                    for _ in 0..window.kernel[1] {
                        // SAFETY: windows lie inside the input, which has all of its elements.
                        let x = unsafe { word::load(input.as_ptr().add(at)) };
                        even = word::sxtab16(even, x);
                        odd = word::sxtab16_odd(odd, x);
                        at += channels;
                    }
                }
                let sums = [even as i16, odd as i16, (even >> 16) as i16, (odd >> 16) as i16];
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = requantise(i32::from(sum) - offset, rule, &op.requantise);
                }
            }
        }
    }
}
