//! Convolution of every channel with a filter of its own.

use super::axis::Axis;
use niwaki_blob::{Conv2d, requantise};

/// Channels that are accumulated together: they are neighbours in memory, so a compiler makes vectors of them.
const TILE: usize = 32;

/// `output[y][x][c] = requantise(bias[c] + sum(input[..][..][c] * weights[..][..][c]))`, where padding reads the input's
/// zero point.
pub fn depthwise_conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let filter = Filter {
        rows: Axis::rows(&op.window, op.input),
        columns: Axis::columns(&op.window, op.input),
        input,
        op,
        channels,
    };
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            for (tile, out) in pixel.chunks_mut(TILE).enumerate() {
                let acc = filter.sum([y, x], tile * TILE, out.len());
                let bias = op.bias.get(tile * TILE..).unwrap_or_default();
                for (lane, ((out, acc), bias)) in out.iter_mut().zip(acc).zip(bias).enumerate() {
                    *out = requantise(bias.wrapping_add(acc), tile * TILE + lane, &op.requantise);
                }
            }
        }
    }
}

struct Filter<'a> {
    rows: Axis,
    columns: Axis,
    input: &'a [i8],
    op: &'a Conv2d<'a>,
    channels: usize,
}

impl Filter<'_> {
    /// Sums of products of one window for `lanes` channels from `first`.
    #[inline(always)]
    fn sum(&self, [y, x]: [usize; 2], first: usize, lanes: usize) -> [i32; TILE] {
        let [height, width] = self.op.window.kernel;
        let piece = |of: &'_ [i8], pixel: usize| -> Option<core::ops::Range<usize>> {
            let at = pixel * self.channels + first;
            (at + lanes <= of.len()).then_some(at..at + lanes)
        };
        let mut acc = [0i32; TILE];
        for tap_y in 0..height {
            let row = self.rows.position(y, tap_y);
            for tap_x in 0..width {
                let weights = piece(self.op.weights, tap_y * width + tap_x).and_then(|at| self.op.weights.get(at));
                let pixel = row.zip(self.columns.position(x, tap_x));
                let pixel = pixel.map(|(row, column)| row * self.op.input.width + column);
                let run = pixel.and_then(|pixel| piece(self.input, pixel)).and_then(|at| self.input.get(at));
                let lanes = acc.iter_mut().zip(weights.unwrap_or_default());
                match run {
                    Some(run) => lanes.zip(run).for_each(|((acc, w), x)| add_product(acc, *x, *w)),
                    None => lanes.for_each(|(acc, w)| add_product(acc, self.op.input_zero_point, *w)),
                }
            }
        }
        acc
    }
}

#[inline(always)]
fn add_product(acc: &mut i32, x: i8, weight: i8) {
    *acc = acc.wrapping_add(i32::from(x) * i32::from(weight));
}
