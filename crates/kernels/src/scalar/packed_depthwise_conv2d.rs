//! Depthwise convolution with 3x3 taps, one word of weights per column of taps.

use super::{axis::Axis, packed::finish_channel};
use niwaki_blob::PackedConv2d;

/// As [`super::depthwise_conv2d`], with weights `[channel][column][top, middle, middle, bottom]`.
pub fn packed_depthwise_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    let filters = op.packed.weights.as_chunks::<4>().0;
    let rules = op.packed.rules.as_chunks::<2>().0;
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            for (channel, (out, rule)) in pixel.iter_mut().zip(rules).enumerate() {
                let mut sum = 0i32;
                for (column, word) in filters.iter().skip(channel * 3).take(3).enumerate() {
                    for (row, weight) in [word[0], word[1], word[3]].into_iter().enumerate() {
                        let place = rows.position(y, row).zip(columns.position(x, column));
                        let at = place.map(|(row, column)| (row * op.input.width + column) * channels + channel);
                        let element = at.and_then(|at| input.get(at)).copied().unwrap_or(op.input_zero_point);
                        sum = sum.wrapping_add(i32::from(element) * i32::from(weight));
                    }
                }
                *out = finish_channel(*rule, op.packed.zero_point, op.packed.activation, sum);
            }
        }
    }
}
