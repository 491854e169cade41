//! Convolution: the windows of some neighbouring pixels, packed into words, times every filter.

use super::{copy, words};
use crate::scalar::{self, axis::Axis};
use niwaki_blob::Conv2d;

/// What a core brings: every filter times the packed windows of some pixels.
pub(crate) trait Filters<const PIXELS: usize> {
    /// `packed` holds `PIXELS / 2 * terms` words; `places` are where the pixels begin in `output`, each with all its
    /// channels inside. Pixels may repeat.
    fn apply(op: &Conv2d<'_>, terms: usize, packed: &[i32], output: &mut [i8], places: [usize; PIXELS]);
}

/// See [`crate::scalar::conv2d`]. Groups take the scalar way.
#[inline(always)]
pub(crate) fn conv2d<F: Filters<PIXELS>, const PIXELS: usize>(
    op: &Conv2d<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) {
    let channels = op.output.channels.max(1);
    let line_len = op.window.kernel[1] * op.input.channels;
    let terms = op.window.kernel[0] * line_len;
    let lines = scratch.len().checked_sub(PIXELS * line_len).and_then(|at| scratch.split_at_mut_checked(at));
    let lines = lines.filter(|_| op.groups == 1 && terms > 0);
    let parts = lines.and_then(|(packed, lines)| Some((words(packed).get_mut(..PIXELS / 2 * terms)?, lines)));
    let Some((packed, lines)) = parts else { return scalar::conv2d(op, input, output) };
    let windows = Windows {
        rows: Axis::rows(&op.window, op.input),
        columns: Axis::columns(&op.window, op.input),
        op,
        input,
        line_len,
    };
    let width = op.output.width.max(1);
    let pixels = output.len() / channels;
    let mut position = [0; 2];
    for first in (0..pixels).step_by(PIXELS) {
        let mut windows_at = [[0; 2]; PIXELS];
        let mut places = [0; PIXELS];
        for (at, (window, place)) in windows_at.iter_mut().zip(&mut places).enumerate() {
            // Past the last pixel, the last one again.
            *window = position;
            *place = (first + at).min(pixels - 1) * channels;
            if first + at + 1 < pixels {
                position[1] += 1;
                if position[1] == width {
                    position = [position[0] + 1, 0];
                }
            }
        }
        windows.pack(&windows_at, lines, packed);
        F::apply(op, terms, packed, output, places);
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
    fn pack<const PIXELS: usize>(&self, places: &[[usize; 2]; PIXELS], lines: &mut [i8], packed: &mut [i32]) {
        for (tap, packed) in packed.chunks_exact_mut((PIXELS / 2 * self.line_len).max(1)).enumerate() {
            // A row that lies whole in the input is read there; others are put together first.
            let mut rest = &mut *lines;
            let runs: [&[i8]; PIXELS] = places.map(|[y, x]| {
                let (line, later) = core::mem::take(&mut rest).split_at_mut_checked(self.line_len).unwrap_or_default();
                rest = later;
                self.whole(y, x, tap).unwrap_or_else(|| self.put_together(y, x, tap, line))
            });
            let runs = runs.map(|run| run.get(..self.line_len).unwrap_or_default());
            interleave(&runs, packed);
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
fn interleave<const PIXELS: usize>(runs: &[&[i8]; PIXELS], packed: &mut [i32]) {
    let both = |a: &i8, b: &i8| i32::from(*a).wrapping_add(i32::from(*b) << 16);
    match runs.as_slice() {
        [a, b, c, d] => {
            let elements = a.iter().zip(*b).zip(c.iter().zip(*d));
            for (words, ((a, b), (c, d))) in packed.chunks_exact_mut(2).zip(elements) {
                if let [first, second] = words {
                    (*first, *second) = (both(a, b), both(c, d));
                }
            }
        }
        [a, b] => {
            for (word, (a, b)) in packed.iter_mut().zip(a.iter().zip(*b)) {
                *word = both(a, b);
            }
        }
        _ => {}
    }
}
