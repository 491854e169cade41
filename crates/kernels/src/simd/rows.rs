//! The rows of the input that lie under a window, copied to where padding is in its place: no tap misses.

use super::{STEP, copy::copy};
use crate::scalar::axis::Axis;
use niwaki_blob::Conv2d;

/// Most rows that a window has taps in.
const MOST_ROWS: usize = 32;

/// Where rows of taps start; the first as many as a window has.
pub(super) type Starts = [*const i8; MOST_ROWS];

/// Before any row is there.
pub(super) const NO_STARTS: Starts = [core::ptr::null(); MOST_ROWS];

/// How the rows of a convolution are kept: as many as a window spans, each in place of one that is no longer needed.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Rows that a window spans.
    extent: usize,
    /// Rows that are kept: those under the windows of one row of outputs, or of two.
    kept: usize,
    /// Bytes of a row with its padding.
    row: usize,
    /// Bytes from row to row: [`STEP`] more, so that whole steps can be read anywhere.
    pitch: usize,
}

impl Layout {
    /// `None` where a window has too many rows, or none. The geometry was checked with [`super::fits`].
    pub(super) fn new(op: &Conv2d<'_>) -> Option<Self> {
        let window = &op.window;
        let [height, width] = window.kernel;
        let sane = (1..=MOST_ROWS).contains(&height) && width > 0 && window.stride[0] > 0 && window.stride[1] > 0;
        if !sane || op.output.elements() == 0 {
            return None;
        }
        let covered = (op.output.width - 1) * window.stride[1] + (width - 1) * window.dilation[1] + 1;
        let row = covered.checked_mul(op.input.channels)?;
        let pitch = row.checked_add(STEP)?.checked_next_multiple_of(STEP)?;
        let extent = (height - 1) * window.dilation[0] + 1;
        Some(Self { extent, kept: extent, row, pitch })
    }

    /// The same for two rows of outputs at a time; windows are not dilated.
    pub(super) fn of_two(self, stride: usize) -> Self {
        Self { kept: self.extent + stride, ..self }
    }

    /// Bytes of all rows; `None` where they are too many to count.
    pub(super) fn bytes(&self) -> Option<usize> {
        self.kept.checked_mul(self.pitch)
    }
}

/// The rows under the windows of one row of outputs, which moves down.
pub(super) struct Rows<'a> {
    op: &'a Conv2d<'a>,
    input: &'a [i8],
    layout: Layout,
    buffer: &'a mut [i8],
    axis: Axis,
    /// Rows before this one, counted from the first of the padding, were copied.
    next: usize,
}

impl<'a> Rows<'a> {
    /// `buffer` has the layout's [`Layout::bytes`], all of the input's zero point.
    pub(super) fn new(op: &'a Conv2d<'a>, input: &'a [i8], layout: Layout, buffer: &'a mut [i8]) -> Self {
        Self { op, input, layout, buffer, axis: Axis::rows(&op.window, op.input), next: 0 }
    }

    /// Moves on to row `y` of the outputs. Puts to `starts` where each row of taps starts for the first output; after
    /// that follow the row's other elements and [`STEP`] bytes of anything.
    pub(super) fn move_to(&mut self, y: usize, starts: &mut Starts) {
        self.load_all(y, self.layout.extent, starts);
    }

    /// The same for two rows of outputs, if that many rows are kept: the second's rows of taps start a stride after the
    /// first's.
    pub(super) fn move_to_two(&mut self, y: usize, starts: &mut Starts) {
        self.load_all(y, self.layout.kept, starts);
    }

    fn load_all(&mut self, y: usize, count: usize, starts: &mut Starts) {
        let Layout { kept, pitch, .. } = self.layout;
        let (first, dilation) = (y * self.op.window.stride[0], self.op.window.dilation[0]);
        for row in self.next.max(first)..first + count {
            self.load(row);
        }
        self.next = first + count;
        let mut slot = first.checked_rem(kept).unwrap_or(0);
        for start in starts.iter_mut().take(count.div_ceil(dilation.max(1))) {
            *start = self.buffer.get(slot * pitch..).unwrap_or_default().as_ptr();
            slot += dilation;
            slot -= if slot >= kept { kept } else { 0 };
        }
    }

    fn load(&mut self, row: usize) {
        let Layout { kept, row: len, pitch, .. } = self.layout;
        let start = row.checked_rem(kept).unwrap_or(0) * pitch;
        let Some(to) = self.buffer.get_mut(start..start + len) else { return };
        let line = self.op.input.width * self.op.input.channels;
        let zero_point = self.op.input_zero_point;
        match self.axis.undilated(row) {
            Some(row) => {
                // What lies to the left and to the right stays padding, whatever row was here.
                let left = (self.op.window.padding[1] * self.op.input.channels).min(to.len());
                let from = self.input.get(row * line..(row + 1) * line).unwrap_or_default();
                copy(from, to.get_mut(left..).unwrap_or_default());
            }
            None => to.fill(zero_point),
        }
    }
}
