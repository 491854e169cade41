//! Convolution as a matrix product: patches of the input, a few pixels at a time, with panels of packed filters.

use super::{
    STEP, Scalars, Stack, fits, pairs_fit,
    rows::{Layout, Rows},
    tile::{Panels, Pixels, Place, Tile},
    windows::Windows,
};
use niwaki_blob::Conv2d;

/// Bytes of packed filters at a time.
const PANELS: usize = 64 * 1024;

/// Bytes of patches at a time.
const PATCHES: usize = 64 * 1024;

/// Bytes of the rows under a window.
const ROWS: usize = 128 * 1024;

/// Patches that are copied at a time, where they fit.
const MOST_PATCHES: usize = 32;

/// Most output channels of a panel.
pub(super) const MOST_CHANNELS: usize = 8;

/// [`crate::scalar::conv2d`] in tiles. Returns `false`, with the output as it was, where that does not fit.
///
/// # Safety
/// The CPU has the instruction set of `T`.
// What it keeps on the stack is not to be added to what other kernels keep there.
#[inline(never)]
pub(crate) unsafe fn conv2d<T: Tile>(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let Some(layer) = Layer::new::<T>(op, input, output) else { return false };
    let (mut panels, mut patches, mut rows) = (Stack::<PANELS>::new(), Stack::<PATCHES>::new(), Stack::<ROWS>::new());
    let panel_bytes = layer.panel_bytes::<T>();
    let fitting = PANELS.checked_div(panel_bytes).unwrap_or(0);
    let per_chunk = fitting.min(layer.per_group.div_ceil(T::CHANNELS)) * T::CHANNELS;
    let pitch = layer.steps * STEP;
    let Some(panels) = panels.zeroed(per_chunk / T::CHANNELS * panel_bytes) else { return false };
    let copied = layer.rows.map_or(Some(0), |rows| rows.bytes());
    let Some(rows) = copied.and_then(|bytes| rows.filled(bytes, op.input_zero_point)) else { return false };
    // A step is free behind each patch.
    let patch_pitch = pitch + STEP;
    let most = MOST_PATCHES.min(PATCHES.checked_div(patch_pitch).unwrap_or(0) / T::PIXELS * T::PIXELS);
    let at_once = if layer.rows.is_some() { most } else { layer.pixels };
    if at_once == 0 || per_chunk == 0 {
        return false;
    }
    let Some(patches) = patches.zeroed(layer.rows.map_or(0, |_| most * patch_pitch)) else { return false };
    for group in 0..op.groups {
        for chunk in (0..layer.per_group).step_by(per_chunk) {
            let channels = per_chunk.min(layer.per_group - chunk);
            let first = group * layer.per_group + chunk;
            for (at, panel) in (0..channels).step_by(T::CHANNELS).zip(panels.chunks_exact_mut(panel_bytes.max(1))) {
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
            let mut windows =
                layer.rows.map(|layout| Windows::new(op, group, Rows::new(op, input, layout, &mut *rows)));
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
            filter,
            steps,
            rows: if direct { None } else { Some(Layout::new(op)?) },
            scalars: Scalars::of(&op.requantise).of_sums(filter, op.bias, op.requantise.multipliers),
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
        let Some((header, weights)) = packed.split_at_mut_checked(T::CHANNELS * 2 * size_of::<i32>()) else { return };
        let of = |list: &'a [i32]| list.get(first..first + valid).unwrap_or_default().iter();
        let (bias, half) = header.split_at_mut(header.len() / 2);
        words(bias, of(self.op.bias).copied());
        words(half, of(self.op.requantise.multipliers).map(|multiplier| multiplier >> 1));
        let filters = self.op.weights.get(first * self.filter..(first + valid) * self.filter).unwrap_or_default();
        if filters.len() != valid * self.filter {
            return;
        }
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
            for (edge, filter) in edge.chunks_exact_mut(STEP).zip(filters.chunks_exact(self.filter.max(1))) {
                edge.iter_mut().zip(filter.iter().skip(at)).for_each(|(to, weight)| *to = *weight);
            }
            // SAFETY: as above, with filters of one step that lie one after the other.
            unsafe { T::pack(edge.as_ptr(), STEP, to.as_mut_ptr()) };
        }
    }
}

/// Puts numbers to where they are read as words; zeros behind them.
pub(super) fn words(to: &mut [i8], numbers: impl Iterator<Item = i32>) {
    for (to, number) in to.as_chunks_mut::<4>().0.iter_mut().zip(numbers.chain(core::iter::repeat(0))) {
        *to = number.to_ne_bytes().map(|byte| byte as i8);
    }
}
