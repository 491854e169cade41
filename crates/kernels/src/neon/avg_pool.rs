//! Average over windows.

use super::{
    Rule, add, narrow,
    pool::{Reduce, Under, pool},
    requantise,
};
use crate::simd::Scalars;
use core::arch::aarch64::{int8x16_t, int32x4_t, vaddw_high_s8, vaddw_s8, vdupq_n_s16, vdupq_n_s32, vget_low_s8};
use niwaki_blob::AvgPool;

/// Elements whose sum always fits into 16 bits.
const SHORT: usize = 256;

/// [`crate::scalar::avg_pool`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON.
#[inline(never)]
#[target_feature(enable = "neon")]
pub(super) unsafe fn avg_pool(op: &AvgPool<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let average = Average { op, rule: Rule::new(&Scalars::of(&op.requantise)) };
    // SAFETY: the caller vouches for NEON.
    unsafe { pool(&op.window, [op.input, op.output], input, output, &average) }
}

struct Average<'a> {
    op: &'a AvgPool<'a>,
    rule: Rule,
}

impl Reduce for Average<'_> {
    /// Half of the multiplier, and what the zero points add up to, negative.
    type Pixel = [int32x4_t; 2];

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn pixel(&self, count: usize) -> [int32x4_t; 2] {
        let multipliers = self.op.requantise.multipliers;
        let multiplier = if multipliers.len() == 1 { 0 } else { count.saturating_sub(1) };
        let half = vdupq_n_s32(multipliers.get(multiplier).copied().unwrap_or(0) >> 1);
        let offset = (count as i32).wrapping_mul(i32::from(self.op.input_zero_point)).wrapping_neg();
        [half, vdupq_n_s32(offset)]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn reduce<const FEW: bool>(&self, [half, offset]: [int32x4_t; 2], under: &Under<'_, FEW>) -> int8x16_t {
        let mut acc = [offset; 4];
        for row in under.rows.clone() {
            for part in under.columns.clone().step_by(SHORT) {
                let end = (part + SHORT).min(under.columns.end);
                let mut sums = [vdupq_n_s16(0); 2];
                for column in part..end {
                    // SAFETY: the row and the column are the window's.
                    let x = unsafe { under.load(row, column) };
                    sums = [vaddw_s8(sums[0], vget_low_s8(x)), vaddw_high_s8(sums[1], x)];
                }
                acc = add(acc, sums);
            }
        }
        narrow(acc.map(|acc| requantise(acc, half, &self.rule)), &self.rule)
    }
}
