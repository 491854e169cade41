//! Depthwise convolution row by row: the rows under a window are copied, with their padding, to where no tap misses.

use super::{STEP, Scalars, Stack, fits, pairs_fit};
use crate::scalar::axis::Axis;
use niwaki_blob::Conv2d;

/// Bytes of the rows under a window.
const RING: usize = 128 * 1024;

/// Bytes of packed filters.
const SLICES: usize = 64 * 1024;

/// Most rows that a window has taps in.
const MOST_ROWS: usize = 32;

/// The filters of [`STEP`] neighbouring channels.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) bias: *const i32,
    pub(crate) half_multipliers: *const i32,
    /// [`STEP`] per tap.
    pub(crate) weights: *const i8,
    /// Whether no weight is -128.
    pub(crate) pairs_fit: bool,
}

/// One row of outputs.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    /// Where the first output's first tap reads, for each row of taps.
    pub(crate) rows: &'a [*const i8],
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
}

/// The inner loop of one instruction set.
pub(crate) trait Taps {
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
pub(crate) unsafe fn depthwise_conv2d<T: Taps>(op: &Conv2d<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let Some(layer) = Layer::new(op, input, output) else { return false };
    let (mut ring, mut slices) = (Stack::<RING>::new(), Stack::<SLICES>::new());
    let Some(ring) = layer.extent.checked_mul(layer.row_pitch).and_then(|len| ring.zeroed(len)) else { return false };
    let slice_bytes = STEP * (2 * size_of::<i32>() + layer.taps);
    let slice_count = layer.lanes.div_ceil(STEP);
    let Some(slices) = slice_count.checked_mul(slice_bytes).and_then(|len| slices.zeroed(len)) else { return false };
    for (at, slice) in slices.chunks_exact_mut(slice_bytes).enumerate() {
        layer.pack(at * STEP, slice);
    }
    let [height, width] = op.window.kernel;
    let [_, dilation] = op.window.dilation;
    let channels = op.output.channels;
    let mut loaded = 0;
    for y in 0..op.output.height {
        let first = y * op.window.stride[0];
        for row in first.max(loaded)..first + layer.extent {
            layer.load(row, ring);
        }
        loaded = first + layer.extent;
        let mut rows = [ring.as_ptr(); MOST_ROWS];
        for (tap, start) in rows.iter_mut().take(height).enumerate() {
            let slot = (first + tap * op.window.dilation[0]) % layer.extent;
            // SAFETY: the ring has `extent` rows, and `slot` is less.
            *start = unsafe { ring.as_ptr().add(slot * layer.row_pitch) };
        }
        for (at, slice) in slices.chunks_exact(slice_bytes).enumerate() {
            let (count, pitch, lanes) = match layer.lanes == channels {
                true => (op.output.width, channels, [STEP.min(channels - at * STEP); 2]),
                // Some pixels make one slice, the last perhaps not all of it.
                false => {
                    let bytes = op.output.width * channels;
                    (bytes.div_ceil(STEP), STEP, [STEP, (bytes - 1) % STEP + 1])
                }
            };
            for start in rows.iter_mut().take(height).filter(|_| at > 0) {
                // SAFETY: a row of the ring holds all channels of its first pixel.
                *start = unsafe { start.add(STEP) };
            }
            let run = Run {
                rows: &rows[..height],
                width,
                tap_pitch: dilation * channels,
                step: if layer.lanes == channels { op.window.stride[1] * channels } else { STEP },
                count,
                // SAFETY: row `y` and, in it, lane `at * STEP` are inside the output.
                place: unsafe { output.as_mut_ptr().add(y * op.output.width * channels + at * STEP) },
                pitch,
                lanes,
            };
            // SAFETY: the caller vouches for the instruction set. The last output's last tap ends, with all its lanes,
            // less than `STEP` bytes after its row, and that many follow every row of the ring. Outputs have the lanes
            // that are left in their pixel or, where pixels are joined, in their row.
            unsafe { T::run(&run, &layer.slice(slice), &layer.scalars) };
        }
    }
    true
}

/// A depthwise convolution whose slices were checked.
struct Layer<'a> {
    op: &'a Conv2d<'a>,
    input: &'a [i8],
    rows: Axis,
    taps: usize,
    /// Lanes of the filters: the channels, or [`STEP`] where several pixels fill it together.
    lanes: usize,
    /// Input rows under a window.
    extent: usize,
    /// Bytes of a row with its padding, of what is copied into it, and from row to row in the ring.
    row_bytes: usize,
    row_pitch: usize,
    scalars: Scalars,
    pairs_fit: bool,
}

