//! Convolution as a matrix product: patches of the input, a few pixels at a time, with panels of packed filters.

use super::{STEP, Scalars, Stack, fits, pairs_fit};
use crate::scalar::axis::Axis;
use niwaki_blob::Conv2d;

/// Bytes of packed filters at a time.
const PANELS: usize = 128 * 1024;

/// Bytes of patches at a time.
const PATCHES: usize = 64 * 1024;

/// Most output channels of a panel.
const MOST_CHANNELS: usize = 8;

/// Pixels for a tile: pixel `i` starts `i * pitch` bytes after `start`.
#[derive(Clone, Copy)]
pub(crate) struct Pixels {
    pub(crate) start: *const i8,
    pub(crate) pitch: usize,
}

/// Packed filters of some output channels: their biases, halves of their multipliers, then their weights in steps of
/// [`STEP`] elements, each step in the order of [`Tile::pack`].
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    pub(crate) bias: *const i32,
    pub(crate) half_multipliers: *const i32,
    pub(crate) weights: *const i8,
    pub(crate) steps: usize,
    /// Whether no weight is -128.
    pub(crate) pairs_fit: bool,
}

/// Where a tile's results go: channel `c` of pixel `i` to `start + i * pitch + c`, for `channels` channels.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: *mut i8,
    pub(crate) pitch: usize,
    pub(crate) channels: usize,
}

/// The inner loop of one instruction set.
pub(crate) trait Tile {
    /// Output channels of a panel, at most [`MOST_CHANNELS`] and a multiple of 4.
    const CHANNELS: usize;

    /// Numbers of pixels that it takes at once, the largest first; the last is 1.
    const PIXELS: &[usize];

    /// Packs one step of [`Tile::CHANNELS`] filters, which lie `pitch` bytes apart.
    ///
    /// # Safety
    /// The CPU has the instruction set. [`STEP`] bytes of each filter can be read, and as many times
    /// [`Tile::CHANNELS`] bytes written to `to`.
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8);

    /// Computes a panel's channels of `count` pixels, which is one of [`Tile::PIXELS`].
    ///
    /// # Safety
    /// The CPU has the instruction set. `panel.steps * STEP` bytes of each pixel and of each of the panel's filters can
    /// be read, and the place of the results be written.
    unsafe fn run(count: usize, pixels: Pixels, panel: &Panel, scalars: &Scalars, place: Place);
}

/// [`crate::scalar::conv2d`] in tiles. Returns `false`, with the output as it was, where that does not fit.
///
/// # Safety
/// The CPU has the instruction set of `T`.
pub(crate) unsafe fn conv2d<T: Tile>(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let Some(layer) = Layer::new::<T>(op, input, output) else { return false };
    let (mut panels, mut patches) = (Stack::<PANELS>::new(), Stack::<PATCHES>::new());
    let panel_bytes = layer.panel_bytes::<T>();
    let per_chunk = (PANELS / panel_bytes).min(layer.per_group.div_ceil(T::CHANNELS)) * T::CHANNELS;
    let pitch = layer.steps * STEP;
    let Some(panels) = panels.zeroed(per_chunk / T::CHANNELS * panel_bytes) else { return false };
    let patch_bytes = if layer.direct { 0 } else { T::PIXELS[0] * pitch + STEP };
    let Some(patches) = patches.zeroed(patch_bytes) else { return false };
    let out_pitch = op.output.channels;
    for group in 0..op.groups {
        for chunk in (0..layer.per_group).step_by(per_chunk) {
            let chunk_channels = per_chunk.min(layer.per_group - chunk);
            let first = group * layer.per_group + chunk;
            for (at, panel) in (0..chunk_channels).step_by(T::CHANNELS).zip(panels.chunks_exact_mut(panel_bytes)) {
                let valid = T::CHANNELS.min(chunk_channels - at);
                // SAFETY: the caller vouches for the instruction set.
                unsafe { layer.pack::<T>(first + at, valid, panel) };
            }
            let mut cursor = Cursor { pixel: 0, y: 0, x: 0 };
            while cursor.pixel < layer.pixels {
                let left = layer.pixels - cursor.pixel;
                let count = T::PIXELS.iter().copied().find(|count| *count <= left).unwrap_or(1);
                let start = cursor.pixel;
                let pixels = if layer.direct {
                    cursor.pixel += count;
                    // SAFETY: `start` is a pixel of the output and, in a direct layer, of the input.
                    Pixels { start: unsafe { input.as_ptr().add(start * pitch) }, pitch }
                } else {
                    for patch in 0..count {
                        layer.gather(&cursor, group, patches, patch * pitch);
                        cursor.advance(op.output.width);
                    }
                    Pixels { start: patches.as_ptr(), pitch }
                };
                for (at, panel) in (0..chunk_channels).step_by(T::CHANNELS).zip(panels.chunks_exact(panel_bytes)) {
                    let channels = T::CHANNELS.min(chunk_channels - at);
                    // SAFETY: pixel `start` and its channel `first + at` are in the output, and so are the `count - 1`
                    // pixels and `channels - 1` channels after them.
                    let to = unsafe { output.as_mut_ptr().add(start * out_pitch + first + at) };
                    let place = Place { start: to, pitch: out_pitch, channels };
                    // SAFETY: the caller vouches for the instruction set. Every one of the `count` pixels has `pitch`
                    // bytes, in the patches or, in a direct layer, in the input, and so has every filter of the panel.
                    unsafe { T::run(count, pixels, &layer.panel::<T>(panel), &layer.scalars, place) };
                }
            }
        }
    }
    true
}

