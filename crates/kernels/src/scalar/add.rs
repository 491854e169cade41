//! Element-wise sum. A second operand that is shorter is taken again and again.

use niwaki_blob::{ADD_SHIFT, Binary};

/// `output = clamp((a * q[0] + b * q[1] + q[2]) >> 16)`.
pub fn add(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) {
    for (output, a) in output.chunks_mut(b.len().max(1)).zip(a.chunks(b.len().max(1))) {
        for ((out, a), b) in output.iter_mut().zip(a).zip(b) {
            *out = sum(op, *a, *b);
        }
    }
}

/// [`add`] with its first operand in `output`.
pub fn add_in_place(op: &Binary, b: &[i8], output: &mut [i8]) {
    for output in output.chunks_mut(b.len().max(1)) {
        for (out, b) in output.iter_mut().zip(b) {
            *out = sum(op, *out, *b);
        }
    }
}

#[inline(always)]
fn sum(op: &Binary, a: i8, b: i8) -> i8 {
    let [qa, qb, offset] = op.q;
    let (a, b) = (i32::from(a).wrapping_mul(qa), i32::from(b).wrapping_mul(qb));
    op.activation.clamp(a.wrapping_add(b).wrapping_add(offset) >> ADD_SHIFT)
}
