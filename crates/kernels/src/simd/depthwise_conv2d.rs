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
const SLICES: usize = 64 * 1024;

/// The filters of [`STEP`] neighbouring channels: biases, halves of multipliers and weights, one behind the other.
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "not every instruction set asks for all"))]
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) bias: *const i32,
    pub(crate) half_multipliers: *const i32,
    /// [`STEP`] per tap.
    pub(crate) weights: *const i8,
    /// Whether no weight is -128.
    pub(crate) pairs_fit: bool,
}

/// One row of outputs, or two.
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "not every instruction set takes two"))]
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    /// Where the first output's first tap reads, for each row of taps.
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
    /// Where the outputs go.
    pub(crate) place: *mut i8,
    /// Bytes from output to output.
    pub(crate) pitch: usize,
    /// How many of the [`STEP`] lanes every output has, and how many the last.
    pub(crate) lanes: [usize; 2],
    /// Of a second row of outputs, which rows of taps are its first, and bytes from output to output below.
    pub(crate) below: Option<(usize, usize)>,
}

/// The inner loop of one instruction set.
pub(crate) trait Taps {
    /// Whether it takes two rows of outputs at once, for windows of three rows and three columns.
    const TWO_ROWS: bool;

    /// Computes a row of outputs of the channels of a slice.
    ///
    /// # Safety
    /// The CPU has the instruction set; everything that `run` and `slice` point to can be read, [`STEP`] bytes at every
    /// tap of every output and of the filters, and the outputs' lanes be written.
    unsafe fn run(run: &Run<'_>, slice: &Slice, scalars: &Scalars);
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
    let slice_bytes = STEP * (2 * size_of::<i32>() + layer.taps);
    let slice_count = layer.lanes.div_ceil(STEP);
    let Some(slices) = slice_count.checked_mul(slice_bytes).and_then(|len| slices.zeroed(len)) else { return false };
    for (at, slice) in slices.chunks_exact_mut(slice_bytes.max(1)).enumerate() {
        layer.pack(at * STEP, slice);
    }
    let [height, width] = op.window.kernel;
    let [_, dilation] = op.window.dilation;
    let (channels, line) = (op.output.channels, op.output.width * op.output.channels);
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
        for (at, slice) in slices.chunks_exact(slice_bytes.max(1)).enumerate() {
            let (count, pitch, lanes) = match layer.lanes == channels {
                true => (op.output.width, channels, [STEP.min(channels - at * STEP); 2]),
                // Some pixels make one slice, the last perhaps not all of it.
                false => (line.div_ceil(STEP), STEP, [STEP, (line - 1) % STEP + 1]),
            };
            for start in starts.iter_mut().take(rows_at_once).filter(|_| at > 0) {
                // SAFETY: a row holds all channels of its first pixel.
                *start = unsafe { start.add(STEP) };
            }
            let run = Run {
                rows: starts.get(..rows_at_once).unwrap_or_default(),
                height,
                width,
                tap_pitch: dilation * channels,
                step: if layer.lanes == channels { op.window.stride[1] * channels } else { STEP },
                count,
                // SAFETY: row `y`, and the one below if there are two, and in them lane `at * STEP` are inside the output.
                place: unsafe { output.as_mut_ptr().add(y * line + at * STEP) },
                pitch,
                lanes,
                below,
            };
            // SAFETY: the caller vouches for the instruction set. The last output's last tap ends, with all its lanes,
            // less than `STEP` bytes after its row, and that many follow every row. Outputs have the lanes
            // that are left in their pixel or, where pixels are joined, in their row.
            unsafe { T::run(&run, &layer.slice(slice), &layer.scalars) };
        }
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
            scalars: Scalars::of(&op.requantise),
            pairs_fit: pairs_fit(op.weights),
        })
    }

    /// A packed slice's parts.
    fn slice(&self, packed: &[i8]) -> Slice {
        let start = packed.as_ptr();
        let half = STEP * size_of::<i32>();
        // SAFETY: a slice is longer than its biases and multipliers. It lies at a multiple of its length, which is one
        // of 16, so they are aligned.
        let (half_multipliers, weights) = unsafe { (start.add(half), start.add(2 * half)) };
        Slice { bias: start.cast(), half_multipliers: half_multipliers.cast(), weights, pairs_fit: self.pairs_fit }
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
