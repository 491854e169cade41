//! Depthwise convolution, sixteen channels at a time.

use super::{
    conv2d::{eight, widened},
    requantise::{Rule, bytes},
};
use crate::simd::{Run, STEP, Scalars, Slice, Taps};
use core::arch::x86_64::{
    _mm_storeu_si128, _mm_unpacklo_epi64, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi16_epi32,
    _mm256_extracti128_si256, _mm256_mullo_epi16,
};

/// The inner loop.
pub(super) struct Avx2;

impl Taps for Avx2 {
    const TWO_ROWS: bool = false;

    #[inline]
    unsafe fn run(run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
        // SAFETY: the caller vouches for what the loop asks for.
        unsafe { any(run, slice, scalars) };
    }
}

/// # Safety
/// As [`Taps::run`].
#[target_feature(enable = "avx2")]
unsafe fn any(run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
    let rule = Rule::new(scalars);
    // SAFETY: a slice has `STEP` biases and multipliers.
    let (bias, half) = unsafe {
        let both = |start: *const i32| [eight(start), eight(start.add(8))];
        (both(slice.bias), both(slice.half_multipliers))
    };
    for output in 0..run.count {
        let mut acc = bias;
        let mut weights = slice.weights;
        for row in run.rows {
            for tap in 0..run.width {
                // SAFETY: the caller vouches for `STEP` bytes at every tap of every output and of the filters.
                let (x, w) = unsafe {
                    (widened(row.add(slice.first + output * run.step + tap * run.tap_pitch)), widened(weights))
                };
                weights = weights.wrapping_add(STEP);
                // 16 bits hold any product.
                let products = _mm256_mullo_epi16(x, w);
                let low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(products));
                let high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(products));
                acc = [_mm256_add_epi32(acc[0], low), _mm256_add_epi32(acc[1], high)];
            }
        }
        let [low, high] = [bytes(rule.apply(acc[0], half[0])), bytes(rule.apply(acc[1], half[1]))];
        let result = _mm_unpacklo_epi64(low, high);
        let lanes = slice.lanes[usize::from(output + 1 == run.count)];
        // SAFETY: the caller vouches for `lanes` bytes, which are at most `STEP`.
        unsafe {
            let to = run.place.add(slice.first + output * run.pitch);
            if lanes == STEP {
                _mm_storeu_si128(to.cast(), result);
            } else {
                let mut some = [0i8; STEP];
                _mm_storeu_si128(some.as_mut_ptr().cast(), result);
                some.as_ptr().copy_to_nonoverlapping(to, lanes);
            }
        }
    }
}
