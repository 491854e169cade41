//! Convolution as a matrix product: patches of the input, a few pixels at a time, with panels of packed filters.

use super::{
    STEP, Scalars, Stack, fits, pairs_fit,
    rows::{Layout, NO_STARTS, Rows, Starts},
};
use niwaki_blob::Conv2d;

/// Bytes of packed filters at a time.
const PANELS: usize = 128 * 1024;

/// Bytes of patches at a time.
const PATCHES: usize = 64 * 1024;

/// Bytes of the rows under a window.
const ROWS: usize = 128 * 1024;

/// Patches that are copied at a time, where they fit.
const MOST_PATCHES: usize = 32;

/// Most output channels of a panel.
const MOST_CHANNELS: usize = 8;

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
/// steps of [`STEP`] elements, each step in the order of [`Tile::pack`].
#[derive(Clone, Copy)]
pub(crate) struct Panels {
    pub(crate) start: *const i8,
    /// Bytes of a panel.
    pub(crate) pitch: usize,
    pub(crate) steps: usize,
    /// Output channels of all panels; the last may have fewer than a panel can hold.
    pub(crate) channels: usize,
    /// Whether no weight is -128; AVX2 has no use for it.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "not every instruction set asks"))]
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
    /// Output channels of a panel, at most [`MOST_CHANNELS`] and a multiple of 4.
    const CHANNELS: usize;

    /// Pixels that it takes at once where there are as many.
    const PIXELS: usize;

    /// Whether it makes use of [`Panels::pairs_fit`].
    const PAIRS: bool;

    /// Packs one step of [`Tile::CHANNELS`] filters, which lie `pitch` bytes apart.
    ///
    /// # Safety
    /// The CPU has the instruction set. [`STEP`] bytes of each filter can be read, and as many times
    /// [`Tile::CHANNELS`] bytes written to `to`.
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8);

    /// Computes the panels' channels of `count` pixels.
    ///
    /// # Safety
    /// The CPU has the instruction set. `panels.steps * STEP` bytes of each pixel and all panels can be read, and the
    /// place of the results be written.
    unsafe fn run(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place);
}

/// [`crate::scalar::conv2d`] in tiles. Returns `false`, with the output as it was, where that does not fit.
///
/// # Safety
/// The CPU has the instruction set of `T`.
pub(crate) unsafe fn conv2d<T: Tile>(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let Some(layer) = Layer::new::<T>(op, input, output) else { return false };
    let (mut panels, mut patches, mut rows) = (Stack::<PANELS>::new(), Stack::<PATCHES>::new(), Stack::<ROWS>::new());
    let panel_bytes = layer.panel_bytes::<T>();
    let per_chunk = (PANELS / panel_bytes).min(layer.per_group.div_ceil(T::CHANNELS)) * T::CHANNELS;
    let pitch = layer.steps * STEP;
    let Some(panels) = panels.zeroed(per_chunk / T::CHANNELS * panel_bytes) else { return false };
    let copied = layer.rows.map_or(Some(0), |rows| rows.bytes());
    let Some(rows) = copied.and_then(|bytes| rows.zeroed(bytes)) else { return false };
    // A step is free behind each patch.
    let patch_pitch = pitch + STEP;
    let most = MOST_PATCHES.min(PATCHES / patch_pitch / T::PIXELS * T::PIXELS);
    let at_once = if layer.rows.is_some() { most } else { layer.pixels };
    if at_once == 0 {
        return false;
    }
    let Some(patches) = patches.zeroed(layer.rows.map_or(0, |_| most * patch_pitch)) else { return false };
    for group in 0..op.groups {
        for chunk in (0..layer.per_group).step_by(per_chunk) {
            let channels = per_chunk.min(layer.per_group - chunk);
            let first = group * layer.per_group + chunk;
            for (at, panel) in (0..channels).step_by(T::CHANNELS).zip(panels.chunks_exact_mut(panel_bytes)) {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { layer.pack::<T>(first + at, T::CHANNELS.min(channels - at), panel) };
            }
            let packed = Panels {
                start: panels.as_ptr(),
                pitch: panel_bytes,
                steps: layer.steps,
                channels,
                pairs_fit: layer.pairs_fit,
            };
            let mut windows = layer.rows.map(|layout| Windows::new(&layer, group, Rows::new(op, input, layout, rows)));
            let mut pixel = 0;
            while pixel < layer.pixels {
                let count = at_once.min(layer.pixels - pixel);
                let pixels = match &mut windows {
                    Some(windows) => {
                        windows.copy_next(count, patches, patch_pitch);
                        Pixels { start: patches.as_ptr(), pitch: patch_pitch }
                    }
                    // SAFETY: `pixel` is one of the output and, where pixels are not copied, of the input.
                    None => Pixels { start: unsafe { input.as_ptr().add(pixel * pitch) }, pitch },
                };
                // SAFETY: pixel `pixel` and its channel `first` are in the output, and so are the `count - 1` pixels
                // and `channels - 1` channels after them. Every one of the `count` pixels has `pitch` bytes, in the
                // patches or the input. The caller vouches for the instruction set.
                unsafe {
                    let start = output.as_mut_ptr().add(pixel * op.output.channels + first);
                    let place = Place { start, pitch: op.output.channels };
                    T::run(count, pixels, &packed, &layer.scalars, place);
                }
                pixel += count;
            }
        }
    }
    true
}

