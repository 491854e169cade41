//! A table of vectors.

use niwaki_blob::Embedding;

/// `output[i] = table[min(input[i] + 128, rows - 1)]`, a row of channels each.
pub fn embedding(op: &Embedding<'_>, input: &[i8], output: &mut [i8]) {
    let last = op.rows.saturating_sub(1);
    for (out, x) in output.chunks_exact_mut(op.channels.max(1)).zip(input) {
        // Flipping the sign bit adds 128.
        let row = usize::from(*x as u8 ^ 0x80).min(last);
        let vector = op.table.get(row * op.channels..).unwrap_or_default();
        for (out, value) in out.iter_mut().zip(vector) {
            *out = *value;
        }
    }
}
