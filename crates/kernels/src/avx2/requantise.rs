//! Accumulators to int8, eight at a time, by the one rounding rule.

use crate::simd::Scalars;
use core::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm_packs_epi16, _mm_packs_epi32, _mm256_add_epi32, _mm256_add_epi64,
    _mm256_blend_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_max_epi32, _mm256_min_epi32,
    _mm256_mul_epi32, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_sll_epi32, _mm256_srli_epi64,
};

/// What every channel shares, in every lane.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    shift: __m128i,
    zero_point: __m256i,
    min: __m256i,
    max: __m256i,
}

impl Rule {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn new(scalars: &Scalars) -> Self {
        Self {
            shift: _mm_cvtsi32_si128(scalars.shift as i32),
            zero_point: _mm256_set1_epi32(i32::from(scalars.zero_point)),
            min: _mm256_set1_epi32(i32::from(scalars.min)),
            max: _mm256_set1_epi32(i32::from(scalars.max)),
        }
    }

    /// Results of eight channels, still 32 bits wide. The halves of the multipliers are exact: multipliers are even.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn apply(&self, acc: __m256i, half_multipliers: __m256i) -> __m256i {
        let acc = _mm256_sll_epi32(acc, self.shift);
        // Half the product, half the rounding term, and a shift that is one less.
        let rounding = _mm256_set1_epi64x(1 << 30);
        let even = _mm256_add_epi64(_mm256_mul_epi32(acc, half_multipliers), rounding);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), _mm256_srli_epi64::<32>(half_multipliers));
        let odd = _mm256_add_epi64(odd, rounding);
        // A result is below 2^31, so that the lower 32 of the upper 33 bits are all of it.
        let even = _mm256_srli_epi64::<31>(even);
        let odd = _mm256_add_epi64(odd, odd);
        let scaled = _mm256_blend_epi32::<0b1010_1010>(even, odd);
        let shifted = _mm256_add_epi32(scaled, self.zero_point);
        _mm256_min_epi32(_mm256_max_epi32(shifted, self.min), self.max)
    }
}

/// Eight numbers of int8's range as bytes, in the lower half.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn bytes(values: __m256i) -> __m128i {
    let words = _mm_packs_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values));
    _mm_packs_epi16(words, words)
}
