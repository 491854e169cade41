//! Convolution without dot products: every accumulator is four partial sums of one pixel and one output channel.

use super::{Rule, add_pairs, load::load_pair, outputs};
use crate::simd::{Panels, Pixels, Place, STEP, Scalars, Tile};
use core::arch::{
    aarch64::{
        int8x16_t, int32x4_t, vaddq_s32, vget_low_s8, vld1q_s8, vld1q_s32, vmlal_high_s8, vmull_high_s8, vmull_s8,
        vpadalq_s16, vpaddlq_s16, vst1q_s8,
    },
    asm,
};

/// The tile: four pixels and four channels.
pub(super) struct Neon;

const CHANNELS: usize = 4;

impl Tile for Neon {
    const CHANNELS: usize = CHANNELS;
    const PAIRS: bool = true;
    const PIXELS: usize = 4;

    #[inline]
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8) {
        for channel in 0..CHANNELS {
            // SAFETY: the caller vouches for `STEP` bytes of each filter and `CHANNELS * STEP` bytes behind `to`.
            unsafe { filters.add(channel * pitch).copy_to_nonoverlapping(to.add(channel * STEP), STEP) };
        }
    }

    #[inline]
    unsafe fn run(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place) {
        // SAFETY: the caller vouches for what `tiles` asks for.
        unsafe {
            match panels.pairs_fit {
                true => all::<true>(count, pixels, panels, scalars, place),
                false => all::<false>(count, pixels, panels, scalars, place),
            }
        }
    }
}

/// # Safety
/// As [`Tile::run`].
#[inline]
unsafe fn all<const PAIRS: bool>(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place) {
    let most = Neon::PIXELS;
    let whole = count / most;
    // SAFETY: the caller vouches for `count` pixels.
    unsafe {
        tiles::<4, PAIRS>(whole, pixels, panels, scalars, place);
        let (mut pixels, mut place) = (pixels.skip(whole * most), place.skip(whole * most));
        if count & 2 != 0 {
            tiles::<2, PAIRS>(1, pixels, panels, scalars, place);
            (pixels, place) = (pixels.skip(2), place.skip(2));
        }
        if count & 1 != 0 {
            tiles::<1, PAIRS>(1, pixels, panels, scalars, place);
        }
    }
}

/// # Safety
/// As [`Tile::run`] with `count` times `P` pixels.
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn tiles<const P: usize, const PAIRS: bool>(
    count: usize,
    pixels: Pixels,
    panels: &Panels,
    scalars: &Scalars,
    place: Place,
) {
    let rule = Rule::new(scalars);
    for tile in 0..count {
        // SAFETY: the caller vouches for `P` pixels for each tile.
        unsafe { one::<P, PAIRS>(pixels.skip(tile * P), panels, &rule, place.skip(tile * P)) };
    }
}

