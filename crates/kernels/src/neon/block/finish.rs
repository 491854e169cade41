//! Sums of four channels of some pixels to bytes in the output.

use super::CHANNELS;
use crate::{
    neon::{Rule, narrow, narrow_quick},
    simd::Place,
};
use core::arch::{
    aarch64::{
        int8x16_t, int32x4_t, uint8x16_t, vld1q_s32, vld1q_u8, vqrdmulhq_laneq_s32, vqrdmulhq_s32, vqtbl1q_s8,
        vshrq_n_s32, vst1q_s8, vzip1q_s8, vzip2q_s8,
    },
    asm,
};

/// Requantises and stores: `acc[v]` are four pixels, each of which is a vector of channels.
///
/// # Safety
/// As [`finish`].
#[inline(always)]
pub(super) unsafe fn finish_pixels<const V: usize>(
    acc: [[int32x4_t; 4]; V],
    multipliers: *const i32,
    rule: &Rule,
    place: Place,
    channels: usize,
    count: usize,
) {
    // SAFETY: the caller vouches for everything. Halves are exact: multipliers are even.
    unsafe {
        let half = [vshrq_n_s32::<1>(vld1q_s32(multipliers)); 4];
        let pixels = match rule.quick {
            true => acc.map(|acc| narrow_quick(scaled(acc, half), rule)),
            false => acc.map(|acc| narrow(scaled(acc, half), rule)),
        };
        store(pixels, place, channels, count);
    }
}

/// Block weights have no shift.
#[inline]
#[target_feature(enable = "neon")]
fn scaled(acc: [int32x4_t; 4], half: [int32x4_t; 4]) -> [int32x4_t; 4] {
    [0, 1, 2, 3].map(|at| vqrdmulhq_s32(acc[at], half[at]))
}

/// Requantises and stores: `acc[row][v]` is a channel of four pixels.
///
/// # Safety
/// Four multipliers can be read; `channels` (at most four) of each of `count` pixels (at most `4 * V`) can be written.
// Always inlined, which functions with target features cannot be: sums stay in registers.
#[inline(always)]
pub(super) unsafe fn finish<const V: usize>(
    acc: [[int32x4_t; V]; CHANNELS],
    multipliers: *const i32,
    rule: &Rule,
    place: Place,
    channels: usize,
    count: usize,
) {
    // SAFETY: the caller vouches for four multipliers. Halves are exact: multipliers are even.
    let half = unsafe { vshrq_n_s32::<1>(vld1q_s32(multipliers)) };
    // SAFETY: every 64-bit Arm target has NEON.
    let pixels = unsafe {
        match rule.quick {
            true => pixels::<V, true>(acc, half, rule),
            false => pixels::<V, false>(acc, half, rule),
        }
    };
    // SAFETY: the caller vouches for the place.
    unsafe { store(pixels, place, channels, count) };
}

/// # Safety
/// `channels` (at most four) of each of `count` pixels (at most `4 * V`) can be written.
#[inline(always)]
unsafe fn store<const V: usize>(pixels: [int8x16_t; V], place: Place, channels: usize, count: usize) {
    if channels < CHANNELS {
        // SAFETY: the caller vouches for the place.
        return unsafe { store_some(pixels, place, channels, count) };
    }
    if count < 4 * V {
        let mut bytes = [[0i8; 16]; V];
        for (bytes, pixels) in bytes.iter_mut().zip(pixels) {
            // SAFETY: there is room for sixteen.
            unsafe { vst1q_s8(bytes.as_mut_ptr(), pixels) };
        }
        let mut to = place.start;
        for pixel in bytes.as_flattened().as_chunks::<CHANNELS>().0.iter().take(count) {
            // SAFETY: all channels of `count` pixels can be written.
            unsafe { to.cast::<[i8; CHANNELS]>().write(*pixel) };
            to = to.wrapping_add(place.pitch);
        }
        return;
    }
    let mut to = place.start;
    for four in pixels {
        // The compiler would take two instructions for each pixel.
        // SAFETY: all channels of all pixels can be written; addresses of vector instructions need no alignment.
        unsafe {
            asm!(
                "st1 {{{four:v}.s}}[0], [{to}], {pitch}",
                "st1 {{{four:v}.s}}[1], [{to}], {pitch}",
                "st1 {{{four:v}.s}}[2], [{to}], {pitch}",
                "st1 {{{four:v}.s}}[3], [{to}], {pitch}",
                four = in(vreg) four, to = inout(reg) to, pitch = in(reg) place.pitch,
                options(nostack, preserves_flags)
            );
        }
    }
}

/// Four bytes for each pixel, four pixels to a vector.
///
/// # Safety
/// The CPU has NEON.
#[inline(always)]
unsafe fn pixels<const V: usize, const QUICK: bool>(
    acc: [[int32x4_t; V]; CHANNELS],
    half: int32x4_t,
    rule: &Rule,
) -> [int8x16_t; V] {
    // SAFETY: the caller vouches for NEON.
    unsafe {
        // Block weights have no shift.
        let scaled = |v: usize| {
            [
                vqrdmulhq_laneq_s32::<0>(acc[0][v], half),
                vqrdmulhq_laneq_s32::<1>(acc[1][v], half),
                vqrdmulhq_laneq_s32::<2>(acc[2][v], half),
                vqrdmulhq_laneq_s32::<3>(acc[3][v], half),
            ]
        };
        let narrow = |scaled| if QUICK { narrow_quick(scaled, rule) } else { narrow(scaled, rule) };
        let mut pixels = [vqtbl1q_s8(narrow(scaled(0)), by_pixel()); V];
        for v in (0..V / 2 * 2).step_by(2) {
            let (a, b) = (scaled(v), scaled(v + 1));
            let (low, high) = (narrow([a[0], b[0], a[1], b[1]]), narrow([a[2], b[2], a[3], b[3]]));
            let (even, odd) = (vzip1q_s8(low, high), vzip2q_s8(low, high));
            (pixels[v], pixels[v + 1]) = (vzip1q_s8(even, odd), vzip2q_s8(even, odd));
        }
        pixels
    }
}

/// From channel by channel to pixel by pixel.
#[inline]
#[target_feature(enable = "neon")]
fn by_pixel() -> uint8x16_t {
    const ORDER: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
    // SAFETY: there are sixteen.
    unsafe { vld1q_u8(ORDER.as_ptr()) }
}

/// # Safety
/// `channels` of each of `count` pixels can be written.
#[cold]
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn store_some<const V: usize>(pixels: [int8x16_t; V], place: Place, channels: usize, count: usize) {
    let mut bytes = [[0i8; 16]; V];
    for (bytes, pixels) in bytes.iter_mut().zip(pixels) {
        // SAFETY: there is room for sixteen.
        unsafe { vst1q_s8(bytes.as_mut_ptr(), pixels) };
    }
    let bytes = bytes.as_flattened().get(..count * CHANNELS).unwrap_or_default();
    // SAFETY: the caller vouches for the place.
    unsafe { place.store_some(bytes, CHANNELS, channels) };
}
