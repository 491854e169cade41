//! Depthwise convolution row by row: the rows under a window are copied, with their padding, to where no tap misses.

use super::{
    STEP, Scalars, Stack,
    conv2d::words,
    fits, pairs_fit,
    rows::{Layout, NO_STARTS, Rows},
};
use niwaki_blob::Conv2d;

/// Bytes of the rows under a window.
const ROWS: usize = 128 * 1024;

/// Bytes of packed filters.
const SLICES: usize = 128 * 1024;

/// The filters of [`STEP`] neighbouring channels: biases, halves of multipliers and weights, one behind the other.
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "not every instruction set asks for all"))]
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) bias: *const i32,
    pub(crate) half_multipliers: *const i32,
    /// [`STEP`] per tap.
    pub(crate) weights: *const i8,
    /// Those of three rows of three taps, as [`Taps::pack`] left them.
    pub(crate) packed: *const i8,
    /// Whether no weight is -128.
    pub(crate) pairs_fit: bool,
    /// Lanes before it.
    pub(crate) first: usize,
    /// How many of the [`STEP`] lanes every output has, and how many the last.
    pub(crate) lanes: [usize; 2],
}

/// All slices of a layer, one behind the other.
pub(crate) struct Slices {
    start: *const i8,
    bytes: usize,
    pub(crate) count: usize,
    taps: usize,
    pairs_fit: bool,
    /// Lanes of all; where some pixels make one slice, those that the last output has.
    lanes: usize,
    joined: bool,
}

impl Slices {
    /// One of them.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> Slice {
        let bias = self.start.wrapping_add(at * self.bytes);
        let half_multipliers = bias.wrapping_add(STEP * size_of::<i32>());
        let weights = half_multipliers.wrapping_add(STEP * size_of::<i32>());
        let (first, packed) = (at * STEP, weights.wrapping_add(self.taps * STEP));
        let lanes = if self.joined { [STEP, self.lanes] } else { [STEP.min(self.lanes - first); 2] };
        let (bias, half_multipliers) = (bias.cast(), half_multipliers.cast());
        Slice { bias, half_multipliers, weights, packed, pairs_fit: self.pairs_fit, first, lanes }
    }
}

/// One row of outputs, or two.
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "not every instruction set takes two"))]
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    /// Where the first lane of the first output's first tap is, for each row of taps.
    pub(crate) rows: &'a [*const i8],
    /// Rows of taps for an output.
    pub(crate) height: usize,
    /// Taps in a row.
    pub(crate) width: usize,
    /// Bytes from tap to tap.
    pub(crate) tap_pitch: usize,
    /// Bytes from what one output reads to what the next one reads.
    pub(crate) step: usize,
    /// Outputs.
    pub(crate) count: usize,
    /// Where the first lane of the first output goes.
    pub(crate) place: *mut i8,
    /// Bytes from output to output.
    pub(crate) pitch: usize,
    /// Whether some pixels make one slice: outputs are then not pixels.
    pub(crate) joined: bool,
    /// Of a second row of outputs, which rows of taps are its first, and bytes from output to output below.
    pub(crate) below: Option<(usize, usize)>,
}

/// The inner loop of one instruction set.
pub(crate) trait Taps {
    /// Whether it takes two rows of outputs at once, for windows of three rows and three columns.
    const TWO_ROWS: bool;

    /// Bytes of [`Slice::packed`].
    const PACKED: usize = 0;

    /// Packs weights of three rows of three taps, [`STEP`] each.
    ///
    /// # Safety
    /// The CPU has the instruction set, the weights can be read and [`Taps::PACKED`] bytes be written.
    unsafe fn pack(_weights: *const i8, _to: *mut i8) {}

