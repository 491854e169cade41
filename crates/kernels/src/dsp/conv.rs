//! Convolution: patches of four pixels against all output rows.

use super::{
    memory::{clamp, words},
    patches::{LANES, Patches, patch_bytes},
    rows::{Frame, niwaki_dsp_dense_2, niwaki_dsp_sparse_1, niwaki_dsp_sparse_2},
};
use niwaki_blob::{PackedConv2d, STREAM_SLACK};

/// Computes groups of rows and returns where the weights of the next one are.
type Kernel = unsafe extern "C" fn(*const Frame) -> *const i8;

/// As [`crate::scalar::packed_conv2d`].
pub(crate) fn packed_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let complete = op.packed.weights.len() == op.quads() * 8 * groups(op) && op.packed.rows == 2;
    if complete && op.quads() > 0 {
        convolve(op, input, output, scratch, niwaki_dsp_dense_2);
    }
}

/// As [`crate::scalar::sparse_conv2d`].
pub(crate) fn sparse_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    if op.packed.weights.len() < STREAM_SLACK {
        return;
    }
    match op.packed.rows {
        1 => convolve(op, input, output, scratch, niwaki_dsp_sparse_1),
        2 => convolve(op, input, output, scratch, niwaki_dsp_sparse_2),
        _ => (),
    }
}

fn groups(op: &PackedConv2d<'_>) -> usize {
    op.output.channels.div_ceil(op.packed.rows.max(1))
}

#[inline(always)]
fn convolve(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8], kernel: Kernel) {
    let (quads, channels) = (op.quads(), op.output.channels.max(1));
    let (patch, available) = words(scratch);
    let bytes = if op.input.channels.is_multiple_of(4) { 0 } else { quads * 4 + 4 };
    if available < patch_bytes(quads) + bytes || op.packed.rules.len() < groups(op) * op.packed.rows * 2 {
        return;
    }
    // SAFETY: it starts on a word and was found long enough.
    let patches = unsafe { Patches::new(op, input, patch) };
    let pixels = (op.output.height * op.output.width).min(output.len() / channels);
    // The last four pixels are computed together even if some were already: to the same result. Fewer than four go one
    // by one, as the last of four that all lie in one place.
    let (lanes, pitch) = if pixels < LANES { (LANES - 1..LANES, 0) } else { (0..LANES, channels) };
    let mut first = 0;
    while first < pixels {
        let start = first.min(pixels - lanes.len());
        patches.fill(start, lanes.start);
        let tile = output.get_mut(start * channels..(start + lanes.len()) * channels).unwrap_or_default();
        rows(op, patch, quads, tile, pitch, kernel);
        first = start + lanes.len();
    }
    clamp(op.packed.activation, output);
}

/// All rows for the pixels of a patch, which lie `pitch` bytes apart.
fn rows(op: &PackedConv2d<'_>, patch: *mut u32, quads: usize, pixels: &mut [i8], pitch: usize, kernel: Kernel) {
    let channels = op.output.channels;
    // Groups of which every row exists, and the rows behind them: at most one.
    let per_group = op.packed.rows.max(1);
    let (whole, rest) = (channels / per_group, channels % per_group);
    let mut frame = Frame {
        terms: patch,
        terms_end: patch.wrapping_add(quads * 8),
        rules: op.packed.rules.as_ptr(),
        output: pixels.as_mut_ptr(),
        pitch,
        groups: whole,
        zero_point: i32::from(op.packed.zero_point),
        // Rounds have eight quads.
        skipped: quads.wrapping_neg() % 8,
        spare: 0,
        weights: op.packed.weights.as_ptr(),
    };
    if whole > 0 {
        // SAFETY: dense weights have the length that their shape says, streams were checked when the blob was read;
        // rules, patch and whole groups of output are there.
        frame.weights = unsafe { kernel(&frame) };
    }
    if rest > 0 {
        // A group writes all of its rows: into a tile, of which the first row is taken.
        let mut tile = [0i8; 2 * LANES];
        frame.rules = op.packed.rules.get(whole * 2 * op.packed.rows..).unwrap_or_default().as_ptr();
        frame.output = tile.as_mut_ptr();
        frame.pitch = if pitch == 0 { 0 } else { 2 };
        frame.groups = 1;
        // SAFETY: as above, for the last group.
        unsafe { kernel(&frame) };
        let mut at = channels.wrapping_sub(1);
        for lane in tile.as_chunks::<2>().0 {
            if let Some(out) = pixels.get_mut(at) {
                *out = lane[0];
            }
            at = at.wrapping_add(channels);
        }
    }
}
