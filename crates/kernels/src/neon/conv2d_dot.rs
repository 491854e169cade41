//! Convolution with dot products: every accumulator is four output channels of one pixel.

use super::{Rule, narrow, requantise};
use crate::simd::{Panel, Pixels, Place, STEP, Scalars, Tile};
use core::{
    arch::aarch64::{int32x4x4_t, vdupq_n_s8, vld1q_s8, vld1q_s32, vst1q_s8, vst4q_s32},
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
    const PIXELS: &[usize] = &[8, 4, 2, 1];

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
    unsafe fn run(count: usize, pixels: Pixels, panel: &Panel, scalars: &Scalars, place: Place) {
        // SAFETY: the caller vouches for what `tile` asks for.
        unsafe {
            match count {
                8 => tile::<8>(pixels, panel, scalars, place),
                4 => tile::<4>(pixels, panel, scalars, place),
                2 => tile::<2>(pixels, panel, scalars, place),
                _ => tile::<1>(pixels, panel, scalars, place),
            }
        }
    }
}

/// # Safety
/// As [`Tile::run`] with `P` pixels.
#[target_feature(enable = "neon,dotprod")]
unsafe fn tile<const P: usize>(pixels: Pixels, panel: &Panel, scalars: &Scalars, place: Place) {
    // SAFETY: a panel has `CHANNELS` biases and multipliers.
    let (bias, half) = unsafe {
        let pair = |start: *const i32| [vld1q_s32(start), vld1q_s32(start.add(4))];
        (pair(panel.bias), pair(panel.half_multipliers))
    };
    let mut acc = [bias; P];
    for step in 0..panel.steps {
        let mut x = [vdupq_n_s8(0); P];
        for (pixel, x) in x.iter_mut().enumerate() {
            // SAFETY: the caller vouches for `steps * STEP` bytes of each pixel.
            *x = unsafe { vld1q_s8(pixels.start.add(pixel * pixels.pitch + step * STEP)) };
        }
        for four in 0..CHANNELS / 4 {
            // SAFETY: the caller vouches for `steps * STEP` bytes of each of the panel's filters.
            let w = unsafe {
                let start = panel.weights.add((step * CHANNELS + four * 4) * STEP);
                [0, 1, 2, 3].map(|quad| vld1q_s8(start.add(quad * STEP)))
            };
            for pixel in 0..P {
                dot!(acc[pixel][four], w[0], x[pixel], "0");
            }
            for pixel in 0..P {
                dot!(acc[pixel][four], w[1], x[pixel], "1");
            }
            for pixel in 0..P {
                dot!(acc[pixel][four], w[2], x[pixel], "2");
            }
            for pixel in 0..P {
                dot!(acc[pixel][four], w[3], x[pixel], "3");
            }
        }
    }
    let rule = Rule::new(scalars);
    for first in (0..P).step_by(2) {
        let second = (first + 1).min(P - 1);
        let scaled = [(first, 0), (first, 1), (second, 0), (second, 1)]
            .map(|(pixel, four)| requantise(acc[pixel][four], half[four], &rule));
        let mut bytes = [0i8; STEP];
        // SAFETY: `bytes` is as long as what is stored.
        unsafe { vst1q_s8(bytes.as_mut_ptr(), narrow(scaled, &rule)) };
        for (pixel, bytes) in bytes.chunks_exact(CHANNELS).enumerate().take(P - first) {
            // SAFETY: the caller vouches for `place.channels` bytes of each pixel, and they are at most `CHANNELS`.
            unsafe {
                let to = place.start.add((first + pixel) * place.pitch);
                match place.channels {
                    CHANNELS => bytes.as_ptr().copy_to_nonoverlapping(to, CHANNELS),
                    channels => (0..channels).for_each(|channel| to.add(channel).write(bytes[channel])),
                }
            }
        }
    }
}
