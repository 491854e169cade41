//! Depthwise convolution, sixteen channels at a time.

use super::{
    Rule, add,
    load::{load_three, reload},
    outputs,
};
use crate::simd::{Run, STEP, Scalars, Slice, Taps};
use core::arch::{
    aarch64::{int8x16_t, int16x8_t, int32x4_t, vget_low_s8, vld1q_s8, vld1q_s32, vmull_s8, vst1q_s8},
    asm,
};

/// The inner loops: one for 3x3, one for all others.
pub(super) struct Neon;

impl Taps for Neon {
    const TWO_ROWS: bool = true;

    #[inline]
    unsafe fn run(run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
        // All but perhaps the last have whole lanes; where none has, all are left.
        let whole = match slice.lanes {
            [STEP, last] => run.count - usize::from(last < STEP),
            _ => 0,
        };
        // SAFETY: the caller vouches for what the loops ask for.
        unsafe {
            let whole = match (run.rows, run.width, run.below) {
                ([a, b, c], 3, None) => {
                    match slice.pairs_fit {
                        true => one_row::<true>([*a, *b, *c], whole, run, slice, scalars),
                        false => one_row::<false>([*a, *b, *c], whole, run, slice, scalars),
                    }
                    whole
                }
                ([a, b, c, d], 3, Some((1, _))) => {
                    let rows = [*a, *b, *c, *d];
                    match slice.pairs_fit {
                        true => two_rows::<4, true>(rows, whole, run, slice, scalars),
                        false => two_rows::<4, false>(rows, whole, run, slice, scalars),
                    }
                    whole
                }
                ([a, b, c, d, e], 3, Some((2, _))) => {
                    let rows = [*a, *b, *c, *d, *e];
                    match slice.pairs_fit {
                        true => two_rows::<5, true>(rows, whole, run, slice, scalars),
                        false => two_rows::<5, false>(rows, whole, run, slice, scalars),
                    }
                    whole
                }
                _ => 0,
            };
            if whole < run.count {
                any(whole, run.rows, run.place, run, slice, scalars);
                if let Some((first, down)) = run.below {
                    let rows = run.rows.get(first..).unwrap_or_default();
                    any(whole, rows, run.place.add(down), run, slice, scalars);
                }
            }
        }
    }
}

/// # Safety
/// As [`Taps::run`], with three rows of three taps; the first `whole` outputs, which have all lanes.
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn one_row<const PAIRS: bool>(
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
    let rows = rows.map(|row| row.wrapping_add(slice.first));
    let place = run.place.wrapping_add(slice.first);
    for output in 0..whole {
        let x = |row: usize, tap: usize| {
            // SAFETY: the caller vouches for `STEP` bytes at every tap of every output.
            unsafe { vld1q_s8(rows[row].add(output * run.step + tap * run.tap_pitch)) }
        };
        let mut acc = bias;
        for pair in 0..4 {
            let (first, second) = (2 * pair, 2 * pair + 1);
            let x = [x(first / 3, first % 3), x(second / 3, second % 3)];
            acc = add_two::<PAIRS>(acc, x, [w[first], w[second]]);
        }
        acc = add(acc, products(x(2, 2), w[8]));
        // SAFETY: the caller vouches for the place of every output's lanes.
        unsafe { vst1q_s8(place.add(output * run.pitch), outputs(acc, half, &rule)) };
    }
}

/// Two rows of outputs, which share rows of taps: a stride of one where there are four, of two where there are five.
///
/// # Safety
/// As [`one_row`].
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn two_rows<const ROWS: usize, const PAIRS: bool>(
    rows: [*const i8; ROWS],
    whole: usize,
    run: &Run<'_>,
    slice: &Slice,
    scalars: &Scalars,
) {
    // SAFETY: a slice has `STEP` weights for each tap.
    let w = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|tap: usize| unsafe { vld1q_s8(slice.weights.add(tap * STEP)) });
    let rule = Rule::new(scalars);
    let below = run.below.map_or(0, |(_, below)| below);
    let mut rows = rows.map(|row| row.wrapping_add(slice.first));
    let mut place = run.place.wrapping_add(slice.first);
    let pitches = [run.tap_pitch, 2 * run.tap_pitch];
    for _ in 0..whole {
        // SAFETY: a slice has `STEP` biases.
        let mut acc = [unsafe { reload_four(slice.bias) }; 2];
        let mut before = w[0];
        // A loop would not be unrolled.
        macro_rules! row {
            ($number:literal) => {
                if $number < ROWS {
                    // SAFETY: the caller vouches for `STEP` bytes at every tap of every output.
                    let x = unsafe { load_three(&mut rows[$number], pitches, run.step) };
                    if $number < 3 {
                        acc[0] = row_of_taps::<PAIRS>(acc[0], $number, x, before, &w);
                    }
                    if $number + 3 == ROWS {
                        // SAFETY: as above.
                        acc[1] = unsafe { reload_four(slice.bias) };
                    }
                    if $number + 3 >= ROWS {
                        acc[1] = row_of_taps::<PAIRS>(acc[1], $number + 3 - ROWS, x, before, &w);
                    }
                    #[allow(unused_assignments, reason = "the last row has none after it")]
                    {
                        before = x[2];
                    }
                }
            };
        }
        row!(0);
        row!(1);
        row!(2);
        row!(3);
        row!(4);
        for (acc, down) in acc.into_iter().zip([0, below]) {
            // SAFETY: a slice has `STEP` multipliers. The caller vouches for the place of every output's lanes.
            unsafe { vst1q_s8(place.add(down), outputs(acc, reload_four(slice.half_multipliers), &rule)) };
        }
        place = place.wrapping_add(run.pitch);
    }
}

