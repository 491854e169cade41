//! What pools share: going through windows sixteen channels at a time. Where a pixel has fewer, its neighbours' are
//! computed along with them, and the next pixel's results overwrite those.

use crate::{scalar::axis::Axis, simd::STEP};
use core::{
    arch::aarch64::{int8x16_t, vaddq_u8, vdupq_n_u8, vld1q_s8, vld1q_u8, vqtbl1q_s8, vst1q_s8},
    ops::Range,
};
use niwaki_blob::{Shape, Window};

/// What becomes of the elements under a window.
pub(super) trait Reduce {
    /// What is the same for all channels of a pixel.
    type Pixel: Copy;

    /// Of a pixel whose window covers so many.
    ///
    /// # Safety
    /// The CPU has NEON.
    unsafe fn pixel(&self, count: usize) -> Self::Pixel;

    /// Sixteen outputs.
    ///
    /// # Safety
    /// The CPU has NEON.
    unsafe fn reduce<const FEW: bool>(&self, pixel: Self::Pixel, under: &Under<'_, FEW>) -> int8x16_t;
}

/// The elements under a window; `FEW` says that a pixel has fewer channels than a vector.
pub(super) struct Under<'a, const FEW: bool> {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    input: &'a [i8],
    width: usize,
    channels: usize,
    first: usize,
}

impl<const FEW: bool> Under<'_, FEW> {
    /// A pixel's elements.
    ///
    /// # Safety
    /// The CPU has NEON, and the pixel is one of `rows` and `columns`.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn load(&self, row: usize, column: usize) -> int8x16_t {
        let at = (row * self.width + column) * self.channels + self.first;
        let past = (at + STEP).saturating_sub(self.input.len());
        if !FEW || past == 0 {
            // SAFETY: the pixel is inside the input, whose length `pool` checked. It has `STEP` channels from `first`
            // on, or it was just found out that the input has so many elements from `at` on.
            return unsafe { vld1q_s8(self.input.as_ptr().add(at)) };
        }
        // The last elements of the input, moved to the front.
        // SAFETY: the input has at least `STEP` elements, as `pool` checked; `LANES` has `STEP`.
        unsafe {
            let last = vld1q_s8(self.input.as_ptr().add(at - past));
            vqtbl1q_s8(last, vaddq_u8(vld1q_u8(LANES.as_ptr()), vdupq_n_u8(past as u8)))
        }
    }
}

const LANES: [u8; STEP] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Reduces what is under every window. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn pool(
    window: &Window,
    [from, to]: [Shape; 2],
    input: &[i8],
    output: &mut [i8],
    reduce: &impl Reduce,
) -> bool {
    let channels = to.channels;
    let whole = from.elements() == input.len() && to.elements() == output.len();
    if channels == 0 || from.channels != channels || !whole || input.len() < STEP {
        return false;
    }
    // SAFETY: all that `each` asks for was just checked.
    unsafe {
        match channels < STEP {
            true => each::<true>(window, [from, to], input, output, reduce),
            false => each::<false>(window, [from, to], input, output, reduce),
        }
    }
    true
}

/// # Safety
/// The CPU has NEON, the slices are as long as the shapes say, both of which have the same channels: fewer than `STEP` where
/// `FEW`, but then the input has at least as many elements.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn each<const FEW: bool>(
    window: &Window,
    [from, to]: [Shape; 2],
    input: &[i8],
    output: &mut [i8],
    reduce: &impl Reduce,
) {
    let channels = to.channels;
    let (rows, columns) = (Axis::rows(window, from), Axis::columns(window, from));
    for y in 0..to.height {
        let rows = rows.covered(y);
        for x in 0..to.width {
            let at = (y * to.width + x) * channels;
            let (rows, columns) = (rows.clone(), columns.covered(x));
            // SAFETY: the CPU has NEON.
            let pixel = unsafe { reduce.pixel(rows.len() * columns.len()) };
            // Whole rows follow each other: they are one.
            let (rows, columns) = match columns.len() == from.width {
                true => (0..1, rows.start * from.width..rows.end * from.width),
                false => (rows, columns),
            };
            let mut under: Under<'_, FEW> = Under { rows, columns, input, width: from.width, channels, first: 0 };
            if FEW {
                // SAFETY: the CPU has NEON.
                let result = unsafe { reduce.reduce(pixel, &under) };
                // SAFETY: the pixel's channels are inside the output, and the others if there are as many elements.
                unsafe {
                    let place = output.as_mut_ptr().add(at);
                    if at + STEP <= output.len() {
                        vst1q_s8(place, result);
                    } else {
                        let mut bytes = [0; STEP];
                        vst1q_s8(bytes.as_mut_ptr(), result);
                        bytes.as_ptr().copy_to_nonoverlapping(place, channels);
                    }
                }
                continue;
            }
            for first in (0..channels).step_by(STEP) {
                // The last step ends where the pixel does: some channels are computed twice.
                under.first = first.min(channels - STEP);
                // SAFETY: the CPU has NEON; the pixel is inside the output and has `STEP` channels from `first` on.
                unsafe { vst1q_s8(output.as_mut_ptr().add(at + under.first), reduce.reduce(pixel, &under)) };
            }
        }
    }
}
