//! What a tile of a convolution is given, and what the inner loops of an instruction set are.

use super::Scalars;

/// Pixels for a tile: pixel `i` starts `i * pitch` bytes after `start`.
#[derive(Clone, Copy)]
pub(crate) struct Pixels {
    pub(crate) start: *const i8,
    pub(crate) pitch: usize,
}

impl Pixels {
    /// The pixels after the first `count`.
    #[inline(always)]
    pub(crate) fn skip(self, count: usize) -> Self {
        Self { start: self.start.wrapping_add(count * self.pitch), pitch: self.pitch }
    }
}

/// Packed filters, some output channels to a panel: their biases, halves of their multipliers, then their weights in
/// steps of [`super::STEP`] elements, each step in the order of [`Tile::pack`].
#[derive(Clone, Copy)]
pub(crate) struct Panels {
    pub(crate) start: *const i8,
    /// Bytes of a panel.
    pub(crate) pitch: usize,
    pub(crate) steps: usize,
    /// Output channels of all panels; the last may have fewer than a panel can hold.
    pub(crate) channels: usize,
    /// Whether no weight is -128.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "not every instruction set asks"))]
    pub(crate) pairs_fit: bool,
}

/// Where a tile's results go: channel `c` of pixel `i` to `start + i * pitch + c`.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: *mut i8,
    pub(crate) pitch: usize,
}

impl Place {
    /// The place of the pixels after the first `count`.
    #[inline(always)]
    pub(crate) fn skip(self, count: usize) -> Self {
        Self { start: self.start.wrapping_add(count * self.pitch), pitch: self.pitch }
    }

    /// Stores results that lie pixel by pixel, `channels` at a time, of which only the first `valid` exist.
    ///
    /// # Safety
    /// `valid` channels of every pixel can be written.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn store_some(self, results: &[i8], channels: usize, valid: usize) {
        for (pixel, results) in results.chunks_exact(channels).enumerate() {
            for (channel, result) in results.iter().enumerate().take(valid) {
                // SAFETY: the caller vouches for it.
                unsafe { self.start.add(pixel * self.pitch + channel).write(*result) };
            }
        }
    }
}

/// The inner loops of one instruction set.
pub(crate) trait Tile {
    /// Output channels of a panel, at most `MOST_CHANNELS` of the driver and a multiple of 4.
    const CHANNELS: usize;

    /// Pixels that it takes at once where there are as many.
    const PIXELS: usize;

    /// Whether it makes use of [`Panels::pairs_fit`].
    const PAIRS: bool;

    /// Packs one step of [`Tile::CHANNELS`] filters, which lie `pitch` bytes apart.
    ///
    /// # Safety
    /// The CPU has the instruction set. [`super::STEP`] bytes of each filter can be read, and as many times
    /// [`Tile::CHANNELS`] bytes written to `to`.
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8);

    /// Computes the panels' channels of `count` pixels.
    ///
    /// # Safety
    /// The CPU has the instruction set. `panels.steps * STEP` bytes of each pixel and all panels can be read, and the
    /// place of the results be written.
    unsafe fn run(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place);
}
