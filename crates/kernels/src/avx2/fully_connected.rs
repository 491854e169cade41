//! Fully connected layer: the products of one row at a time.

use super::conv2d::widened;
use crate::simd::STEP;
use core::arch::x86_64::{
    _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_setzero_si256,
};
use niwaki_blob::{FullyConnected, requantise};

/// Rows at a time, which share what they read of the input.
const ROWS: usize = 4;

/// [`crate::scalar::fully_connected`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let good = input.len() == op.inputs
        && output.len() == op.outputs
        && op.bias.len() == op.outputs
        && op.inputs.checked_mul(op.outputs) == Some(op.weights.len());
    if !good || op.inputs < STEP || op.outputs < ROWS {
        return false;
    }
    let whole = op.inputs / STEP * STEP;
    for group in (0..op.outputs).step_by(ROWS) {
        // The last group ends with the last row: some are computed twice.
        let group = group.min(op.outputs - ROWS);
        let mut acc = [_mm256_setzero_si256(); ROWS];
        for at in (0..whole).step_by(STEP) {
            // SAFETY: the input and each row have `whole` elements.
            unsafe {
                let x = widened(input.as_ptr().add(at));
                for (row, acc) in acc.iter_mut().enumerate() {
                    let w = widened(op.weights.as_ptr().add((group + row) * op.inputs + at));
                    *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(x, w));
                }
            }
        }
        for (channel, acc) in (group..).zip(acc) {
            let four = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256::<1>(acc));
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b0100_1110>(four));
            let sum = _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b1011_0001>(two)));
            let rest = op.weights[channel * op.inputs + whole..(channel + 1) * op.inputs].iter().zip(&input[whole..]);
            let rest = rest.fold(op.bias[channel], |sum, (w, x)| sum.wrapping_add(i32::from(*w) * i32::from(*x)));
            output[channel] = requantise(sum.wrapping_add(rest), channel, &op.requantise);
        }
    }
    true
}
