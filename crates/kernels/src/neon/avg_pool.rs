//! Average over windows, sixteen channels at a time.

use super::{Rule, narrow, requantise};
use crate::{
    scalar::axis::Axis,
    simd::{STEP, Scalars},
};
use core::arch::aarch64::{
    int16x8_t, int32x4_t, vaddw_high_s8, vaddw_high_s16, vaddw_s8, vaddw_s16, vdupq_n_s16, vdupq_n_s32, vget_low_s8,
    vget_low_s16, vld1q_s8, vst1q_s8,
};
use niwaki_blob::AvgPool;

/// Elements whose sum always fits into 16 bits.
const SHORT: usize = 256;

/// [`crate::scalar::avg_pool`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn avg_pool(op: &AvgPool<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let channels = op.output.channels;
    if channels < STEP || op.input.channels != channels || op.input.elements() != input.len() {
        return false;
    }
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    let rule = Rule::new(&Scalars::of(&op.requantise));
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let (rows, columns) = (rows.covered(y), columns.covered(x));
            let count = rows.len() * columns.len();
            let multipliers = op.requantise.multipliers;
            let multiplier = if multipliers.len() == 1 { 0 } else { count.saturating_sub(1) };
            let half = vdupq_n_s32(multipliers.get(multiplier).copied().unwrap_or(0) >> 1);
            let offset = (count as i32).wrapping_mul(i32::from(op.input_zero_point)).wrapping_neg();
            for first in (0..channels).step_by(STEP) {
                // The last step ends where the pixel does: some channels are computed twice.
                let first = first.min(channels - STEP);
                let mut acc = [vdupq_n_s32(offset); 4];
                for row in rows.clone() {
                    for part in columns.clone().step_by(SHORT) {
                        let end = (part + SHORT).min(columns.end);
                        let mut sums = [vdupq_n_s16(0); 2];
                        for column in part..end {
                            let at = (row * op.input.width + column) * channels + first;
                            // SAFETY: row and column are inside the input, whose length was checked, and so are the
                            // `STEP` channels from `first` on.
                            let x = unsafe { vld1q_s8(input.as_ptr().add(at)) };
                            sums = [vaddw_s8(sums[0], vget_low_s8(x)), vaddw_high_s8(sums[1], x)];
                        }
                        acc = add(acc, sums);
                    }
                }
                let result = narrow(acc.map(|acc| requantise(acc, half, &rule)), &rule);
                // SAFETY: `pixel` has `STEP` channels from `first` on.
                unsafe { vst1q_s8(pixel.as_mut_ptr().add(first), result) };
            }
        }
    }
    true
}

#[inline]
#[target_feature(enable = "neon")]
fn add(acc: [int32x4_t; 4], [low, high]: [int16x8_t; 2]) -> [int32x4_t; 4] {
    [
        vaddw_s16(acc[0], vget_low_s16(low)),
        vaddw_high_s16(acc[1], low),
        vaddw_s16(acc[2], vget_low_s16(high)),
        vaddw_high_s16(acc[3], high),
    ]
}
