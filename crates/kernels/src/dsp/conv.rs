//! Convolution: patches of some pixels against all output rows.

use super::{
    memory::{clamp, words},
    patches::{Patches, patch_bytes},
    rows::{Frame, niwaki_dsp_dense_2, niwaki_dsp_sparse_1, niwaki_dsp_sparse_2},
};
use niwaki_blob::{PackedConv2d, STREAM_SLACK};

/// Computes groups of rows and returns where the weights of the next one are.
type Kernel = unsafe extern "C" fn(*const Frame) -> *const i8;

/// As [`crate::scalar::packed_conv2d`].
pub(crate) fn packed_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let complete = op.packed.weights.len() == op.quads() * 8 * groups(op) && op.packed.rows == 2;
    if complete && op.quads() > 0 {
        convolve::<2, 4>(op, input, output, scratch, niwaki_dsp_dense_2);
    }
}

/// As [`crate::scalar::sparse_conv2d`].
pub(crate) fn sparse_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    if op.packed.weights.len() < STREAM_SLACK {
        return;
    }
    match op.packed.rows {
        1 => convolve::<4, 1>(op, input, output, scratch, niwaki_dsp_sparse_1),
        2 => convolve::<4, 2>(op, input, output, scratch, niwaki_dsp_sparse_2),
        _ => (),
    }
}

fn groups(op: &PackedConv2d<'_>) -> usize {
    op.output.channels.div_ceil(op.packed.rows.max(1))
}

/// With a kernel that computes `ROWS` rows for the pixels of a patch of `LANES` at a time.
#[inline(always)]
fn convolve<const LANES: usize, const ROWS: usize>(
    op: &PackedConv2d<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
    kernel: Kernel,
) {
    let (quads, channels) = (op.quads(), op.output.channels.max(1));
    let (patch, available) = words(scratch);
    let bytes = if op.input.channels.is_multiple_of(4) { 0 } else { quads * 4 + 4 };
    if available < patch_bytes(quads, LANES) + bytes || op.packed.rules.len() < groups(op) * op.packed.rows * 2 {
        return;
    }
    // SAFETY: it starts on a word and was found long enough.
    let patches = unsafe { Patches::<LANES>::new(op, input, patch) };
    let pixels = (op.output.height * op.output.width).min(output.len() / channels);
    // The last pixels are computed together even if some were already: to the same result. Fewer than a patch has go one
    // by one, as the last of it, where all lie in one place.
    let (lanes, pitch) = if pixels < LANES { (LANES - 1..LANES, 0) } else { (0..LANES, channels) };
    // What the kernel computes at a time whole, and the rows behind it.
    let (whole, rest) = (channels / ROWS, channels % ROWS);
    // Rounds of dense kernels have eight quads, of 112 bytes of code.
    let skipped = if ROWS == 4 { quads.wrapping_neg() % 8 } else { 0 };
    let mut frame = Frame {
        terms: patch.wrapping_sub(skipped * 2 * LANES),
        terms_end: patch.wrapping_add(quads * 2 * LANES),
        rules: op.packed.rules.as_ptr(),
        output: output.as_mut_ptr(),
        pitch,
        groups: whole,
        zero_point: i32::from(op.packed.zero_point),
        skipped: skipped * 8,
        entry: skipped * 112 + 1,
        apart: quads * 8,
        weights: op.packed.weights.as_ptr().wrapping_sub(skipped * 8),
    };
    let mut first = 0;
    while first < pixels {
        let start = first.min(pixels - lanes.len());
        patches.fill(start, lanes.start);
        let tile = output.get_mut(start * channels..(start + lanes.len()) * channels).unwrap_or_default();
        frame.output = tile.as_mut_ptr();
        let mut weights = frame.weights;
        if whole > 0 {
            // SAFETY: dense weights have the length that their shape says, streams were checked when the blob was read;
            // rules, patch and whole groups of output are there.
            weights = unsafe { kernel(&frame) };
        }
        if rest > 0 {
            last_rows::<LANES, ROWS>(op, &Frame { weights, ..frame }, tile, kernel);
        }
        first = start + lanes.len();
    }
    clamp(op.packed.activation, output);
}

/// The rows that are fewer than the kernel computes: it writes to a tile, of which the first ones are taken.
fn last_rows<const LANES: usize, const ROWS: usize>(
    op: &PackedConv2d<'_>,
    frame: &Frame,
    pixels: &mut [i8],
    kernel: Kernel,
) {
    let (channels, rest) = (op.output.channels, op.output.channels % ROWS);
    let (mut tile, mut rules) = ([0i8; 8], [0; 8]);
    for (to, from) in rules.iter_mut().zip(op.packed.rules.get((channels - rest) * 2..).unwrap_or_default()) {
        *to = *from;
    }
    let frame = Frame {
        rules: rules.as_ptr(),
        output: tile.as_mut_ptr(),
        pitch: if frame.pitch == 0 { 0 } else { ROWS },
        groups: 1,
        // Where there is no second group, it is the first again.
        apart: if rest > op.packed.rows { frame.apart } else { 0 },
        ..*frame
    };
    // SAFETY: the patch and the last groups' weights are there, and rules are filled up.
    unsafe { kernel(&frame) };
    for (lane, tile) in tile.chunks_exact(ROWS).take(LANES).enumerate() {
        let end = (lane + 1) * channels;
        if let Some(outputs) = pixels.get_mut(end.wrapping_sub(rest)..end) {
            outputs.iter_mut().zip(tile).for_each(|(to, from)| *to = *from);
        }
    }
}
