//! Product of two activations.

use niwaki_blob::{MatMul, multiply_round};

/// `output[i][y][x] = requantise(sum over t of (a[i][y][t] - za) * (b[i][x][t] - zb))`, wherever the elements lie.
pub fn matmul(op: &MatMul, a: &[i8], b: &[i8], output: &mut [i8]) {
    for matrix in 0..op.matrices {
        for row in 0..op.rows {
            let a = a.get(matrix * op.a[0] + row * op.a[1]..).unwrap_or_default();
            for column in 0..op.columns {
                let b = b.get(matrix * op.b[0] + column * op.b[1]..).unwrap_or_default();
                let at = matrix * op.output[0] + row * op.output[1] + column * op.output[2];
                if let Some(out) = output.get_mut(at) {
                    let scaled = multiply_round(product(op, a, b).wrapping_shl(op.shift), op.multiplier);
                    *out = op.activation.clamp(scaled.wrapping_add(i32::from(op.zero_point)));
                }
            }
        }
    }
}

/// Sum of the products of a row and a column, which begin where the slices do.
#[inline(always)]
fn product(op: &MatMul, a: &[i8], b: &[i8]) -> i32 {
    let [za, zb] = op.input_zero_points.map(i32::from);
    let term = |a: i8, b: i8| (i32::from(a) - za).wrapping_mul(i32::from(b) - zb);
    if let (1, 1, Some(a), Some(b)) = (op.a[2], op.b[2], a.get(..op.terms), b.get(..op.terms)) {
        return a.iter().zip(b).fold(0, |sum, (a, b)| sum.wrapping_add(term(*a, *b)));
    }
    (0..op.terms).fold(0, |sum, at| match (a.get(at * op.a[2]), b.get(at * op.b[2])) {
        (Some(a), Some(b)) => sum.wrapping_add(term(*a, *b)),
        _ => sum,
    })
}
