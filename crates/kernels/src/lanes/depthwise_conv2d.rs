//! Depthwise convolution with 3x3 taps: rows are padded first, so that the taps of every output lie the same way.

use super::{Bound, copy};
use crate::isa::{depthwise_band, depthwise_columns};
use crate::scalar::{self, axis::Axis};
use niwaki_blob::Conv2d;

/// One output pixel; assembly reads it at these offsets.
#[repr(C)]
pub(crate) struct Taps {
    /// 0: of the first channel
    input: *const i8,
    /// 4
    weights: *const i8,
    /// 8: from a tap to the next, in the input and in the weights
    channels: usize,
    /// 12: from a row of taps to the next
    row: usize,
    /// 16
    bias: *const i32,
    /// 20
    multipliers: *const i32,
    /// 24
    output: *mut i8,
    /// 28
    shift: u32,
    /// 32
    zero_point: i32,
    /// 36
    min: i32,
    /// 40
    max: i32,
    /// 44: whether [`Bound::is_small`] holds
    small: u32,
}

/// Computes the channels of one output pixel. A function of this kind touches no taps, weights, biases, multipliers and
/// outputs but theirs.
pub(crate) type Pixel = unsafe extern "C" fn(taps: *const Taps);

/// See [`crate::scalar::depthwise_conv2d`]. Other sizes and dilations take the scalar way.
#[inline(always)]
pub(crate) fn depthwise_conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8], kernel: Pixel) {
    let channels = op.output.channels.max(1);
    let band_len = depthwise_band(op);
    let good = op.window.kernel == [3, 3] && op.window.dilation == [1, 1] && op.input.channels == channels;
    let good = good && op.weights.len() >= 9 * channels && input.len() >= op.input.elements();
    let good = good && op.bias.len() >= channels && op.requantise.multipliers.len() >= channels;
    let Some(band) = scratch.get_mut(..band_len).filter(|_| good) else {
        return scalar::depthwise_conv2d(op, input, output);
    };
    let columns = depthwise_columns(op);
    let rows = Axis::rows(&op.window, op.input);
    let pitch = op.input.width * channels;
    let [stride_y, stride_x] = op.window.stride;
    let rule = &op.requantise;
    let mut bound = Bound::default();
    op.bias.iter().for_each(|bias| bound.bias(*bias));
    rule.multipliers.iter().for_each(|multiplier| bound.multiplier(*multiplier));
    let small = u32::from(bound.is_small(rule, 9));
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
            let taps = Taps {
                input: taps.as_ptr(),
                weights: op.weights.as_ptr(),
                channels,
                row,
                bias: op.bias.as_ptr(),
                multipliers: rule.multipliers.as_ptr(),
                output: pixel.as_mut_ptr(),
                shift: rule.shift,
                zero_point: i32::from(rule.zero_point),
                min: i32::from(rule.activation.min),
                max: i32::from(rule.activation.max),
                small,
            };
            // SAFETY: the taps' last element is at `2 * row + 3 * channels - 1`; there are nine weights, a bias, a
            // multiplier and an output for each channel.
            unsafe { kernel(&raw const taps) }
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
