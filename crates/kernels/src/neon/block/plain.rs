//! Block weights without dot products: a row's four weights in every lane, times one quad of four pixels.

use super::{CHANNELS, Stream, Tile, finish::finish};
use crate::{
    neon::{Rule, add_pairs},
    simd::Place,
};
use core::arch::{
    aarch64::{
        int8x16_t, int32x4_t, vandq_s32, vdupq_laneq_s32, vdupq_n_u64, vld1q_s8, vld1q_s32, vld2q_dup_s32,
        vld4q_dup_s32, vreinterpretq_s32_u64,
    },
    asm,
};

/// For every 64-bit Arm core.
pub(super) struct Plain;

impl Tile for Plain {
    const MOST: usize = 2;

    #[inline]
    unsafe fn run<const ROWS: usize, const V: usize>(
        base: *const i8,
        stream: &Stream,
        rule: &Rule,
        place: Place,
        count: usize,
    ) {
        // SAFETY: the caller vouches for what is asked for.
        unsafe { tile::<ROWS, V>(base, stream, rule, place, count) };
    }
}

/// # Safety
/// As [`Tile::run`].
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn tile<const ROWS: usize, const V: usize>(
    base: *const i8,
    stream: &Stream,
    rule: &Rule,
    mut place: Place,
    count: usize,
) {
    let Stream { mut weights, offsets, mut units, whole, mut bias, mut multipliers, channels } = *stream;
    let mut next = offsets;
    let mut left = channels;
    let once = vreinterpretq_s32_u64(vdupq_n_u64(u32::MAX.into()));
    loop {
        // SAFETY: biases are filled up to a multiple of four.
        let four = unsafe { vld1q_s32(bias) };
        // Two sums make a pixel's: one of them starts with the bias.
        let starts = [
            vandq_s32(vdupq_laneq_s32::<0>(four), once),
            vandq_s32(vdupq_laneq_s32::<1>(four), once),
            vandq_s32(vdupq_laneq_s32::<2>(four), once),
            vandq_s32(vdupq_laneq_s32::<3>(four), once),
        ];
        let mut acc = [[four; V]; CHANNELS];
        macro_rules! group {
            ($first:literal) => {
                if $first < CHANNELS / ROWS {
                    let at: usize = $first * ROWS;
                    let count = match whole {
                        Some(units) => {
                            next = offsets;
                            units
                        }
                        // SAFETY: there is one for each group.
                        None => unsafe {
                            let count = units.read();
                            units = units.add(1);
                            usize::from(count)
                        },
                    };
                    // SAFETY: the caller vouches for the stream.
                    let part = unsafe {
                        let starts = core::array::from_fn(|row| starts[at + row]);
                        group::<ROWS, V>(starts, base, &mut weights, &mut next, count)
                    };
                    for row in 0..ROWS {
                        acc[at + row] = part[row];
                    }
                }
            };
        }
        group!(0);
        group!(1);
        group!(2);
        group!(3);
        // SAFETY: the caller vouches for the channels that are left; multipliers are filled up to a multiple of four.
        unsafe { finish(acc, multipliers, rule, place, left.min(CHANNELS), count) };
        if left <= CHANNELS {
            return;
        }
        left -= CHANNELS;
        place.start = place.start.wrapping_add(CHANNELS);
        (bias, multipliers) = (bias.wrapping_add(CHANNELS), multipliers.wrapping_add(CHANNELS));
    }
}

/// The sums of a group's units, from where they start.
///
/// # Safety
/// As [`Tile::run`]; `count` units are left.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn group<const ROWS: usize, const V: usize>(
    starts: [int32x4_t; ROWS],
    base: *const i8,
    weights: &mut *const i8,
    offsets: &mut *const u32,
    count: usize,
) -> [[int32x4_t; V]; ROWS] {
    // Of every four pixels two vectors with two sums for each pixel.
    let mut acc = starts.map(|start| [[start; 2]; V]);
    for _ in 0..count {
        // SAFETY: every unit has two offsets and `8 * ROWS` weights, and at each offset lie `V` vectors.
        unsafe {
            let from = [offsets.read(), offsets.add(1).read()].map(|offset| base.add(offset as usize));
            *offsets = offsets.add(2);
            let x: [[int8x16_t; V]; 2] = from.map(|from| core::array::from_fn(|v| vld1q_s8(from.add(16 * v))));
            match ROWS {
                4 => {
                    let (a, b) = (vld4q_dup_s32(weights.cast()), vld4q_dup_s32(weights.add(16).cast()));
                    row(&mut acc[0], &x, a.0, b.0);
                    row(&mut acc[1 % ROWS], &x, a.1, b.1);
                    row(&mut acc[2 % ROWS], &x, a.2, b.2);
                    row(&mut acc[3 % ROWS], &x, a.3, b.3);
                }
                2 => {
                    let w = vld4q_dup_s32(weights.cast());
                    row(&mut acc[0], &x, w.0, w.2);
                    row(&mut acc[1 % ROWS], &x, w.1, w.3);
                }
                _ => {
                    let w = vld2q_dup_s32(weights.cast());
                    row(&mut acc[0], &x, w.0, w.1);
                }
            }
            *weights = weights.add(8 * ROWS);
        }
    }
    acc.map(|acc| acc.map(|[low, high]| add_pairs(low, high)))
}

/// Adds the products of a row of two blocks, whose weights are repeated. No weight is -128: two products fit 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn row<const V: usize>(acc: &mut [[int32x4_t; 2]; V], x: &[[int8x16_t; V]; 2], a: int32x4_t, b: int32x4_t) {
    for v in 0..V {
        let [low, high] = &mut acc[v];
        // The compiler would multiply for all rows before it adds, with more products than there are registers.
        // SAFETY: registers are all it touches.
        unsafe {
            asm!(
                "smull {p:v}.8h, {x:v}.8b, {a:v}.8b",
                "smull2 {q:v}.8h, {x:v}.16b, {a:v}.16b",
                "smlal {p:v}.8h, {y:v}.8b, {b:v}.8b",
                "smlal2 {q:v}.8h, {y:v}.16b, {b:v}.16b",
                "sadalp {low:v}.4s, {p:v}.8h",
                "sadalp {high:v}.4s, {q:v}.8h",
                x = in(vreg) x[0][v], y = in(vreg) x[1][v], a = in(vreg) a, b = in(vreg) b,
                low = inout(vreg) *low, high = inout(vreg) *high, p = out(vreg) _, q = out(vreg) _,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    }
}
