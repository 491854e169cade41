//! Block weights with dot products: each takes one quad of four pixels and one row of a block.

use super::{CHANNELS, Stream, Tile, finish::finish};
use crate::{
    neon::{Rule, sdot::dot_lane},
    simd::Place,
};
use core::arch::aarch64::{
    int8x16_t, int32x4_t, vcombine_s8, vdupq_laneq_s32, vdupq_n_s32, vld1_s8, vld1q_s8, vld1q_s32,
};

/// Chosen where the CPU has dot products.
pub(super) struct Dot;

impl Tile for Dot {
    const MOST: usize = 4;

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
#[target_feature(enable = "neon,dotprod")]
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
    loop {
        // SAFETY: biases are filled up to a multiple of four.
        let four = unsafe { vld1q_s32(bias) };
        let mut acc = [
            [vdupq_laneq_s32::<0>(four); V],
            [vdupq_laneq_s32::<1>(four); V],
            [vdupq_laneq_s32::<2>(four); V],
            [vdupq_laneq_s32::<3>(four); V],
        ];
        macro_rules! group {
            ($first:literal) => {
                if $first < CHANNELS / ROWS {
                    let at: usize = $first * ROWS;
                    let mut part = [[vdupq_n_s32(0); V]; ROWS];
                    for row in 0..ROWS {
                        part[row] = acc[at + row];
                    }
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
                    unsafe { group::<ROWS, V>(&mut part, base, &mut weights, &mut next, count) };
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

/// Adds the products of a group's units.
///
/// # Safety
/// As [`Tile::run`]; `count` units are left.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn group<const ROWS: usize, const V: usize>(
    acc: &mut [[int32x4_t; V]; ROWS],
    base: *const i8,
    weights: &mut *const i8,
    offsets: &mut *const u32,
    count: usize,
) {
    for _ in 0..count {
        // SAFETY: every unit has two offsets and `8 * ROWS` weights, and at each offset lie `V` vectors.
        let (x, w) = unsafe {
            let from = [offsets.read(), offsets.add(1).read()].map(|offset| base.add(offset as usize));
            *offsets = offsets.add(2);
            let x: [[int8x16_t; V]; 2] = from.map(|from| core::array::from_fn(|v| vld1q_s8(from.add(16 * v))));
            let w = match ROWS {
                4 => [vld1q_s8(*weights), vld1q_s8(weights.add(16))],
                2 => [vld1q_s8(*weights); 2],
                _ => {
                    let both = vld1_s8(*weights);
                    [vcombine_s8(both, both); 2]
                }
            };
            *weights = weights.add(8 * ROWS);
            (x, w)
        };
        if ROWS == 4 {
            for block in 0..2 {
                for v in 0..V {
                    acc[0][v] = dot_lane::<0>(acc[0][v], x[block][v], w[block]);
                }
                for v in 0..V {
                    acc[1 % ROWS][v] = dot_lane::<1>(acc[1 % ROWS][v], x[block][v], w[block]);
                }
                for v in 0..V {
                    acc[2 % ROWS][v] = dot_lane::<2>(acc[2 % ROWS][v], x[block][v], w[block]);
                }
                for v in 0..V {
                    acc[3 % ROWS][v] = dot_lane::<3>(acc[3 % ROWS][v], x[block][v], w[block]);
                }
            }
        } else if ROWS == 2 {
            for v in 0..V {
                acc[0][v] = dot_lane::<0>(acc[0][v], x[0][v], w[0]);
                acc[1 % ROWS][v] = dot_lane::<1>(acc[1 % ROWS][v], x[0][v], w[0]);
            }
            for v in 0..V {
                acc[0][v] = dot_lane::<2>(acc[0][v], x[1][v], w[0]);
                acc[1 % ROWS][v] = dot_lane::<3>(acc[1 % ROWS][v], x[1][v], w[0]);
            }
        } else {
            for v in 0..V {
                acc[0][v] = dot_lane::<0>(acc[0][v], x[0][v], w[0]);
            }
            for v in 0..V {
                acc[0][v] = dot_lane::<1>(acc[0][v], x[1][v], w[0]);
            }
        }
    }
}
