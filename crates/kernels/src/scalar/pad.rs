//! A constant border.

use super::concat;
use niwaki_blob::Pad;

/// Fills the output with `value`, then copies the input into it.
pub fn pad(op: &Pad, input: &[i8], output: &mut [i8]) {
    output.fill(op.value);
    concat(&op.place, input, output);
}