/// # Safety
/// 16 numbers can be read.
#[inline(always)]
unsafe fn reload_four(start: *const i32) -> [int32x4_t; 4] {
    // SAFETY: the caller vouches for them.
    let ([a, b], [c, d]) = unsafe { (reload(start), reload(start.add(8))) };
    [a, b, c, d]
}

/// Adds the products of a row's first two taps, and of its third with that of the row before.
#[inline(always)]
fn row_of_taps<const PAIRS: bool>(
    acc: [int32x4_t; 4],
    row: usize,
    x: [int8x16_t; 3],
    before: int8x16_t,
    w: &[int8x16_t; 9],
) -> [int32x4_t; 4] {
    // SAFETY: every 64-bit Arm target has NEON.
    unsafe {
        let acc = add_two::<PAIRS>(acc, [x[0], x[1]], [w[3 * row], w[3 * row + 1]]);
        match row {
            0 => acc,
            1 => add_two::<PAIRS>(acc, [before, x[2]], [w[2], w[5]]),
            _ => add(acc, products(x[2], w[8])),
        }
    }
}

/// Adds the products of two taps: together, where they fit into 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn add_two<const PAIRS: bool>(acc: [int32x4_t; 4], x: [int8x16_t; 2], w: [int8x16_t; 2]) -> [int32x4_t; 4] {
    if !PAIRS {
        return add(add(acc, products(x[0], w[0])), products(x[1], w[1]));
    }
    let [mut a, mut b, mut c, mut d] = acc;
    // The compiler would multiply for all taps before it adds, with more products than there are registers.
    // SAFETY: registers are all it touches.
    unsafe {
        asm!(
            "smull {p:v}.8h, {x:v}.8b, {v:v}.8b",
            "smull2 {q:v}.8h, {x:v}.16b, {v:v}.16b",
            "smlal {p:v}.8h, {y:v}.8b, {w:v}.8b",
            "smlal2 {q:v}.8h, {y:v}.16b, {w:v}.16b",
            "saddw {a:v}.4s, {a:v}.4s, {p:v}.4h",
            "saddw2 {b:v}.4s, {b:v}.4s, {p:v}.8h",
            "saddw {c:v}.4s, {c:v}.4s, {q:v}.4h",
            "saddw2 {d:v}.4s, {d:v}.4s, {q:v}.8h",
            x = in(vreg) x[0], y = in(vreg) x[1], v = in(vreg) w[0], w = in(vreg) w[1],
            a = inout(vreg) a, b = inout(vreg) b, c = inout(vreg) c, d = inout(vreg) d,
            p = out(vreg) _, q = out(vreg) _,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    [a, b, c, d]
}

/// # Safety
/// As [`Taps::run`], the outputs from `first` on of one row of outputs.
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn any(first: usize, rows: &[*const i8], place: *mut i8, run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
    // SAFETY: a slice has `STEP` biases and multipliers.
    let (bias, half) = unsafe { (four(slice.bias), four(slice.half_multipliers)) };
    let rule = Rule::new(scalars);
    for output in first..run.count {
        let mut acc = bias;
        let mut weights = slice.weights;
        // Of two rows of outputs those of the first.
        for row in rows.iter().take(run.height) {
            for tap in 0..run.width {
                // SAFETY: the caller vouches for `STEP` bytes at every tap of every output and of the filters.
                let (x, w) = unsafe {
                    (vld1q_s8(row.add(slice.first + output * run.step + tap * run.tap_pitch)), vld1q_s8(weights))
                };
                weights = weights.wrapping_add(STEP);
                acc = add(acc, products(x, w));
            }
        }
        let result = outputs(acc, half, &rule);
        let lanes = slice.lanes[usize::from(output + 1 == run.count)];
        // SAFETY: the caller vouches for `lanes` bytes, which are at most `STEP`.
        unsafe {
            let to = place.add(slice.first + output * run.pitch);
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