impl<'a> Layer<'a> {
    fn new(op: &'a Conv2d<'a>, input: &'a [i8], output: &[i8]) -> Option<Self> {
        let window = &op.window;
        let [height, width] = window.kernel;
        let channels = op.output.channels;
        let taps = height.checked_mul(width)?;
        let sane = (1..=MOST_ROWS).contains(&height) && width > 0 && window.stride[0] > 0 && window.stride[1] > 0;
        if !sane || op.input.channels != channels || output.is_empty() || !fits(op, taps, input, output) {
            return None;
        }
        let covered = (op.output.width - 1) * window.stride[1] + (width - 1) * window.dilation[1] + 1;
        let row_bytes = covered.checked_mul(channels)?;
        let joined = window.stride[1] == 1 && STEP.is_multiple_of(channels);
        Some(Self {
            op,
            input,
            rows: Axis::rows(window, op.input),
            taps,
            lanes: if joined { STEP } else { channels },
            extent: (height - 1) * window.dilation[0] + 1,
            row_bytes,
            row_pitch: row_bytes.checked_add(STEP)?.checked_next_multiple_of(STEP)?,
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
        Slice {
            bias: start.cast(),
            half_multipliers: half_multipliers.cast(),
            weights,
            pairs_fit: self.pairs_fit,
        }
    }

    /// Packs the filters of the lanes from `first` on; lanes beyond the last are zeros.
    fn pack(&self, first: usize, packed: &mut [i8]) {
        let channels = self.op.output.channels;
        let (header, weights) = packed.split_at_mut(STEP * 2 * size_of::<i32>());
        for lane in 0..STEP.min(self.lanes - first) {
            let channel = (first + lane) % channels;
            let half = self.op.requantise.multipliers[channel] >> 1;
            for (word, at) in [(self.op.bias[channel], lane), (half, STEP + lane)] {
                let bytes = word.to_ne_bytes().map(|byte| byte as i8);
                header[at * 4..at * 4 + 4].copy_from_slice(&bytes);
            }
        }
        for (filter, to) in self.op.weights.chunks_exact(channels).zip(weights.chunks_exact_mut(STEP)) {
            if channels >= first + STEP {
                to.copy_from_slice(&filter[first..first + STEP]);
                continue;
            }
            for (lane, to) in to.iter_mut().enumerate().take(self.lanes - first) {
                *to = filter[(first + lane) % channels];
            }
        }
    }

    /// Copies a row, counted from the first of the padding, to its place in the ring.
    fn load(&self, row: usize, ring: &mut [i8]) {
        let start = row % self.extent * self.row_pitch;
        let to = &mut ring[start..start + self.row_bytes];
        let pitch = self.op.input.width * self.op.input.channels;
        let zero_point = self.op.input_zero_point;
        // As a window of one output, the row is tap `row`.
        match self.rows.undilated(row) {
            Some(row) => {
                let left = (self.op.window.padding[1] * self.op.input.channels).min(to.len());
                let (left, rest) = to.split_at_mut(left);
                let (inside, right) = rest.split_at_mut(pitch.min(rest.len()));
                left.fill(zero_point);
                inside.copy_from_slice(&self.input[row * pitch..row * pitch + inside.len()]);
                right.fill(zero_point);
            }
            None => to.fill(zero_point),
        }
    }
}
