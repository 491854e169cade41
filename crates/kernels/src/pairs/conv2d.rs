//! Convolution: the windows of some neighbouring pixels, packed into words, times every filter.

use super::{copy, requantise_all, words};
use crate::scalar::{self, Axis};
use niwaki_blob::Conv2d;

/// What a core brings: sums of products of packed windows.
pub(crate) trait Dot {
    /// Words for one element: two pixels each.
    const PAIRS: usize;

    /// For each of `ROWS` filters, which lie one behind the other, the sum of each pixel. `windows` holds
    /// `PAIRS * terms` words, `filters` at least `ROWS * terms` weights.
    fn rows<const PIXELS: usize, const ROWS: usize>(
        windows: &[i32],
        filters: &[i8],
        terms: usize,
    ) -> [[i32; PIXELS]; ROWS];
}

/// See [`crate::scalar::conv2d`]. `PIXELS` is twice `D::PAIRS`. Groups take the scalar way.
#[inline(always)]
pub(crate) fn conv2d<D: Dot, const PIXELS: usize, const ROWS: usize>(
    op: &Conv2d<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) {
    let channels = op.output.channels.max(1);
    let line_len = op.window.kernel[1] * op.input.channels;
    let terms = op.window.kernel[0] * line_len;
    let lines = scratch.len().checked_sub(PIXELS * line_len).and_then(|at| scratch.split_at_mut_checked(at));
    let Some((packed, lines)) = lines.filter(|_| op.groups == 1 && terms > 0) else {
        return scalar::conv2d(op, input, output);
    };
    let Some(packed) = words(packed).get_mut(..D::PAIRS * terms) else { return scalar::conv2d(op, input, output) };
    let windows = Windows {
        rows: Axis::rows(&op.window, op.input),
        columns: Axis::columns(&op.window, op.input),
        op,
        input,
        line_len,
    };
    let width = op.output.width.max(1);
    let pixels = output.len() / channels;
    for first in (0..pixels).step_by(PIXELS) {
        // Past the last pixel, the last one again.
        let place = |at: usize| (first + at).min(pixels - 1);
        let mut places = [[0; 2]; PIXELS];
        let mut position = [first / width, first % width];
        for (at, pixel) in places.iter_mut().enumerate() {
            *pixel = position;
            if first + at < pixels - 1 {
                position[1] += 1;
                if position[1] == width {
                    position = [position[0] + 1, 0];
                }
            }
        }
        windows.pack::<PIXELS>(&places, lines, packed, D::PAIRS);
        for channel in (0..channels).step_by(ROWS) {
            // Where rows are left over, the last ones again: the same outputs are written twice.
            let channel = channel.min(channels.saturating_sub(ROWS));
            let filters = op.weights.get(channel * terms..).unwrap_or_default();
            let sums = D::rows::<PIXELS, ROWS>(packed, filters, terms);
            for (row, sums) in sums.into_iter().enumerate() {
                let channel = channel + row;
                let (Some(bias), Some(multiplier)) = (op.bias.get(channel), op.requantise.multipliers.get(channel))
                else {
                    break;
                };
                let outputs = requantise_all(sums.map(|sum| sum.wrapping_add(*bias)), *multiplier, &op.requantise);
                for (at, value) in outputs.into_iter().enumerate() {
                    if let Some(out) = output.get_mut(place(at) * channels + channel) {
                        *out = value;
                    }
                }
            }
        }
    }
}

struct Windows<'a> {
    rows: Axis,
    columns: Axis,
    op: &'a Conv2d<'a>,
    input: &'a [i8],
    /// Elements of a row of a window.
    line_len: usize,
}

impl Windows<'_> {
    /// Packs the windows of some pixels: for every element a word for each pair of pixels.
    #[inline(always)]
    fn pack<const PIXELS: usize>(
        &self,
        places: &[[usize; 2]; PIXELS],
        lines: &mut [i8],
        packed: &mut [i32],
        pairs: usize,
    ) {
        for (tap, packed) in packed.chunks_exact_mut((pairs * self.line_len).max(1)).enumerate() {
            // A row that lies whole in the input is read there; others are put together first.
            let mut rest = &mut *lines;
            let runs: [&[i8]; PIXELS] = places.map(|[y, x]| {
                let (line, later) = core::mem::take(&mut rest).split_at_mut_checked(self.line_len).unwrap_or_default();
                rest = later;
                self.whole(y, x, tap).unwrap_or_else(|| self.put_together(y, x, tap, line))
            });
            let runs = runs.map(|run| run.get(..self.line_len).unwrap_or_default());
            interleave(&runs, packed, pairs);
        }
    }

    #[inline(always)]
    fn whole(&self, y: usize, x: usize, tap: usize) -> Option<&[i8]> {
        let channels = self.op.input.channels;
        let (row, column) = (self.rows.position(y, tap)?, self.columns.inside(x)?);
        self.input.get((row * self.op.input.width + column) * channels..)
    }

    fn put_together<'l>(&self, y: usize, x: usize, tap: usize, line: &'l mut [i8]) -> &'l [i8] {
        let channels = self.op.input.channels;
        line.fill(self.op.input_zero_point);
        if let Some(row) = self.rows.position(y, tap) {
            for (tap, pixel) in line.chunks_exact_mut(channels.max(1)).enumerate() {
                if let Some(column) = self.columns.position(x, tap) {
                    copy(pixel, self.input.get((row * self.op.input.width + column) * channels..).unwrap_or_default());
                }
            }
        }
        line
    }
}

/// Words of two pixels each, element by element.
#[inline(always)]
fn interleave<const PIXELS: usize>(runs: &[&[i8]; PIXELS], packed: &mut [i32], pairs: usize) {
    let both = |a: &i8, b: &i8| i32::from(*a).wrapping_add(i32::from(*b) << 16);
    match (runs.as_slice(), pairs) {
        ([a, b, c, d], 2) => {
            let elements = a.iter().zip(*b).zip(c.iter().zip(*d));
            for (words, ((a, b), (c, d))) in packed.chunks_exact_mut(2).zip(elements) {
                if let [first, second] = words {
                    (*first, *second) = (both(a, b), both(c, d));
                }
            }
        }
        ([a, b], 1) => {
            for (word, (a, b)) in packed.iter_mut().zip(a.iter().zip(*b)) {
                *word = both(a, b);
            }
        }
        _ => {}
    }
}
