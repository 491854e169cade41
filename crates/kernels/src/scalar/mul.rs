//! Element-wise product. A second operand that is shorter is taken again and again.

use niwaki_blob::{Binary, multiply_round};

/// `output = clamp(zero_point + multiply_round(((a - za) * (b - zb)) << shift, q[0]))`.
pub fn mul(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) {
    for (output, a) in output.chunks_mut(b.len().max(1)).zip(a.chunks(b.len().max(1))) {
        for ((out, a), b) in output.iter_mut().zip(a).zip(b) {
            *out = product(op, *a, *b);
        }
    }
}

/// [`mul`] with its first operand in `output`.
pub fn mul_in_place(op: &Binary, b: &[i8], output: &mut [i8]) {
    for output in output.chunks_mut(b.len().max(1)) {
        for (out, b) in output.iter_mut().zip(b) {
            *out = product(op, *out, *b);
        }
    }
}

#[inline(always)]
fn product(op: &Binary, a: i8, b: i8) -> i8 {
    let [za, zb] = op.input_zero_points;
    let product = (i32::from(a) - i32::from(za)) * (i32::from(b) - i32::from(zb));
    let scaled = multiply_round(product.wrapping_shl(op.shift), op.q[0]);
    op.activation.clamp(scaled.wrapping_add(i32::from(op.zero_point)))
}