/// # Safety
/// As [`Tile::run`] with `P` pixels.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn one<const P: usize, const PAIRS: bool>(pixels: Pixels, panels: &Panels, rule: &Rule, mut place: Place) {
    let mut panel = panels.start;
    let mut left = panels.channels;
    while left > 0 {
        // SAFETY: a panel starts with `CHANNELS` biases and as many multipliers, in 32 bytes.
        let (bias, half, mut weights) =
            unsafe { (vld1q_s32(panel.cast()), vld1q_s32(panel.add(16).cast()), panel.add(32)) };
        let mut acc = [[bias; CHANNELS]; P];
        let mut x = starts(pixels);
        // SAFETY: the caller vouches for `steps * STEP` bytes of each pixel and filter, and there is at least one step.
        unsafe {
            if panels.steps == 1 {
                step::<P, PAIRS, true>(&mut acc, x.map(|x| vld1q_s8(x)), weights);
            } else {
                let pairs = x.each_mut().map(|x| load_pair(x));
                step::<P, PAIRS, true>(&mut acc, pairs.map(|pair| pair[0]), weights);
                step::<P, PAIRS, false>(&mut acc, pairs.map(|pair| pair[1]), weights.add(CHANNELS * STEP));
                for _ in 1..panels.steps / 2 {
                    weights = weights.add(2 * CHANNELS * STEP);
                    let pairs = x.each_mut().map(|x| load_pair(x));
                    step::<P, PAIRS, false>(&mut acc, pairs.map(|pair| pair[0]), weights);
                    step::<P, PAIRS, false>(&mut acc, pairs.map(|pair| pair[1]), weights.add(CHANNELS * STEP));
                }
                if panels.steps % 2 == 1 {
                    step::<P, PAIRS, false>(&mut acc, x.map(|x| vld1q_s8(x)), weights.add(2 * CHANNELS * STEP));
                }
            }
        }
        let mut all = [bias; 4];
        for (acc, sum) in acc.iter().zip(&mut all) {
            let sums = add_pairs(add_pairs(acc[0], acc[1]), add_pairs(acc[2], acc[3]));
            *sum = vaddq_s32(sums, bias);
        }
        let results = outputs(all, [half; 4], rule);
        if left < CHANNELS {
            let mut bytes = [0i8; STEP];
            // SAFETY: `bytes` is as long as what is stored. The caller vouches for `left` more channels of each pixel.
            unsafe {
                vst1q_s8(bytes.as_mut_ptr(), results);
                place.store_some(&bytes[..P * CHANNELS], CHANNELS, left);
            }
            return;
        }
        let mut to = place.start;
        macro_rules! store {
            ($pixel:literal) => {
                if $pixel < P {
                    // SAFETY: the caller vouches for `left` more channels of each pixel.
                    #[allow(unused_assignments, reason = "the last pixel has none after it")]
                    unsafe {
                        asm!(concat!("st1 {{{0:v}.s}}[", $pixel, "], [{1}], {2}"), in(vreg) results, inout(reg) to,
                            in(reg) place.pitch, options(nostack, preserves_flags));
                    }
                }
            };
        }
        store!(0);
        store!(1);
        store!(2);
        store!(3);
        left -= CHANNELS;
        place.start = place.start.wrapping_add(CHANNELS);
        panel = panel.wrapping_add(panels.pitch);
    }
}

/// Where each pixel starts.
#[inline(always)]
pub(super) fn starts<const P: usize>(pixels: Pixels) -> [*const i8; P] {
    core::array::from_fn(|pixel| pixels.start.wrapping_add(pixel * pixels.pitch))
}

/// Adds a step's products, or starts with them where it is the `FIRST`.
///
/// # Safety
/// [`STEP`] bytes of each of [`CHANNELS`] filters can be read.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn step<const P: usize, const PAIRS: bool, const FIRST: bool>(
    acc: &mut [[int32x4_t; CHANNELS]; P],
    x: [int8x16_t; P],
    weights: *const i8,
) {
    for channel in 0..CHANNELS {
        // SAFETY: the caller vouches for a step of each filter.
        let w = unsafe { vld1q_s8(weights.add(channel * STEP)) };
        for (acc, x) in acc.iter_mut().zip(x) {
            acc[channel] = match FIRST {
                true => multiply::<PAIRS>(x, w),
                false => multiply_add::<PAIRS>(acc[channel], x, w),
            };
        }
    }
}

/// Adds 16 products, where `PAIRS` says that two of them fit into 16 bits together.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn multiply_add<const PAIRS: bool>(acc: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
    let low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
    match PAIRS {
        true => vpadalq_s16(acc, vmlal_high_s8(low, x, w)),
        false => vpadalq_s16(vpadalq_s16(acc, low), vmull_high_s8(x, w)),
    }
}

/// Sums of 16 products.
#[inline]
#[target_feature(enable = "neon")]
fn multiply<const PAIRS: bool>(x: int8x16_t, w: int8x16_t) -> int32x4_t {
    let low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
    match PAIRS {
        true => vpaddlq_s16(vmlal_high_s8(low, x, w)),
        false => vpadalq_s16(vpaddlq_s16(low), vmull_high_s8(x, w)),
    }
}
