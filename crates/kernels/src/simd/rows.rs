//! The rows of the input that lie under a window, copied to where padding is in its place: no tap misses.

use super::STEP;
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
        Some(Self { extent: (height - 1) * window.dilation[0] + 1, row, pitch })
    }

    /// Bytes of all rows; `None` where they are too many to count.
    pub(super) fn bytes(&self) -> Option<usize> {
        self.extent.checked_mul(self.pitch)
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
    /// `buffer` has the layout's [`Layout::bytes`].
    pub(super) fn new(op: &'a Conv2d<'a>, input: &'a [i8], layout: Layout, buffer: &'a mut [i8]) -> Self {
        Self { op, input, layout, buffer, axis: Axis::rows(&op.window, op.input), next: 0 }
    }

    /// Moves on to row `y` of the outputs. Puts to `starts` where each row of taps starts for the first output; after
    /// that follow the row's other elements and [`STEP`] bytes of anything.
    pub(super) fn move_to(&mut self, y: usize, starts: &mut Starts) {
        let Layout { extent, pitch, .. } = self.layout;
        let first = y * self.op.window.stride[0];
        for row in self.next.max(first)..first + extent {
            self.load(row);
        }
        self.next = first + extent;
        let dilation = self.op.window.dilation[0];
        let mut slot = first % extent;
        for start in starts.iter_mut().take(self.op.window.kernel[0]) {
            *start = self.buffer[slot * pitch..].as_ptr();
            slot += dilation;
            slot -= if slot >= extent { extent } else { 0 };
        }
    }

    fn load(&mut self, row: usize) {
        let Layout { extent, row: len, pitch } = self.layout;
        let start = row % extent * pitch;
        let to = &mut self.buffer[start..start + len];
        let line = self.op.input.width * self.op.input.channels;
        let zero_point = self.op.input_zero_point;
        match self.axis.undilated(row) {
            Some(row) => {
                let left = (self.op.window.padding[1] * self.op.input.channels).min(to.len());
                let (left, rest) = to.split_at_mut(left);
                let (inside, right) = rest.split_at_mut(line.min(rest.len()));
                left.fill(zero_point);
                inside.copy_from_slice(&self.input[row * line..row * line + inside.len()]);
                right.fill(zero_point);
            }
            None => to.fill(zero_point),
        }
    }
}
