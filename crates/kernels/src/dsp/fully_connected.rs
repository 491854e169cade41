//! Fully connected layer: groups of rows against the input, which is widened on the way.

use super::{
    connect::{Frame, Kernel, niwaki_dsp_connect_4, niwaki_dsp_connect_sparse_1, niwaki_dsp_connect_sparse_4},
    memory::{clamp, words},
};
use niwaki_blob::{PackedFullyConnected, STREAM_SLACK};

/// As [`crate::scalar::packed_fully_connected`].
pub(crate) fn packed_fully_connected(
    op: &PackedFullyConnected<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) {
    let complete = op.packed.weights.len() == op.quads() * 16 * op.outputs.div_ceil(4) && op.packed.rows == 4;
    if complete && op.quads() > 0 {
        connect(op, input, output, scratch, niwaki_dsp_connect_4);
    }
}

/// As [`crate::scalar::sparse_fully_connected`].
pub(crate) fn sparse_fully_connected(
    op: &PackedFullyConnected<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) {
    if op.packed.weights.len() < STREAM_SLACK {
        return;
    }
    match op.packed.rows {
        1 => connect(op, input, output, scratch, niwaki_dsp_connect_sparse_1),
        4 => connect(op, input, output, scratch, niwaki_dsp_connect_sparse_4),
        _ => (),
    }
}

#[inline(always)]
fn connect(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8], kernel: Kernel) {
    let rows = op.packed.rows.max(1);
    let (quads, whole, rest) = (op.quads(), output.len() / rows, output.len() % rows);
    if input.len() != op.inputs || op.packed.rules.len() < output.len().div_ceil(rows) * rows * 2 {
        return;
    }
    let mut from = input.as_ptr();
    if !op.inputs.is_multiple_of(4) {
        let (copy, available) = words(scratch);
        if available < quads * 4 {
            return;
        }
        // SAFETY: both have `inputs` bytes; what follows in the scratch meets weights of zero.
        unsafe { core::ptr::copy_nonoverlapping(from, copy.cast(), op.inputs) };
        from = copy.cast_const().cast();
    }
    let mut frame = Frame {
        input: from,
        input_end: from.wrapping_add(quads * 4),
        rules: op.packed.rules.as_ptr(),
        output: output.as_mut_ptr(),
        groups: whole,
        zero_point: i32::from(op.packed.zero_point),
        // Rounds have four quads.
        skipped: quads.wrapping_neg() % 4,
        pairs: usize::from(op.packed.pairs),
        weights: op.packed.weights.as_ptr(),
    };
    if whole > 0 {
        // SAFETY: dense weights have the length that their shape says, streams were checked when the blob was read;
        // input, rules and whole groups of output are there.
        frame.weights = unsafe { kernel(&frame) };
    }
    if rest > 0 {
        let mut tile = [0i8; 4];
        frame.rules = op.packed.rules.get(whole * 2 * rows..).unwrap_or_default().as_ptr();
        frame.output = tile.as_mut_ptr();
        frame.groups = 1;
        // SAFETY: as above, for the last group.
        unsafe { kernel(&frame) };
        for (out, value) in output.iter_mut().skip(whole * rows).zip(tile) {
            *out = value;
        }
    }
    clamp(op.packed.activation, output);
}
