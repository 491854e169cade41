//! Constant data.

use niwaki_blob::Constant;

/// Copies the data.
pub fn constant(op: &Constant<'_>, output: &mut [i8]) {
    for (out, value) in output.iter_mut().zip(op.data) {
        *out = *value;
    }
}