/// A convolution whose slices were checked.
struct Layer<'a> {
    op: &'a Conv2d<'a>,
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
    /// How rows of the input are copied; `None` where pixels of the input are patches as they are.
    rows: Option<Layout>,
    scalars: Scalars,
    pairs_fit: bool,
}

impl<'a> Layer<'a> {
    fn new<T: Tile>(op: &'a Conv2d<'a>, input: &[i8], output: &[i8]) -> Option<Self> {
        const { assert!(T::CHANNELS <= MOST_CHANNELS && T::CHANNELS.is_multiple_of(4)) };
        let per_group = op.output.channels.checked_div(op.groups)?;
        let depth = op.input.channels.checked_div(op.groups)?;
        let taps = op.window.kernel[0].checked_mul(op.window.kernel[1])?;
        let filter = taps.checked_mul(depth)?;
        let whole = per_group * op.groups == op.output.channels && depth * op.groups == op.input.channels;
        if !whole || filter == 0 || filter > PANELS || !fits(op, filter, input, output) {
            return None;
        }
        let steps = filter.div_ceil(STEP);
        let window = &op.window;
        let same = op.input.width == op.output.width && op.output.height <= op.input.height;
        let pointwise = (window.kernel, window.stride, window.padding) == ([1; 2], [1; 2], [0; 2]);
        let direct = pointwise && same && op.groups == 1 && depth == steps * STEP;
        let layer = Self {
            op,
            pixels: op.output.height * op.output.width,
            per_group,
            depth,
            filter,
            steps,
            rows: if direct { None } else { Some(Layout::new(op)?) },
            scalars: Scalars::of(&op.requantise),
            pairs_fit: T::PAIRS && pairs_fit(op.weights),
        };
        (layer.panel_bytes::<T>() <= PANELS).then_some(layer)
    }

    fn panel_bytes<T: Tile>(&self) -> usize {
        T::CHANNELS * (2 * size_of::<i32>() + self.steps * STEP)
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
}

/// The windows of a layer, in the order of its pixels.
struct Windows<'a> {
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
    fn new(layer: &Layer<'a>, group: usize, rows: Rows<'a>) -> Self {
        let op = layer.op;
        let [height, width] = op.window.kernel;
        let together = op.groups == 1 && op.window.dilation[1] == 1;
        let (pieces, len) = if together { (1, width * layer.depth) } else { (width, layer.depth) };
        let channels = op.input.channels;
        // Rows hold all channels: the group's are not the first.
        let offset = group * layer.depth;
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
            taken: layer.filter,
        }
    }

    /// Copies what the next `count` windows cover, each [`Self::taken`] bytes, to where patches start, `pitch` bytes
    /// apart. What follows up to the next step holds anything: weights there are zeros.
    #[inline(always)]
    fn copy_next(&mut self, count: usize, patches: &mut [i8], pitch: usize) {
        assert!(self.taken + STEP <= pitch && count * pitch <= patches.len(), "patches and a step between them fit");
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
                for start in &self.starts[..self.height] {
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
    fn advance(&mut self) {
        self.from = self.from.wrapping_add(self.pitches[0]);
        self.to = self.to.wrapping_add(self.pitches[1]);
    }
}

/// # Safety
/// `N` bytes can be read and written at all places.
#[inline(always)]
unsafe fn copy_short<const N: usize>(mut places: Places, count: usize) {
    for _ in 0..count {
        // SAFETY: the caller vouches for it.
        unsafe { places.to.cast::<[i8; N]>().write(places.from.cast::<[i8; N]>().read()) };
        places.advance();
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
        places.advance();
    }
}
