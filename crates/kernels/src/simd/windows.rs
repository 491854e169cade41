//! The windows of a convolution, copied to where one follows the other.

use super::{
    STEP,
    rows::{NO_STARTS, Rows, Starts},
};
use niwaki_blob::Conv2d;

/// The windows of a layer, in the order of its pixels.
pub(super) struct Windows<'a> {
    rows: Rows<'a>,
    starts: Starts,
    /// The row of outputs after the one that `starts` is for, and the column in that.
    y: usize,
    x: usize,
    /// Bytes before the first channel of the group.
    offset: usize,
    /// Pixels in a row.
    width: usize,
    /// Rows of taps.
    height: usize,
    /// Bytes from window to window.
    stride: usize,
    /// What neighbours in a row of taps: pieces, their bytes, and from one to the next.
    pieces: usize,
    len: usize,
    pitch: usize,
    /// Bytes of a patch.
    taken: usize,
}

impl<'a> Windows<'a> {
    /// The windows of a group of channels of a convolution, whose rows are copied.
    pub(super) fn new(op: &'a Conv2d<'a>, group: usize, rows: Rows<'a>) -> Self {
        let depth = op.input.channels.checked_div(op.groups).unwrap_or(0);
        let [height, width] = op.window.kernel;
        let together = op.groups == 1 && op.window.dilation[1] == 1;
        let (pieces, len) = if together { (1, width * depth) } else { (width, depth) };
        let channels = op.input.channels;
        // Rows hold all channels: the group's are not the first.
        let offset = group * depth;
        Self {
            starts: NO_STARTS,
            rows,
            offset,
            y: 0,
            x: op.output.width,
            width: op.output.width,
            height,
            stride: op.window.stride[1] * channels,
            pieces,
            len,
            pitch: op.window.dilation[1] * channels,
            taken: height * width * depth,
        }
    }

    /// Copies what the next `count` windows cover, each [`Self::taken`] bytes, to where patches start, `pitch` bytes
    /// apart. What follows up to the next step holds anything: weights there are zeros.
    #[inline(always)]
    pub(super) fn copy_next(&mut self, count: usize, patches: &mut [i8], pitch: usize) {
        // Patches and a step between them fit: whoever made room saw to it.
        if self.taken + STEP > pitch || count * pitch > patches.len() {
            return;
        }
        let mut to = patches.as_mut_ptr();
        let mut left = count;
        while left > 0 {
            if self.x == self.width {
                self.rows.move_to(self.y, &mut self.starts);
                (self.x, self.y) = (0, self.y + 1);
            }
            let run = left.min(self.width - self.x);
            let from = self.x * self.stride + self.offset;
            // SAFETY: a window's pieces lie in rows behind which a step of anything can be read. Each patch and a step
            // behind it can be written, as was just checked; what is written behind a piece is overwritten by the next
            // one, or it lies between patches.
            unsafe {
                let mut piece_to = to;
                for start in self.starts.iter().take(self.height) {
                    for piece in 0..self.pieces {
                        let from = start.add(from + piece * self.pitch);
                        let places = Places { from, to: piece_to, pitches: [self.stride, pitch] };
                        copy_run(places, self.len, run);
                        piece_to = piece_to.add(self.len);
                    }
                }
            }
            to = to.wrapping_add(run * pitch);
            self.x += run;
            left -= run;
        }
    }
}

/// Copies a piece of `len` bytes for each of `count` windows, in whole steps.
///
/// # Safety
/// `len` bytes, rounded up to a step, can be read and written at all places.
#[inline(always)]
unsafe fn copy_run(places: Places, len: usize, count: usize) {
    // SAFETY: the caller vouches for all steps.
    unsafe {
        match len.div_ceil(STEP) {
            1 => copy_short::<STEP>(places, count),
            2 => copy_short::<{ 2 * STEP }>(places, count),
            3 => copy_short::<{ 3 * STEP }>(places, count),
            4 => copy_short::<{ 4 * STEP }>(places, count),
            _ => copy_long(places, len, count),
        }
    }
}

/// Where pieces are read and written, and how far apart.
#[derive(Clone, Copy)]
struct Places {
    from: *const i8,
    to: *mut i8,
    pitches: [usize; 2],
}

impl Places {
    /// Those of the windows after the first `count`.
    #[inline(always)]
    fn skip(self, count: usize) -> Self {
        let (from, to) = (count * self.pitches[0], count * self.pitches[1]);
        Self { from: self.from.wrapping_add(from), to: self.to.wrapping_add(to), ..self }
    }

    /// # Safety
    /// `N` bytes can be read and written.
    #[inline(always)]
    unsafe fn copy<const N: usize>(self) {
        // SAFETY: the caller vouches for it.
        unsafe { self.to.cast::<[i8; N]>().write(self.from.cast::<[i8; N]>().read()) };
    }
}

/// # Safety
/// `N` bytes can be read and written at all places.
#[inline(always)]
unsafe fn copy_short<const N: usize>(mut places: Places, count: usize) {
    // SAFETY: the caller vouches for every place.
    unsafe {
        for _ in 0..count / 4 {
            for at in 0..4 {
                places.skip(at).copy::<N>();
            }
            places = places.skip(4);
        }
        for _ in 0..count % 4 {
            places.copy::<N>();
            places = places.skip(1);
        }
    }
}

/// # Safety
/// `len` bytes, rounded up to a step, can be read and written at all places.
#[inline(never)]
unsafe fn copy_long(mut places: Places, len: usize, count: usize) {
    const FOUR: usize = 4 * STEP;
    for _ in 0..count {
        let mut at = 0;
        // SAFETY: the caller vouches for all steps.
        unsafe {
            while at + FOUR <= len {
                places.to.add(at).cast::<[i8; FOUR]>().write(places.from.add(at).cast::<[i8; FOUR]>().read());
                at += FOUR;
            }
            while at < len {
                places.to.add(at).cast::<[i8; STEP]>().write(places.from.add(at).cast::<[i8; STEP]>().read());
                at += STEP;
            }
        }
        places = places.skip(1);
    }
}
