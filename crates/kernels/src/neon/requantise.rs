//! Accumulators to int8, four at a time, by the one rounding rule.

use crate::simd::Scalars;
use core::arch::{
    aarch64::{
        int8x16_t, int16x8_t, int32x4_t, vaddw_high_s16, vaddw_s16, vdupq_n_s8, vdupq_n_s16, vdupq_n_s32, vget_low_s16,
        vmaxq_s8, vminq_s8, vqaddq_s16, vqmovn_high_s16, vqmovn_high_s32, vqmovn_s16, vqmovn_s32, vqrdmulhq_s32,
        vreinterpretq_s16_s32, vshlq_s32, vuzp1q_s16,
    },
    asm,
};

/// What every channel shares, in every lane.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    shift: u32,
    zero_point: int16x8_t,
    min: int8x16_t,
    max: int8x16_t,
    /// As [`Scalars::quick`].
    pub(super) quick: bool,
}

impl Rule {
    /// [`Rule::new`], for callers without the target feature.
    pub(super) fn of(scalars: &Scalars) -> Self {
        // SAFETY: every 64-bit Arm target has NEON.
        unsafe { Self::new(scalars) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn new(scalars: &Scalars) -> Self {
        Self {
            shift: scalars.shift,
            zero_point: vdupq_n_s16(i16::from(scalars.zero_point)),
            min: vdupq_n_s8(scalars.min),
            max: vdupq_n_s8(scalars.max),
            quick: scalars.quick,
        }
    }
}

/// Four channels of one pixel. SQRDMULH doubles the product, so it takes half the multiplier, which is even; it only
/// saturates where both factors are -2^31, and no multiplier is negative.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn requantise(acc: int32x4_t, half_multipliers: int32x4_t, rule: &Rule) -> int32x4_t {
    // The same for all, and hardly ever taken.
    let shifted = if rule.shift == 0 { acc } else { vshlq_s32(acc, vdupq_n_s32(rule.shift as i32)) };
    vqrdmulhq_s32(shifted, half_multipliers)
}

/// Adds 16-bit numbers to accumulators.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn add(acc: [int32x4_t; 4], [low, high]: [int16x8_t; 2]) -> [int32x4_t; 4] {
    [
        vaddw_s16(acc[0], vget_low_s16(low)),
        vaddw_high_s16(acc[1], low),
        vaddw_s16(acc[2], vget_low_s16(high)),
        vaddw_high_s16(acc[3], high),
    ]
}

/// Sums of neighbours, those of `a` first. The compiler would take three instructions.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn add_pairs(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    let sums;
    // SAFETY: registers are all it touches.
    unsafe {
        asm!("addp {0:v}.4s, {1:v}.4s, {2:v}.4s", out(vreg) sums, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// Adds the zero point and clamps. What saturates at 16 bits is far outside int8 even after the zero point.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn narrow(scaled: [int32x4_t; 4], rule: &Rule) -> int8x16_t {
    let low = vqmovn_high_s32(vqmovn_s32(scaled[0]), scaled[1]);
    let high = vqmovn_high_s32(vqmovn_s32(scaled[2]), scaled[3]);
    let (low, high) = (vqaddq_s16(low, rule.zero_point), vqaddq_s16(high, rule.zero_point));
    let all = vqmovn_high_s16(vqmovn_s16(low), high);
    vminq_s8(vmaxq_s8(all, rule.min), rule.max)
}

/// [`narrow`] where [`Rule::quick`] says that halves of words are their numbers and nothing is clamped.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn narrow_quick(scaled: [int32x4_t; 4], rule: &Rule) -> int8x16_t {
    let halves = scaled.map(|scaled| vreinterpretq_s16_s32(scaled));
    let (low, high) = (vuzp1q_s16(halves[0], halves[1]), vuzp1q_s16(halves[2], halves[3]));
    let (low, high) = (vqaddq_s16(low, rule.zero_point), vqaddq_s16(high, rule.zero_point));
    vqmovn_high_s16(vqmovn_s16(low), high)
}

/// Outputs of sums: [`requantise`], then [`narrow`].
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn outputs(acc: [int32x4_t; 4], half_multipliers: [int32x4_t; 4], rule: &Rule) -> int8x16_t {
    if rule.quick {
        return narrow_quick([0, 1, 2, 3].map(|at| vqrdmulhq_s32(acc[at], half_multipliers[at])), rule);
    }
    narrow([0, 1, 2, 3].map(|at| requantise(acc[at], half_multipliers[at], rule)), rule)
}
