//! Depthwise convolution with 3x3 taps: rows are padded first, so that the taps of every output lie the same way.

use super::{copy, requantise_all, words};
use crate::isa::{depthwise_band, depthwise_columns};
use crate::scalar::{self, Axis};
use niwaki_blob::Conv2d;

/// Adds up, for each of `channels` channels, the products of 3x3 taps with their weights. Taps are `channels` apart along
/// a row and `row` from a row to the next; `sums` gets a word for each channel.
///
/// A function of this kind reads no taps and weights but those, and writes no more than the sums.
pub(crate) type Sums =
    unsafe extern "C" fn(input: *const i8, weights: *const i8, channels: usize, sums: *mut i32, row: usize);

/// See [`crate::scalar::depthwise_conv2d`]. Other sizes and dilations take the scalar way.
#[inline(always)]
pub(crate) fn depthwise_conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8], kernel: Sums) {
    let channels = op.output.channels.max(1);
    let band_len = depthwise_band(op);
    let good = op.window.kernel == [3, 3] && op.window.dilation == [1, 1] && op.input.channels == channels;
    let good = good && op.weights.len() >= 9 * channels && input.len() >= op.input.elements();
    let parts = scratch.split_at_mut_checked(band_len).filter(|_| good);
    let parts = parts.and_then(|(band, rest)| Some((band, words(rest).get_mut(..channels)?)));
    let Some((band, sums)) = parts else { return scalar::depthwise_conv2d(op, input, output) };
    let columns = depthwise_columns(op);
    let rows = Axis::rows(&op.window, op.input);
    let pitch = op.input.width * channels;
    let [stride_y, stride_x] = op.window.stride;
    let rule = &op.requantise;
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        let (elements, row) = if band.is_empty() {
            (input.get(y * stride_y * pitch..).unwrap_or_default(), pitch)
        } else {
            for (tap, to) in band.chunks_exact_mut((columns * channels).max(1)).enumerate() {
                let row = rows.position(y, tap).and_then(|row| input.get(row * pitch..(row + 1) * pitch));
                pad_row(op, row, to);
            }
            (&*band, columns * channels)
        };
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let Some(taps) = elements.get(x * stride_x * channels..) else { return };
            if taps.len() < 2 * row + 3 * channels {
                return;
            }
            // SAFETY: the taps' last element is at `2 * row + 3 * channels - 1`, and there are nine weights and one sum
            // for each channel.
            unsafe { kernel(taps.as_ptr(), op.weights.as_ptr(), channels, sums.as_mut_ptr(), row) }
            let lists = op.bias.iter().zip(rule.multipliers);
            for ((out, sum), (bias, multiplier)) in pixel.iter_mut().zip(&*sums).zip(lists) {
                let [value] = requantise_all([sum.wrapping_add(*bias)], *multiplier, rule);
                *out = value;
            }
        }
    }
}

/// A row of the input with its padding; all padding where there is no row.
fn pad_row(op: &Conv2d<'_>, row: Option<&[i8]>, to: &mut [i8]) {
    let left = op.window.padding[1] * op.input.channels;
    let Some((row, (before, rest))) = row.zip(to.split_at_mut_checked(left)) else {
        return to.fill(op.input_zero_point);
    };
    before.fill(op.input_zero_point);
    let (inside, after) = rest.split_at_mut(row.len().min(rest.len()));
    copy(inside, row);
    after.fill(op.input_zero_point);
}
