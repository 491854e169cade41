//! Convolution with groups, dilation, stride and padding on any side.

use super::{axis::Axis, dot, pieces};
use niwaki_blob::{Conv2d, requantise};

/// `output[y][x][o] = requantise(bias[o] + sum(input * weights[o]))`, where padding reads the input's zero point.
pub fn conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let group = channels.checked_div(op.groups).unwrap_or(0).max(1);
    let depth = op.input.channels.checked_div(op.groups).unwrap_or(0);
    let filter_len = op.window.kernel[0] * op.window.kernel[1] * depth;
    let patch = Patch {
        rows: Axis::rows(&op.window, op.input),
        columns: Axis::columns(&op.window, op.input),
        input,
        op,
        depth,
    };
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let filters = pieces(op.weights, filter_len).zip(op.bias);
            for (channel, (out, (filter, bias))) in pixel.iter_mut().zip(filters).enumerate() {
                let acc = bias.wrapping_add(patch.sum([y, x], channel / group, filter));
                *out = requantise(acc, channel, &op.requantise);
            }
        }
    }
}

/// The input as the windows see it.
struct Patch<'a> {
    rows: Axis,
    columns: Axis,
    input: &'a [i8],
    op: &'a Conv2d<'a>,
    /// Input channels of one group.
    depth: usize,
}

impl Patch<'_> {
    /// Sum of products of one window with one filter `[kernel height][kernel width][depth]`.
    #[inline(always)]
    fn sum(&self, [y, x]: [usize; 2], group: usize, filter: &[i8]) -> i32 {
        let pitch = self.op.input.width * self.op.input.channels;
        let mut acc = 0i32;
        for (tap, weights) in pieces(filter, self.op.window.kernel[1] * self.depth).enumerate() {
            let row = self.rows.position(y, tap).and_then(|row| self.input.get(row * pitch..(row + 1) * pitch));
            acc = acc.wrapping_add(match row {
                Some(row) => self.row(row, x, group, weights),
                None => self.padding(weights),
            });
        }
        acc
    }

    /// The part of the sum that lies in one row of the input.
    #[inline(always)]
    fn row(&self, row: &[i8], x: usize, group: usize, weights: &[i8]) -> i32 {
        let channels = self.op.input.channels;
        // Neighbouring taps over all channels are one piece of memory: one long sum instead of a short one per tap.
        if let (Some(first), 1) = (self.columns.inside(x), self.op.groups)
            && let Some(run) = row.get(first * channels..first * channels + weights.len())
        {
            return dot(run, weights);
        }
        let mut acc = 0i32;
        for (tap, weights) in pieces(weights, self.depth).enumerate() {
            let at = self.columns.position(x, tap).map(|column| column * channels + group * self.depth);
            acc = acc.wrapping_add(match at.and_then(|at| row.get(at..at + self.depth)) {
                Some(run) => dot(run, weights),
                None => self.padding(weights),
            });
        }
        acc
    }

    /// The sum where every element is the zero point.
    fn padding(&self, weights: &[i8]) -> i32 {
        let sum = weights.iter().fold(0i32, |sum, w| sum.wrapping_add(i32::from(*w)));
        sum.wrapping_mul(i32::from(self.op.input_zero_point))
    }
}
