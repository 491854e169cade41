//! Product of two activations: four columns at a time, two terms in every multiplication.

use super::{memory::clamp, word};
use crate::scalar;
use niwaki_blob::MatMul;

/// Columns that are computed together.
const COLUMNS: usize = 4;

/// As [`crate::scalar::matmul`].
pub(crate) fn matmul(op: &MatMul, a: &[i8], b: &[i8], output: &mut [i8]) {
    let inside = reach(op.a, [op.matrices, op.rows, op.terms]) < a.len()
        && reach(op.b, [op.matrices, op.columns, op.terms]) < b.len();
    // Words hold neighbouring terms of both, or neighbouring columns of the second.
    let (by_terms, by_columns) = (op.a[2] == 1 && op.b[2] == 1, op.b[1] == 1);
    if !inside || !(by_terms || by_columns) {
        return scalar::matmul(op, a, b, output);
    }
    let whole = op.columns / COLUMNS * COLUMNS;
    for matrix in 0..op.matrices {
        for row in 0..op.rows {
            let mut put = |column: usize, sum: u32| {
                let at = matrix * op.output[0] + row * op.output[1] + column * op.output[2];
                if let Some(out) = output.get_mut(at) {
                    let zero = i32::from(op.zero_point) as u32;
                    *out = word::requantised(sum << op.shift, op.multiplier as u32, zero) as i8;
                }
            };
            // SAFETY: the last element of the last matrix lies inside, so the first of any row and column does.
            let (x, y) =
                unsafe { (a.as_ptr().add(matrix * op.a[0] + row * op.a[1]), b.as_ptr().add(matrix * op.b[0])) };
            for column in (0..whole).step_by(COLUMNS) {
                // SAFETY: from here on `x` has `terms` terms and `y` as many of each of four columns.
                let sums = unsafe {
                    let y = y.add(column * op.b[1]);
                    if by_terms { terms(op, x, y) } else { columns(op, x, y) }
                };
                sums.into_iter().enumerate().for_each(|(lane, sum)| put(column + lane, sum));
            }
            for column in whole..op.columns {
                // SAFETY: as above, of one column.
                let sum = unsafe { single(op, x, y.add(column * op.b[1]), 0..op.terms) };
                put(column, sum);
            }
        }
    }
    clamp(op.activation, output);
}

/// The farthest element, or more than any memory has where there is none.
fn reach(steps: [usize; 3], counts: [usize; 3]) -> usize {
    steps.into_iter().zip(counts).fold(0, |sum: usize, (step, count)| match count.checked_sub(1) {
        Some(last) => sum.saturating_add(step.saturating_mul(last)),
        None => usize::MAX,
    })
}

/// Four columns whose terms are neighbours, as those of the row are.
///
/// # Safety
/// `a` has `op.terms` elements, and so have `b` and the three columns `op.b[1]` after one another.
#[inline(always)]
unsafe fn terms(op: &MatMul, a: *const i8, b: *const i8) -> [u32; COLUMNS] {
    let [less_a, less_b] = op.input_zero_points.map(|zero| word::both_halves(-i16::from(zero)));
    let whole = op.terms / 4 * 4;
    let mut sums = [0; COLUMNS];
    for at in (0..whole).step_by(4) {
        // SAFETY: four terms from `at` on are among `op.terms` of the row and of each column.
        unsafe {
            let x = word::load(a.add(at));
            let (even, odd) = (word::sxtab16(less_a, x), word::sxtab16_odd(less_a, x));
            for (lane, sum) in sums.iter_mut().enumerate() {
                let y = word::load(b.add(lane * op.b[1] + at));
                *sum = word::dual_product(even, word::sxtab16(less_b, y), *sum);
                *sum = word::dual_product(odd, word::sxtab16_odd(less_b, y), *sum);
            }
        }
    }
    for (lane, sum) in sums.iter_mut().enumerate() {
        // SAFETY: the rest of the same terms.
        *sum = sum.wrapping_add(unsafe { single(op, a, b.add(lane * op.b[1]), whole..op.terms) });
    }
    sums
}

/// Four neighbouring columns.
///
/// # Safety
/// `a` has `op.terms` elements `op.a[2]` after one another; `b` has as many groups of four elements, `op.b[2]` after one
/// another.
#[inline(always)]
unsafe fn columns(op: &MatMul, a: *const i8, b: *const i8) -> [u32; COLUMNS] {
    let less_b = word::both_halves(-i16::from(op.input_zero_points[1]));
    let za = i32::from(op.input_zero_points[0]);
    let whole = op.terms / 2 * 2;
    let mut sums = [0; COLUMNS];
    for at in (0..whole).step_by(2) {
        // SAFETY: the terms `at` and `at + 1` are among `op.terms`, of the row and of the columns.
        unsafe {
            let [x, next] = [at, at + 1].map(|at| (i32::from(*a.add(at * op.a[2])) - za) as u32);
            let pair = word::low_halves(x, next);
            let [y, other] = [at, at + 1].map(|at| word::load(b.add(at * op.b[2])));
            let [even, odd] = [word::sxtab16(less_b, y), word::sxtab16_odd(less_b, y)];
            let [even_next, odd_next] = [word::sxtab16(less_b, other), word::sxtab16_odd(less_b, other)];
            let columns = [
                word::low_halves(even, even_next),
                word::low_halves(odd, odd_next),
                word::high_halves(even, even_next),
                word::high_halves(odd, odd_next),
            ];
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = word::dual_product(pair, column, *sum);
            }
        }
    }
    for (lane, sum) in sums.iter_mut().enumerate() {
        // SAFETY: the rest of the same terms.
        *sum = sum.wrapping_add(unsafe { single(op, a, b.add(lane * op.b[1]), whole..op.terms) });
    }
    sums
}

/// Some terms of one column.
///
/// # Safety
/// `a` and `b` have those terms, each as far apart as the operation says.
#[inline(always)]
unsafe fn single(op: &MatMul, a: *const i8, b: *const i8, terms: core::ops::Range<usize>) -> u32 {
    let [za, zb] = op.input_zero_points.map(i32::from);
    terms.fold(0, |sum: u32, at| {
        // SAFETY: the caller's.
        let (x, y) = unsafe { (i32::from(*a.add(at * op.a[2])), i32::from(*b.add(at * op.b[2]))) };
        sum.wrapping_add(((x - za) * (y - zb)) as u32)
    })
}
