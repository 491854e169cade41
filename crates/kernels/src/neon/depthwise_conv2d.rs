//! Depthwise convolution, sixteen channels at a time.

use super::{Rule, narrow, requantise};
use crate::simd::{Run, STEP, Scalars, Slice, Taps};
use core::arch::{
    aarch64::{
        int8x16_t, int16x8_t, int32x4_t, vaddw_high_s16, vaddw_s16, vget_low_s8, vget_low_s16, vld1q_s8, vld1q_s32,
        vmlal_s8, vmull_s8, vst1q_s8,
    },
    asm,
};

/// The inner loops: one for 3x3, one for all others.
pub(super) struct Neon;

impl Taps for Neon {
    #[inline]
    unsafe fn run(run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
        // All but perhaps the last have whole lanes; where none has, all are left.
        let whole = match run.lanes {
            [STEP, last] => run.count - usize::from(last < STEP),
            _ => 0,
        };
        // SAFETY: the caller vouches for what the loops ask for.
        unsafe {
            match (run.rows, run.width, slice.pairs_fit) {
                ([a, b, c], 3, true) => three_by_three::<true>([*a, *b, *c], whole, run, slice, scalars),
                ([a, b, c], 3, false) => three_by_three::<false>([*a, *b, *c], whole, run, slice, scalars),
                _ => any(0, run, slice, scalars),
            }
            if run.rows.len() == 3 && run.width == 3 {
                any(whole, run, slice, scalars);
            }
        }
    }
}

/// # Safety
/// As [`Taps::run`], with three rows of three taps; the first `whole` outputs, which have all lanes.
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn three_by_three<const PAIRS: bool>(
    rows: [*const i8; 3],
    whole: usize,
    run: &Run<'_>,
    slice: &Slice,
    scalars: &Scalars,
) {
    // SAFETY: a slice has `STEP` biases, multipliers and, per tap, weights.
    let (bias, half, w) = unsafe {
        let tap = |tap: usize| vld1q_s8(slice.weights.add(tap * STEP));
        (four(slice.bias), four(slice.half_multipliers), [0, 1, 2, 3, 4, 5, 6, 7, 8].map(tap))
    };
    let rule = Rule::new(scalars);
    for output in 0..whole {
        let x = |row: usize, tap: usize| {
            // SAFETY: the caller vouches for `STEP` bytes at every tap of every output.
            unsafe { vld1q_s8(rows[row].add(output * run.step + tap * run.tap_pitch)) }
        };
        let mut acc = bias;
        for pair in 0..4 {
            let (first, second) = (2 * pair, 2 * pair + 1);
            let x = [x(first / 3, first % 3), x(second / 3, second % 3)];
            acc = if PAIRS {
                add(acc, products_of_pair(x, [w[first], w[second]]))
            } else {
                add(add(acc, products(x[0], w[first])), products(x[1], w[second]))
            };
        }
        acc = add(acc, products(x(2, 2), w[8]));
        // SAFETY: the caller vouches for the place of every output's lanes.
        unsafe { vst1q_s8(run.place.add(output * run.pitch), results(acc, &half, &rule)) };
    }
}

/// # Safety
/// As [`Taps::run`], the outputs from `first` on.
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn any(first: usize, run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
    // SAFETY: a slice has `STEP` biases and multipliers.
    let (bias, half) = unsafe { (four(slice.bias), four(slice.half_multipliers)) };
    let rule = Rule::new(scalars);
    for output in first..run.count {
        let mut acc = bias;
        let mut weights = slice.weights;
        for row in run.rows {
            for tap in 0..run.width {
                // SAFETY: the caller vouches for `STEP` bytes at every tap of every output and of the filters.
                let (x, w) = unsafe { (vld1q_s8(row.add(output * run.step + tap * run.tap_pitch)), vld1q_s8(weights)) };
                weights = weights.wrapping_add(STEP);
                acc = add(acc, products(x, w));
            }
        }
        let result = results(acc, &half, &rule);
        let lanes = run.lanes[usize::from(output + 1 == run.count)];
        // SAFETY: the caller vouches for `lanes` bytes, which are at most `STEP`.
        unsafe {
            let to = run.place.add(output * run.pitch);
            if lanes == STEP {
                vst1q_s8(to, result);
            } else {
                let mut bytes = [0i8; STEP];
                vst1q_s8(bytes.as_mut_ptr(), result);
                bytes.as_ptr().copy_to_nonoverlapping(to, lanes);
            }
        }
    }
}

/// # Safety
/// 16 numbers can be read.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four(start: *const i32) -> [int32x4_t; 4] {
    // SAFETY: the caller vouches for them.
    [0, 4, 8, 12].map(|at| unsafe { vld1q_s32(start.add(at)) })
}

#[inline]
#[target_feature(enable = "neon")]
fn products(x: int8x16_t, w: int8x16_t) -> [int16x8_t; 2] {
    let high;
    // The compiler would take the upper halves of weights out of the loop, to where there are no registers left.
    // SAFETY: registers are all it touches.
    unsafe {
        asm!("smull2 {0:v}.8h, {1:v}.16b, {2:v}.16b", out(vreg) high, in(vreg) x, in(vreg) w,
            options(pure, nomem, nostack, preserves_flags));
    }
    [vmull_s8(vget_low_s8(x), vget_low_s8(w)), high]
}

/// Sums of two products, which fit into 16 bits where no weight is -128.
#[inline]
#[target_feature(enable = "neon")]
fn products_of_pair(x: [int8x16_t; 2], w: [int8x16_t; 2]) -> [int16x8_t; 2] {
    let [low, mut high] = products(x[0], w[0]);
    // SAFETY: registers are all it touches.
    unsafe {
        asm!("smlal2 {0:v}.8h, {1:v}.16b, {2:v}.16b", inout(vreg) high, in(vreg) x[1], in(vreg) w[1],
            options(pure, nomem, nostack, preserves_flags));
    }
    [vmlal_s8(low, vget_low_s8(x[1]), vget_low_s8(w[1])), high]
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

#[inline]
#[target_feature(enable = "neon")]
fn results(acc: [int32x4_t; 4], half: &[int32x4_t; 4], rule: &Rule) -> int8x16_t {
    let scaled = [0, 1, 2, 3].map(|at| requantise(acc[at], half[at], rule));
    narrow(scaled, rule)
}