/// An output pixel.
struct Cursor {
    pixel: usize,
    y: usize,
    x: usize,
}

impl Cursor {
    #[inline(always)]
    fn advance(&mut self, width: usize) {
        self.pixel += 1;
        self.x += 1;
        if self.x == width {
            (self.y, self.x) = (self.y + 1, 0);
        }
    }
}

/// A convolution whose slices were checked.
struct Layer<'a> {
    op: &'a Conv2d<'a>,
    input: &'a [i8],
    rows: Axis,
    columns: Axis,
    /// Output pixels.
    pixels: usize,
    /// Output channels of a group.
    per_group: usize,
    /// Input channels of a group.
    depth: usize,
    /// Elements of a filter.
    filter: usize,
    /// Steps of a filter.
    steps: usize,
    /// Whether pixels of the input are patches as they are.
    direct: bool,
    scalars: Scalars,
    pairs_fit: bool,
}

impl<'a> Layer<'a> {
    fn new<T: Tile>(op: &'a Conv2d<'a>, input: &'a [i8], output: &[i8]) -> Option<Self> {
        const { assert!(T::CHANNELS <= MOST_CHANNELS && T::CHANNELS.is_multiple_of(4)) };
        let per_group = op.output.channels.checked_div(op.groups)?;
        let depth = op.input.channels.checked_div(op.groups)?;
        let taps = op.window.kernel[0].checked_mul(op.window.kernel[1])?;
        let filter = taps.checked_mul(depth)?;
        let whole = per_group * op.groups == op.output.channels && depth * op.groups == op.input.channels;
        if !whole || filter == 0 || !fits(op, filter, input, output) {
            return None;
        }
        let steps = filter.div_ceil(STEP);
        let window = &op.window;
        let same = op.input.width == op.output.width && op.output.height <= op.input.height;
        let pointwise = (window.kernel, window.stride, window.padding) == ([1; 2], [1; 2], [0; 2]);
        let layer = Self {
            op,
            input,
            rows: Axis::rows(window, op.input),
            columns: Axis::columns(window, op.input),
            pixels: op.output.height * op.output.width,
            per_group,
            depth,
            filter,
            steps,
            direct: pointwise && same && op.groups == 1 && depth == steps * STEP,
            scalars: Scalars::of(&op.requantise),
            pairs_fit: pairs_fit(op.weights),
        };
        (steps <= PANELS / STEP && layer.panel_bytes::<T>() <= PANELS).then_some(layer)
    }

    fn panel_bytes<T: Tile>(&self) -> usize {
        T::CHANNELS * (2 * size_of::<i32>() + self.steps * STEP)
    }

    /// A packed panel's parts.
    #[inline(always)]
    fn panel<T: Tile>(&self, packed: &[i8]) -> Panel {
        let start = packed.as_ptr();
        let half = T::CHANNELS * size_of::<i32>();
        // SAFETY: a panel is longer than its biases and multipliers. It lies at a multiple of its length, which is one
        // of 32, so they are aligned.
        let (half_multipliers, weights) = unsafe { (start.add(half), start.add(2 * half)) };
        Panel {
            bias: start.cast(),
            half_multipliers: half_multipliers.cast(),
            weights,
            steps: self.steps,
            pairs_fit: self.pairs_fit,
        }
    }

