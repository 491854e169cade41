//! Convolution with dot products: every accumulator is four output channels of one pixel.

use super::{Rule, conv2d::starts, load::load, outputs};
use crate::simd::{Panels, Pixels, Place, STEP, Scalars, Tile};
use core::{
    arch::aarch64::{int8x16_t, int32x4_t, int32x4x4_t, vdupq_n_s8, vld1q_s8, vld1q_s32, vst1q_s8, vst4q_s32},
    arch::asm,
};

/// The tile: eight pixels and eight channels.
pub(super) struct Dot;

const CHANNELS: usize = 8;

/// Adds to each of the four sums of `acc` the products of four weights with the four elements at a lane of `x`. The
/// intrinsic is not stable yet.
macro_rules! dot {
    ($acc:expr, $w:expr, $x:expr, $lane:literal) => {
        // SAFETY: the function around it is only called on CPUs with dot products. Registers are all it touches.
        unsafe {
            asm!(
                concat!("sdot {acc:v}.4s, {w:v}.16b, {x:v}.4b[", $lane, "]"),
                acc = inout(vreg) $acc, w = in(vreg) $w, x = in(vreg) $x,
                options(pure, nomem, nostack, preserves_flags)
            )
        }
    };
}

impl Tile for Dot {
    const CHANNELS: usize = CHANNELS;
    const PAIRS: bool = false;
    const PIXELS: usize = 8;

    /// Four elements of four channels after each other are what one dot product takes.
    #[inline]
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8) {
        // SAFETY: the caller vouches for `STEP` bytes of each filter and `CHANNELS * STEP` bytes behind `to`.
        unsafe {
            for four in 0..CHANNELS / 4 {
                let row = |channel: usize| vld1q_s32(filters.add((four * 4 + channel) * pitch).cast());
                vst4q_s32(to.add(four * 4 * STEP).cast(), int32x4x4_t(row(0), row(1), row(2), row(3)));
            }
        }
    }

    #[inline]
    unsafe fn run(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place) {
        let whole = count / Self::PIXELS;
        // SAFETY: the caller vouches for `count` pixels.
        unsafe {
            tiles::<8>(whole, pixels, panels, scalars, place);
            let (mut pixels, mut place) = (pixels.skip(whole * Self::PIXELS), place.skip(whole * Self::PIXELS));
            if count & 4 != 0 {
                tiles::<4>(1, pixels, panels, scalars, place);
                (pixels, place) = (pixels.skip(4), place.skip(4));
            }
            if count & 2 != 0 {
                tiles::<2>(1, pixels, panels, scalars, place);
                (pixels, place) = (pixels.skip(2), place.skip(2));
            }
            if count & 1 != 0 {
                tiles::<1>(1, pixels, panels, scalars, place);
            }
        }
    }
}

/// # Safety
/// As [`Tile::run`] with `count` times `P` pixels.
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn tiles<const P: usize>(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place) {
    let rule = Rule::new(scalars);
    for tile in 0..count {
        // SAFETY: the caller vouches for `P` pixels for each tile.
        unsafe { one::<P>(pixels.skip(tile * P), panels, &rule, place.skip(tile * P)) };
    }
}

/// # Safety
/// As [`Tile::run`] with `P` pixels.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn one<const P: usize>(pixels: Pixels, panels: &Panels, rule: &Rule, mut place: Place) {
    let mut panel = panels.start;
    let mut left = panels.channels;
    while left > 0 {
        // SAFETY: a panel starts with `CHANNELS` biases, in 32 bytes, and as many multipliers.
        let (bias, mut weights) = unsafe { (pair(panel), panel.add(64)) };
        let mut acc = [bias; P];
        let mut x = starts::<P>(pixels);
        for _ in 0..panels.steps / 2 {
            // SAFETY: the caller vouches for `steps * STEP` bytes of each pixel and filter.
            unsafe {
                step(&mut acc, x.each_mut().map(|x| load(x)), weights);
                step(&mut acc, x.each_mut().map(|x| load(x)), weights.add(CHANNELS * STEP));
                weights = weights.add(2 * CHANNELS * STEP);
            }
        }
        if panels.steps % 2 == 1 {
            // SAFETY: as above; this is the last step.
            unsafe { step(&mut acc, x.map(|x| vld1q_s8(x)), weights) };
        }
        // SAFETY: as above.
        let half = unsafe { pair(panel.add(32)) };
        let mut results = [vdupq_n_s8(0); 4];
        for (pair, result) in results.iter_mut().enumerate().take(P.div_ceil(2)) {
            let (first, second) = (2 * pair, (2 * pair + 1).min(P - 1));
            let all = [acc[first][0], acc[first][1], acc[second][0], acc[second][1]];
            *result = outputs(all, [half[0], half[1], half[0], half[1]], rule);
        }
        if left < CHANNELS {
            let mut bytes = [0; 4 * STEP];
            for (result, bytes) in results.into_iter().zip(bytes.as_chunks_mut::<STEP>().0) {
                // SAFETY: there is room for two pixels.
                unsafe { vst1q_s8(bytes.as_mut_ptr(), result) };
            }
            // SAFETY: the caller vouches for `left` more channels of each pixel.
            unsafe { place.store_some(&bytes[..P * CHANNELS], CHANNELS, left) };
            return;
        }
        let mut to = place.start;
        for (pair, result) in results.into_iter().enumerate().take(P.div_ceil(2)) {
            // SAFETY: the caller vouches for `left` more channels of each pixel.
            unsafe {
                asm!("st1 {{{0:v}.d}}[0], [{1}], {2}", in(vreg) result, inout(reg) to, in(reg) place.pitch,
                    options(nostack, preserves_flags));
                if 2 * pair + 1 < P {
                    asm!("st1 {{{0:v}.d}}[1], [{1}], {2}", in(vreg) result, inout(reg) to, in(reg) place.pitch,
                        options(nostack, preserves_flags));
                }
            }
        }
        left -= CHANNELS;
        place.start = place.start.wrapping_add(CHANNELS);
        panel = panel.wrapping_add(panels.pitch);
    }
}

/// # Safety
/// Eight numbers can be read.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn pair(start: *const i8) -> [int32x4_t; 2] {
    // SAFETY: the caller vouches for them.
    unsafe { [vld1q_s32(start.cast()), vld1q_s32(start.add(16).cast())] }
}

/// # Safety
/// [`STEP`] bytes of each of [`CHANNELS`] filters can be read.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn step<const P: usize>(acc: &mut [[int32x4_t; 2]; P], x: [int8x16_t; P], weights: *const i8) {
    for four in 0..2 {
        // SAFETY: the caller vouches for a step of each filter.
        let w = unsafe { [0, 1, 2, 3].map(|quad| vld1q_s8(weights.add((four * 4 + quad) * STEP))) };
        for (acc, x) in acc.iter_mut().zip(x) {
            dot!(acc[four], w[0], x, "0");
        }
        for (acc, x) in acc.iter_mut().zip(x) {
            dot!(acc[four], w[1], x, "1");
        }
        for (acc, x) in acc.iter_mut().zip(x) {
            dot!(acc[four], w[2], x, "2");
        }
        for (acc, x) in acc.iter_mut().zip(x) {
            dot!(acc[four], w[3], x, "3");
        }
    }
}
