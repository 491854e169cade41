//! Convolution with groups, dilation, stride and padding on any side.

use super::{axis::Axis, dot, pieces};
use niwaki_blob::{Conv2d, requantise};

/// Output channels that are accumulated together, so that what they read is found once for all of them.
const TILE: usize = 16;

/// `output[y][x][o] = requantise(bias[o] + sum(input * weights[o]))`, where padding reads the input's zero point.
pub fn conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let per_group = channels.checked_div(op.groups).unwrap_or(0).max(1);
    let depth = op.input.channels.checked_div(op.groups).unwrap_or(0);
    let patch = Patch {
        rows: Axis::rows(&op.window, op.input),
        columns: Axis::columns(&op.window, op.input),
        input,
        op,
        depth,
        filter_len: op.window.kernel[0] * op.window.kernel[1] * depth,
    };
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            for (group, out) in pixel.chunks_mut(per_group).enumerate() {
                for (tile, out) in out.chunks_mut(TILE).enumerate() {
                    let first = group * per_group + tile * TILE;
                    let mut acc = [0i32; TILE];
                    patch.accumulate([y, x], group, first, acc.get_mut(..out.len()).unwrap_or_default());
                    let bias = op.bias.get(first..).unwrap_or_default();
                    for (lane, ((out, acc), bias)) in out.iter_mut().zip(acc).zip(bias).enumerate() {
                        *out = requantise(bias.wrapping_add(acc), first + lane, &op.requantise);
                    }
                }
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
    /// Elements of one filter, `[kernel height][kernel width][depth]`.
    filter_len: usize,
}

impl Patch<'_> {
    /// Adds the products of one window with the filters from `first` on, one per accumulator.
    #[inline(always)]
    fn accumulate(&self, [y, x]: [usize; 2], group: usize, first: usize, acc: &mut [i32]) {
        let [height, width] = self.op.window.kernel;
        let channels = self.op.input.channels;
        let pitch = self.op.input.width * channels;
        let filters = self.op.weights.get(first * self.filter_len..).unwrap_or_default();
        for tap_y in 0..height {
            let row = self.rows.position(y, tap_y).and_then(|row| self.input.get(row * pitch..(row + 1) * pitch));
            let at = tap_y * width * self.depth;
            // Neighbouring taps over all channels are one piece of memory: one long sum instead of a short one per tap.
            if let (Some(row), Some(column), 1) = (row, self.columns.inside(x), self.op.groups) {
                let len = width * channels;
                self.add(row.get(column * channels..column * channels + len), at, len, filters, acc);
                continue;
            }
            for tap_x in 0..width {
                let column = self.columns.position(x, tap_x).map(|column| column * channels + group * self.depth);
                let run = row.zip(column).and_then(|(row, column)| row.get(column..column + self.depth));
                self.add(run, at + tap_x * self.depth, self.depth, filters, acc);
            }
        }
    }

    /// Adds the products of some elements with the part `at..at + len` of each filter; without elements, those of as
    /// many zero points.
    #[inline(always)]
    fn add(&self, elements: Option<&[i8]>, at: usize, len: usize, filters: &[i8], acc: &mut [i32]) {
        for (acc, filter) in acc.iter_mut().zip(pieces(filters, self.filter_len)) {
            let weights = filter.get(at..at + len).unwrap_or_default();
            *acc = acc.wrapping_add(match elements {
                Some(elements) => dot(elements, weights),
                None => sum(weights).wrapping_mul(i32::from(self.op.input_zero_point)),
            });
        }
    }
}

fn sum(weights: &[i8]) -> i32 {
    weights.iter().fold(0, |sum, w| sum.wrapping_add(i32::from(*w)))
}