    /// Packs `valid` filters from `first` on; the panel's other filters are zeros.
    ///
    /// # Safety
    /// The CPU has the instruction set of `T`.
    unsafe fn pack<T: Tile>(&self, first: usize, valid: usize, packed: &mut [i8]) {
        let (header, weights) = packed.split_at_mut(T::CHANNELS * 2 * size_of::<i32>());
        let numbers = (0..T::CHANNELS).map(|lane| match lane < valid {
            true => (self.op.bias[first + lane], self.op.requantise.multipliers[first + lane] >> 1),
            false => (0, 0),
        });
        for (lane, (bias, half)) in numbers.enumerate() {
            for (word, at) in [(bias, lane), (half, T::CHANNELS + lane)] {
                let bytes = word.to_ne_bytes().map(|byte| byte as i8);
                header[at * 4..at * 4 + 4].copy_from_slice(&bytes);
            }
        }
        let filters = &self.op.weights[first * self.filter..(first + valid) * self.filter];
        for (step, to) in weights.chunks_exact_mut(T::CHANNELS * STEP).enumerate() {
            let at = step * STEP;
            let len = STEP.min(self.filter - at);
            if len == STEP && valid == T::CHANNELS {
                // SAFETY: the caller vouches for the instruction set. Each filter has `at + STEP` elements, and `to` is
                // as long as the step.
                unsafe { T::pack(filters.as_ptr().add(at), self.filter, to.as_mut_ptr()) };
                continue;
            }
            let mut edge = [0i8; MOST_CHANNELS * STEP];
            for (edge, filter) in edge.chunks_exact_mut(STEP).zip(filters.chunks_exact(self.filter)) {
                edge[..len].copy_from_slice(&filter[at..at + len]);
            }
            // SAFETY: as above, with filters of one step that lie one after the other.
            unsafe { T::pack(edge.as_ptr(), STEP, to.as_mut_ptr()) };
        }
    }

    /// Copies what a window covers to `patches` from `to` on. What follows up to the next step holds anything: weights
    /// there are zeros.
    #[inline(always)]
    fn gather(&self, cursor: &Cursor, group: usize, patches: &mut [i8], mut to: usize) {
        let [height, width] = self.op.window.kernel;
        let channels = self.op.input.channels;
        let line = width * self.depth;
        let adjacent = self.op.groups == 1 && self.op.window.dilation[1] == 1;
        let covered = self.columns.covered(cursor.x);
        // Taps of a line in the padding to the left, inside, and in the padding to the right.
        let left = (covered.start + self.op.window.padding[1]).saturating_sub(cursor.x * self.op.window.stride[1]);
        let left = left.min(width);
        let inside = covered.len().min(width - left);
        for tap_y in 0..height {
            let row = self.rows.position(cursor.y, tap_y);
            match row {
                Some(row) if adjacent => {
                    let from = (row * self.op.input.width + covered.start) * channels;
                    self.fill(patches, to, left * channels);
                    self.copy(from, patches, to + left * channels, inside * channels);
                    let right = width - left - inside;
                    self.fill(patches, to + (left + inside) * channels, right * channels);
                }
                Some(row) => {
                    for tap_x in 0..width {
                        let to = to + tap_x * self.depth;
                        match self.columns.position(cursor.x, tap_x) {
                            Some(column) => {
                                let from = (row * self.op.input.width + column) * channels + group * self.depth;
                                self.copy(from, patches, to, self.depth);
                            }
                            None => self.fill(patches, to, self.depth),
                        }
                    }
                }
                None => self.fill(patches, to, line),
            }
            to += line;
        }
    }

    /// Writes padding. There are always [`STEP`] bytes behind: what is written too much is overwritten later.
    #[inline(always)]
    fn fill(&self, patches: &mut [i8], to: usize, len: usize) {
        debug_assert!(len == 0 || to + len.next_multiple_of(STEP) <= patches.len());
        for at in (to..to + len).step_by(STEP) {
            // SAFETY: `to + len` is at most where a patch ends, and [`STEP`] bytes follow the last patch.
            unsafe { patches.as_mut_ptr().add(at).cast::<[i8; STEP]>().write([self.op.input_zero_point; STEP]) };
        }
    }

    /// Copies elements of the input, as [`Self::fill`] writes padding.
    #[inline(always)]
    fn copy(&self, from: usize, patches: &mut [i8], to: usize, len: usize) {
        if len == 0 {
            return;
        }
        let whole = len.next_multiple_of(STEP);
        debug_assert!(len == 0 || to + whole <= patches.len());
        if from + whole > self.input.len() {
            patches[to..to + len].copy_from_slice(&self.input[from..from + len]);
            return;
        }
        for at in (0..len).step_by(STEP) {
            // SAFETY: `from + at + STEP` is inside the input, as was just checked; for the patches as above.
            unsafe {
                let piece = self.input.as_ptr().add(from + at).cast::<[i8; STEP]>().read();
                patches.as_mut_ptr().add(to + at).cast::<[i8; STEP]>().write(piece);
            }
        }
    }
}
