//! Convolution without dot products: every accumulator is four partial sums of one pixel and one output channel.

use super::{Rule, narrow, requantise};
use crate::simd::{Panel, Pixels, Place, STEP, Scalars, Tile};
use core::arch::aarch64::{
    int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s32, vget_low_s8, vld1q_s8, vld1q_s32, vmlal_high_s8, vmull_high_s8,
    vmull_s8, vpadalq_s16, vpaddq_s32, vst1q_s8,
};

/// The tile: four pixels and four channels.
pub(super) struct Neon;

const CHANNELS: usize = 4;

impl Tile for Neon {
    const CHANNELS: usize = CHANNELS;
    const PIXELS: &[usize] = &[4, 2, 1];

    #[inline]
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8) {
        for channel in 0..CHANNELS {
            // SAFETY: the caller vouches for `STEP` bytes of each filter and `CHANNELS * STEP` bytes behind `to`.
            unsafe { filters.add(channel * pitch).copy_to_nonoverlapping(to.add(channel * STEP), STEP) };
        }
    }

    #[inline]
    unsafe fn run(count: usize, pixels: Pixels, panel: &Panel, scalars: &Scalars, place: Place) {
        // SAFETY: the caller vouches for what `tile` asks for.
        unsafe {
            match (count, panel.pairs_fit) {
                (4, true) => tile::<4, true>(pixels, panel, scalars, place),
                (4, false) => tile::<4, false>(pixels, panel, scalars, place),
                (2, true) => tile::<2, true>(pixels, panel, scalars, place),
                (2, false) => tile::<2, false>(pixels, panel, scalars, place),
                (_, true) => tile::<1, true>(pixels, panel, scalars, place),
                (_, false) => tile::<1, false>(pixels, panel, scalars, place),
            }
        }
    }
}

/// # Safety
/// As [`Tile::run`] with `P` pixels.
#[target_feature(enable = "neon")]
unsafe fn tile<const P: usize, const PAIRS: bool>(pixels: Pixels, panel: &Panel, scalars: &Scalars, place: Place) {
    let mut acc = [[vdupq_n_s32(0); CHANNELS]; P];
    for step in 0..panel.steps {
        let mut x = [vdupq_n_s8_zero(); P];
        for (pixel, x) in x.iter_mut().enumerate() {
            // SAFETY: the caller vouches for `steps * STEP` bytes of each pixel.
            *x = unsafe { vld1q_s8(pixels.start.add(pixel * pixels.pitch + step * STEP)) };
        }
        for channel in 0..CHANNELS {
            // SAFETY: the caller vouches for `steps * STEP` bytes of each of the panel's filters.
            let w = unsafe { vld1q_s8(panel.weights.add((step * CHANNELS + channel) * STEP)) };
            for pixel in 0..P {
                acc[pixel][channel] = multiply_add::<PAIRS>(acc[pixel][channel], x[pixel], w);
            }
        }
    }
    // SAFETY: a panel has `CHANNELS` biases and multipliers.
    let (bias, half) = unsafe { (vld1q_s32(panel.bias), vld1q_s32(panel.half_multipliers)) };
    let rule = Rule::new(scalars);
    let mut scaled = [bias; 4];
    for (acc, scaled) in acc.iter().zip(&mut scaled) {
        let sums = vpaddq_s32(vpaddq_s32(acc[0], acc[1]), vpaddq_s32(acc[2], acc[3]));
        *scaled = requantise(vaddq_s32(sums, bias), half, &rule);
    }
    let mut bytes = [0i8; STEP];
    // SAFETY: `bytes` is as long as what is stored.
    unsafe { vst1q_s8(bytes.as_mut_ptr(), narrow(scaled, &rule)) };
    for (pixel, bytes) in bytes.chunks_exact(CHANNELS).enumerate().take(P) {
        // SAFETY: the caller vouches for `place.channels` bytes of each pixel, and they are at most `CHANNELS`.
        unsafe {
            let to = place.start.add(pixel * place.pitch);
            match place.channels {
                CHANNELS => bytes.as_ptr().copy_to_nonoverlapping(to, CHANNELS),
                channels => (0..channels).for_each(|channel| to.add(channel).write(bytes[channel])),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn vdupq_n_s8_zero() -> int8x16_t {
    core::arch::aarch64::vdupq_n_s8(0)
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
