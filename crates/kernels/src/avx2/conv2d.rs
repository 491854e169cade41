//! Convolution: every accumulator is eight partial sums of one pixel and one output channel.

use super::requantise::{Rule, bytes};
use crate::simd::{Panels, Pixels, Place, STEP, Scalars, Tile};
use core::arch::x86_64::{
    __m256i, _mm_cvtsi128_si64, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_hadd_epi32,
    _mm256_loadu_si256, _mm256_loadu2_m128i, _mm256_madd_epi16, _mm256_permute2x128_si256, _mm256_setzero_si256,
};

/// The tile: two pixels and four channels.
pub(super) struct Avx2;

const CHANNELS: usize = 4;

impl Tile for Avx2 {
    const CHANNELS: usize = CHANNELS;
    const PAIRS: bool = false;
    const PIXELS: usize = 2;

    #[inline]
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8) {
        for channel in 0..CHANNELS {
            // SAFETY: the caller vouches for `STEP` bytes of each filter and `CHANNELS * STEP` bytes behind `to`.
            unsafe { filters.add(channel * pitch).copy_to_nonoverlapping(to.add(channel * STEP), STEP) };
        }
    }

    #[inline]
    unsafe fn run(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place) {
        // SAFETY: the caller vouches for what `tile` asks for.
        unsafe {
            for pair in 0..count / 2 {
                tile::<2>(pixels.skip(pair * 2), panels, scalars, place.skip(pair * 2));
            }
            if count % 2 == 1 {
                tile::<1>(pixels.skip(count - 1), panels, scalars, place.skip(count - 1));
            }
        }
    }
}

/// # Safety
/// As [`Tile::run`] with `P` pixels, one or two.
#[target_feature(enable = "avx2")]
unsafe fn tile<const P: usize>(pixels: Pixels, panels: &Panels, scalars: &Scalars, mut place: Place) {
    let rule = Rule::new(scalars);
    let mut panel = panels.start;
    let mut left = panels.channels;
    while left > 0 {
        let mut acc = [[_mm256_setzero_si256(); CHANNELS]; P];
        for step in 0..panels.steps {
            let mut x = [_mm256_setzero_si256(); P];
            for (pixel, x) in x.iter_mut().enumerate() {
                // SAFETY: the caller vouches for `steps * STEP` bytes of each pixel.
                *x = unsafe { widened(pixels.start.add(pixel * pixels.pitch + step * STEP)) };
            }
            for channel in 0..CHANNELS {
                // SAFETY: a panel starts with `CHANNELS` biases and as many multipliers, in 32 bytes; then the caller
                // vouches for `steps * STEP` bytes of each filter.
                let w = unsafe { widened(panel.add(32 + (step * CHANNELS + channel) * STEP)) };
                for (acc, x) in acc.iter_mut().zip(x) {
                    acc[channel] = _mm256_add_epi32(acc[channel], _mm256_madd_epi16(x, w));
                }
            }
        }
        // SAFETY: as above. Both pixels have the same biases and multipliers.
        let (bias, half) = unsafe { (twice(panel), twice(panel.add(16))) };
        let sums = acc.map(|acc| {
            let [a, b, c, d] = acc;
            _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d))
        });
        // Each sum is in two parts, one in each half: of the first pixel, and of the last.
        let (first, last) = (sums[0], sums[P - 1]);
        let sums = _mm256_add_epi32(
            _mm256_permute2x128_si256::<0x20>(first, last),
            _mm256_permute2x128_si256::<0x31>(first, last),
        );
        let results = _mm_cvtsi128_si64(bytes(rule.apply(_mm256_add_epi32(sums, bias), half))).to_le_bytes();
        let results = results.map(|byte| byte as i8);
        if left < CHANNELS {
            // SAFETY: the caller vouches for `left` more channels of each pixel.
            unsafe { place.store_some(&results[..P * CHANNELS], CHANNELS, left) };
            return;
        }
        for (pixel, result) in results.chunks_exact(CHANNELS).enumerate().take(P) {
            // SAFETY: the caller vouches for `left` more channels of each pixel.
            unsafe { result.as_ptr().copy_to_nonoverlapping(place.start.add(pixel * place.pitch), CHANNELS) };
        }
        left -= CHANNELS;
        place.start = place.start.wrapping_add(CHANNELS);
        panel = panel.wrapping_add(panels.pitch);
    }
}

/// A step, 16 bits to an element.
///
/// # Safety
/// [`STEP`] bytes can be read.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn widened(start: *const i8) -> __m256i {
    // SAFETY: the caller vouches for them.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(start.cast()) })
}

/// Four numbers, twice.
///
/// # Safety
/// They can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn twice(start: *const i8) -> __m256i {
    // SAFETY: the caller vouches for them.
    unsafe { _mm256_loadu2_m128i(start.cast(), start.cast()) }
}

/// Eight numbers.
///
/// # Safety
/// They can be read.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn eight(start: *const i32) -> __m256i {
    // SAFETY: the caller vouches for them.
    unsafe { _mm256_loadu_si256(start.cast()) }
}
