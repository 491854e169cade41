//! The windows of six pixels as words.

use super::{Core, PIXELS, copy};
use crate::scalar::axis::Axis;
use niwaki_blob::{Shape, Window};

/// The input as windows see it.
pub(super) struct Windows<'a> {
    rows: Axis,
    columns: Axis,
    input: &'a [i8],
    shape: Shape,
    /// Elements of a row of a window.
    line_len: usize,
    zero_point: i8,
}

impl<'a> Windows<'a> {
    pub(super) fn new(window: &Window, shape: Shape, zero_point: i8, input: &'a [i8]) -> Self {
        let line_len = window.kernel[1] * shape.channels;
        let (rows, columns) = (Axis::rows(window, shape), Axis::columns(window, shape));
        Self { rows, columns, input, shape, line_len, zero_point }
    }

    /// Packs so many terms of the windows of some pixels, from the term `from` on, into four words each.
    ///
    /// `lines` has room for three pieces of a row of a window, of these terms at most.
    pub(super) fn pack(
        &self,
        core: &Core,
        places: &[[usize; 2]; PIXELS],
        [from, count]: [usize; 2],
        lines: &mut [i8],
        words: &mut [i32],
    ) {
        let len = self.line_len.max(1);
        let (mut row, mut at) = (0, from);
        while at >= len {
            (row, at) = (row + 1, at - len);
        }
        let mut rest = words;
        let mut left = count;
        while left > 0 {
            let piece = left.min(len - at);
            let Some((words, behind)) = rest.split_at_mut_checked(4 * piece) else { return };
            for (half, triple) in places.as_chunks::<3>().0.iter().enumerate() {
                let words = words.get_mut(2 * half..).unwrap_or_default();
                self.triple(core, triple, [row, at, piece], lines, words);
            }
            (rest, left, row, at) = (behind, left - piece, row + 1, 0);
        }
    }

    /// A piece of a row of three windows.
    #[inline(always)]
    fn triple(
        &self,
        core: &Core,
        places: &[[usize; 2]; 3],
        [row, at, len]: [usize; 3],
        lines: &mut [i8],
        words: &mut [i32],
    ) {
        let mut lines = lines;
        let mut pixels = [core::ptr::null(); 3];
        for (pixel, place) in pixels.iter_mut().zip(places) {
            let Some((line, later)) = core::mem::take(&mut lines).split_at_mut_checked(len) else { return };
            lines = later;
            // A row that lies whole in the input is read there; others are put together first.
            *pixel = match self.whole(*place, row, at, len) {
                Some(piece) => piece.as_ptr(),
                None => {
                    self.put_together(*place, row, at, line);
                    line.as_ptr()
                }
            };
        }
        if len > 0 && words.len() >= 4 * len - 2 {
            // SAFETY: there are `len` elements behind each pointer, and words up to `4 * len - 3`.
            unsafe { (core.triple)(&raw const pixels, len, words.as_mut_ptr()) }
        }
    }

    #[inline(always)]
    fn whole(&self, [y, x]: [usize; 2], row: usize, at: usize, len: usize) -> Option<&[i8]> {
        let (row, column) = (self.rows.position(y, row)?, self.columns.inside(x)?);
        let start = (row * self.shape.width + column) * self.shape.channels + at;
        self.input.get(start..)?.get(..len)
    }

    fn put_together(&self, [y, x]: [usize; 2], row: usize, at: usize, line: &mut [i8]) {
        line.fill(self.zero_point);
        let Some(row) = self.rows.position(y, row) else { return };
        let channels = self.shape.channels.max(1);
        let (mut tap, mut skip) = (0, at);
        while skip >= channels {
            (tap, skip) = (tap + 1, skip - channels);
        }
        let mut rest = line;
        while !rest.is_empty() {
            let len = rest.len().min(channels - skip);
            let Some((pixel, behind)) = rest.split_at_mut_checked(len) else { return };
            if let Some(column) = self.columns.position(x, tap) {
                let start = (row * self.shape.width + column) * channels + skip;
                copy(pixel, self.input.get(start..).unwrap_or_default());
            }
            (rest, tap, skip) = (behind, tap + 1, 0);
        }
    }
}
