//! Block weights with dot products: each takes one quad of four pixels and one row of a block.

use super::{
    CHANNELS, Stream, Tile,
    finish::{finish, finish_pixels},
};
use crate::{
    neon::{Rule, load::load_pair, sdot::dot_lane},
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
        unsafe {
            match ROWS {
                4 => tile_of_four::<V>(base, stream, rule, place, count),
                _ => tile::<ROWS, V>(base, stream, rule, place, count),
            }
        }
    }
}

/// Blocks of four rows: an accumulator is the four channels of a pixel, which is how they are stored.
///
/// # Safety
/// As [`Tile::run`].
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn tile_of_four<const V: usize>(base: *const i8, stream: &Stream, rule: &Rule, mut place: Place, count: usize) {
    let Stream { mut weights, offsets, mut units, whole, mut bias, mut multipliers, channels } = *stream;
    let mut next = offsets;
    let mut left = channels;
    loop {
        // SAFETY: biases are filled up to a multiple of four.
        let mut acc = [[unsafe { vld1q_s32(bias) }; 4]; V];
        // SAFETY: the caller vouches for the stream.
        let count_of_units = unsafe { units_of_group(whole, offsets, &mut units, &mut next) };
        for _ in 0..count_of_units {
            // SAFETY: every unit has two offsets and 32 weights, and at each offset lie `V` vectors.
            unsafe {
                let from = [next.read(), next.add(1).read()].map(|offset| base.add(offset as usize));
                next = next.add(2);
                let w = load_pair(&mut weights);
                for (from, w) in from.into_iter().zip(w) {
                    let x: [int8x16_t; V] = core::array::from_fn(|v| vld1q_s8(from.add(16 * v)));
                    for v in 0..V {
                        acc[v][0] = dot_lane::<0>(acc[v][0], w, x[v]);
                        acc[v][1] = dot_lane::<1>(acc[v][1], w, x[v]);
                        acc[v][2] = dot_lane::<2>(acc[v][2], w, x[v]);
                        acc[v][3] = dot_lane::<3>(acc[v][3], w, x[v]);
                    }
                }
            }
        }
        // SAFETY: the caller vouches for the channels that are left; multipliers are filled up to a multiple of four.
        unsafe { finish_pixels(acc, multipliers, rule, place, left.min(CHANNELS), count) };
        if left <= CHANNELS {
            return;
        }
        left -= CHANNELS;
        place.start = place.start.wrapping_add(CHANNELS);
        (bias, multipliers) = (bias.wrapping_add(CHANNELS), multipliers.wrapping_add(CHANNELS));
    }
}

/// Units of the next group; those of a whole one start with the first offset again.
///
/// # Safety
/// There is such a group.
#[inline(always)]
unsafe fn units_of_group(
    whole: Option<usize>,
    offsets: *const u32,
    units: &mut *const u16,
    next: &mut *const u32,
) -> usize {
    if let Some(whole) = whole {
        *next = offsets;
        return whole;
    }
    // SAFETY: the caller vouches for it.
    unsafe {
        let count = units.read();
        *units = units.add(1);
        usize::from(count)
    }
}

/// Blocks of fewer rows: an accumulator is one channel of four pixels.

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
                    // SAFETY: the caller vouches for the stream.
                    unsafe {
                        let count = units_of_group(whole, offsets, &mut units, &mut next);
                        group::<ROWS, V>(&mut part, base, &mut weights, &mut next, count);
                    }
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
                2 => [vld1q_s8(*weights); 2],
                _ => {
                    let both = vld1_s8(*weights);
                    [vcombine_s8(both, both); 2]
                }
            };
            *weights = weights.add(8 * ROWS);
            (x, w)
        };
        if ROWS == 2 {
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