    /// Computes a row of outputs of the channels of a slice.
    ///
    /// # Safety
    /// The CPU has the instruction set; everything that `run` and `slice` point to can be read, [`STEP`] bytes at every
    /// tap of every output and of the filters, and the outputs' lanes be written.
    unsafe fn run(run: &Run<'_>, slice: &Slice, scalars: &Scalars);

    /// The same for all slices.
    ///
    /// # Safety
    /// As [`Taps::run`] for each.
    #[inline]
    unsafe fn all(run: &Run<'_>, slices: &Slices, scalars: &Scalars) {
        for at in 0..slices.count {
            // SAFETY: the caller vouches for every slice.
            unsafe { Self::run(run, &slices.get(at), scalars) };
        }
    }
}

/// [`crate::scalar::depthwise_conv2d`], row by row. Returns `false`, with the output as it was, where that does not fit.
///
/// # Safety
/// The CPU has the instruction set of `T`.
// What it keeps on the stack is not to be added to what other kernels keep there.
#[inline(never)]
pub(crate) unsafe fn depthwise_conv2d<T: Taps>(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let Some(layer) = Layer::new::<T>(op, input, output) else { return false };
    let (mut rows, mut slices) = (Stack::<ROWS>::new(), Stack::<SLICES>::new());
    let Some(rows) = layer.rows.bytes().and_then(|bytes| rows.filled(bytes, op.input_zero_point)) else { return false };
    let packed = if layer.two { T::PACKED } else { 0 };
    let slice_bytes = STEP * (2 * size_of::<i32>() + layer.taps) + packed;
    let slice_count = layer.lanes.div_ceil(STEP);
    let Some(slices) = slice_count.checked_mul(slice_bytes).and_then(|len| slices.zeroed(len)) else { return false };
    for (at, slice) in slices.chunks_exact_mut(slice_bytes.max(1)).enumerate() {
        layer.pack(at * STEP, slice);
        if packed > 0 {
            let start = slice.as_mut_ptr();
            // SAFETY: the caller vouches for the instruction set. Slices have room for what is packed behind all taps.
            unsafe {
                let weights = start.add(STEP * 2 * size_of::<i32>());
                T::pack(weights, weights.add(layer.taps * STEP));
            }
        }
    }
    let [height, width] = op.window.kernel;
    let [_, dilation] = op.window.dilation;
    let (channels, line) = (op.output.channels, op.output.width * op.output.channels);
    let joined = layer.lanes != channels;
    let slices = Slices {
        start: slices.as_ptr(),
        bytes: slice_bytes,
        count: slice_count,
        taps: layer.taps,
        pairs_fit: layer.pairs_fit,
        lanes: if joined { (line - 1) % STEP + 1 } else { channels },
        joined,
    };
    let mut rows = Rows::new(op, input, layer.rows, rows);
    let mut starts = NO_STARTS;
    let mut y = 0;
    while y < op.output.height {
        let two = layer.two && y + 1 < op.output.height;
        let (rows_at_once, below) = match two {
            true => (height + op.window.stride[0], Some((op.window.stride[0], line))),
            false => (height, None),
        };
        match two {
            true => rows.move_to_two(y, &mut starts),
            false => rows.move_to(y, &mut starts),
        }
        let run = Run {
            rows: starts.get(..rows_at_once).unwrap_or_default(),
            height,
            width,
            tap_pitch: dilation * channels,
            step: if joined { STEP } else { op.window.stride[1] * channels },
            count: if joined { line.div_ceil(STEP) } else { op.output.width },
            // SAFETY: row `y`, and the one below if there are two, are inside the output.
            place: unsafe { output.as_mut_ptr().add(y * line) },
            pitch: if joined { STEP } else { channels },
            joined,
            below,
        };
        // SAFETY: the caller vouches for the instruction set. A row holds all channels of its first pixel. The last
        // output's last tap ends, with all its lanes, less than `STEP` bytes after its row, and that many follow every
        // row. Outputs have the lanes that are left in their pixel or, where pixels are joined, in their row.
        unsafe { T::all(&run, &slices, &layer.scalars) };
        y += if two { 2 } else { 1 };
    }
    true
}

/// A depthwise convolution whose slices were checked.
struct Layer<'a> {
    op: &'a Conv2d<'a>,
    rows: Layout,
    /// Whether two rows of outputs are computed at once.
    two: bool,
    taps: usize,
    /// Lanes of the filters: the channels, or [`STEP`] where several pixels fill it together.
    lanes: usize,
    scalars: Scalars,
    pairs_fit: bool,
}

impl<'a> Layer<'a> {
    fn new<T: Taps>(op: &'a Conv2d<'a>, input: &[i8], output: &[i8]) -> Option<Self> {
        let channels = op.output.channels;
        let taps = op.window.kernel[0].checked_mul(op.window.kernel[1])?;
        if op.input.channels != channels || !fits(op, taps, input, output) {
            return None;
        }
        let joined = op.window.stride[1] == 1 && STEP.is_multiple_of(channels);
        let (window, rows) = (&op.window, Layout::new(op)?);
        let two =
            T::TWO_ROWS && (window.kernel, window.dilation) == ([3; 2], [1; 2]) && (1..=2).contains(&window.stride[0]);
        Some(Self {
            op,
            two,
            rows: if two { rows.of_two(window.stride[0]) } else { rows },
            taps,
            lanes: if joined { STEP } else { channels },
            scalars: Scalars::of(&op.requantise).of_sums(taps, op.bias, op.requantise.multipliers),
            pairs_fit: pairs_fit(op.weights),
        })
    }

    /// Packs the filters of the lanes from `first` on; lanes beyond the last are zeros.
    fn pack(&self, first: usize, packed: &mut [i8]) {
        let channels = self.op.output.channels;
        let Some((header, weights)) = packed.split_at_mut_checked(STEP * 2 * size_of::<i32>()) else { return };
        let (bias, half) = header.split_at_mut(header.len() / 2);
        let (biases, multipliers) = (self.op.bias, self.op.requantise.multipliers);
        match (biases.get(first..first + STEP), multipliers.get(first..first + STEP)) {
            (Some(biases), Some(multipliers)) => {
                words(bias, biases.iter().copied());
                words(half, multipliers.iter().map(|multiplier| multiplier >> 1));
            }
            // The last channels, or a few again and again.
            _ => {
                let count = self.lanes - first;
                let lanes = |list: &'a [i32]| list.iter().cycle().skip(first).take(count);
                words(bias, lanes(biases).copied());
                words(half, lanes(multipliers).map(|multiplier| multiplier >> 1));
            }
        }
        for (filter, to) in self.op.weights.chunks_exact(channels.max(1)).zip(weights.as_chunks_mut::<STEP>().0) {
            match filter.get(first..).and_then(|rest| rest.first_chunk::<STEP>()) {
                Some(whole) => *to = *whole,
                None => {
                    let lanes = filter.iter().cycle().skip(first).take(self.lanes - first);
                    to.iter_mut().zip(lanes).for_each(|(to, weight)| *to = *weight);
                }
            }
        }
    }
}
