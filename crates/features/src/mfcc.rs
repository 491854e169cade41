//! Mel-frequency cepstral coefficients.

use crate::{
    Quantiser, fft,
    logarithm::{LOG_BITS, log2},
    math::{TAU, cos, fixed, ln},
};

/// Samples of a second.
const RATE: f64 = 16_000.0;
/// Samples of a frame: 30 ms.
const FRAME: usize = 480;
/// Samples from one frame to the next: 20 ms.
const STEP: usize = 320;
/// Length of the transform.
const FFT: usize = 512;
/// Mel bands, evenly spaced between these frequencies.
const BANDS: usize = 40;
const LOWEST: f64 = 20.0;
const HIGHEST: f64 = 4_000.0;
/// Coefficients that are kept.
const COEFFICIENTS: usize = 10;

/// Fraction bits that samples get before the transform: the sum of a frame's windowed samples stays below 2^30.
const SAMPLE_BITS: u32 = 6;
/// Fraction bits of the window, of band weights and of cosines.
const TABLE_BITS: u32 = 15;

/// Periodic Hann window.
static WINDOW: [u16; FRAME] = {
    let mut table = [0; FRAME];
    let mut n = 0;
    while n < FRAME {
        table[n] = fixed(0.5 - 0.5 * cos(TAU * n as f64 / FRAME as f64), TABLE_BITS) as u16;
        n += 1;
    }
    table
};

/// The mel scale of the HTK toolkit.
const fn mel(hertz: f64) -> f64 {
    1127.0 * ln(1.0 + hertz / 700.0)
}

/// Where a bin of the transform falls: into band `band` with a weight, and into the one before with the rest.
#[derive(Clone, Copy)]
struct Share {
    band: u8,
    weight: u16,
}

/// Shares of the bins from [`FIRST_BIN`]; triangles are linear in mels, and neighbours overlap by half.
static SHARES: [Share; BINS] = {
    let mut table = [Share { band: 0, weight: 0 }; BINS];
    let mut n = 0;
    while n < BINS {
        let place = place(FIRST_BIN + n);
        let band = place as usize;
        table[n] = Share { band: band as u8, weight: fixed(place - band as f64, TABLE_BITS) as u16 };
        n += 1;
    }
    table
};

/// The first bin above [`LOWEST`], and how many there are below [`HIGHEST`].
const FIRST_BIN: usize = 1;
const BINS: usize = 127;

/// How many bands' distances a bin is above [`LOWEST`].
const fn place(bin: usize) -> f64 {
    let distance = (mel(HIGHEST) - mel(LOWEST)) / (BANDS + 1) as f64;
    (mel(bin as f64 * RATE / FFT as f64) - mel(LOWEST)) / distance
}

const _: () = assert!(place(FIRST_BIN) >= 0.0 && place(FIRST_BIN + BINS - 1) < (BANDS + 1) as f64);
const _: () = assert!(place(FIRST_BIN + BINS) >= (BANDS + 1) as f64);

/// What is added to a band before the logarithm, 1e-6 of full scale, in units of a weighted magnitude.
const FLOOR: u64 = fixed(1e-6 * 32_768.0, SAMPLE_BITS + TABLE_BITS) as u64;

/// Orthogonal-but-for-the-first discrete cosine transform (type II): `sqrt(2 / BANDS) * cos(pi k (n + 1/2) / BANDS)`.
static COSINES: [[i16; BANDS]; COEFFICIENTS] = {
    let mut table = [[0; BANDS]; COEFFICIENTS];
    let scale = crate::math::exp(0.5 * ln(2.0 / BANDS as f64));
    let mut k = 0;
    while k < COEFFICIENTS {
        let mut n = 0;
        while n < BANDS {
            let angle = TAU / 2.0 * k as f64 * (n as f64 + 0.5) / BANDS as f64;
            table[k][n] = fixed(scale * cos(angle), TABLE_BITS) as i16;
            n += 1;
        }
        k += 1;
    }
    table
};

/// Mel-frequency cepstral coefficients as MLPerf Tiny's keyword spotting takes them: 16 kHz, frames of 30 ms every
/// 20 ms, a periodic Hann window, magnitudes of a transform of 512, 40 bands of HTK's mel scale from 20 to 4,000 Hz,
/// `ln(x + 1e-6)` where full scale is 1, a discrete cosine transform, the first ten coefficients.
///
/// What is 90 dB below the loudest of its frame drowns in rounding. It holds 2 KiB, the buffer of the transform.
#[derive(Clone, Debug)]
pub struct Mfcc {
    buffer: [i32; FFT],
}

impl Default for Mfcc {
    fn default() -> Self {
        Self::new()
    }
}

impl Mfcc {
    /// Samples of a frame.
    pub const FRAME: usize = FRAME;
    /// Samples from the start of one frame to that of the next.
    pub const STEP: usize = STEP;
    /// Coefficients of a frame.
    pub const COEFFICIENTS: usize = COEFFICIENTS;

    /// An empty buffer.
    pub const fn new() -> Self {
        Self { buffer: [0; FFT] }
    }

    /// The coefficients of one frame, with 16 fraction bits.
    pub fn frame(&mut self, samples: &[i16; FRAME]) -> [i32; COEFFICIENTS] {
        self.buffer = [0; FFT];
        for ((target, sample), window) in self.buffer.iter_mut().zip(samples).zip(&WINDOW) {
            *target = (i32::from(*sample) * i32::from(*window)) >> (TABLE_BITS - SAMPLE_BITS);
        }
        fft::real(&mut self.buffer);
        let bands = bands(&self.buffer).map(logarithm);
        let dot = |cosines: &[i16; BANDS]| -> i64 {
            cosines.iter().zip(bands).map(|(cosine, band)| i64::from(*cosine) * i64::from(band)).sum()
        };
        let mut coefficients = [0; COEFFICIENTS];
        for (coefficient, cosines) in coefficients.iter_mut().zip(&COSINES) {
            *coefficient = ((dot(cosines) + (1 << (TABLE_BITS - 1))) >> TABLE_BITS) as i32;
        }
        coefficients
    }

    /// The network's input: every whole frame of a clip, one after the other. Returns how many frames were written.
    pub fn clip(&mut self, samples: &[i16], quantiser: Quantiser, input: &mut [i8]) -> usize {
        let frames = samples.windows(FRAME).step_by(STEP).filter_map(|frame| frame.first_chunk::<FRAME>());
        let mut count = 0;
        for (frame, target) in frames.zip(input.as_chunks_mut::<COEFFICIENTS>().0) {
            *target = self.frame(frame).map(|x| quantiser.quantise(x));
            count += 1;
        }
        count
    }
}

/// Weighted magnitudes, with [`SAMPLE_BITS`] + [`TABLE_BITS`] fraction bits.
fn bands(spectrum: &[i32; FFT]) -> [u64; BANDS] {
    // One band more on either side, for the halves of triangles that are outside.
    let mut bands = [0u64; BANDS + 2];
    let bins = spectrum.as_chunks::<2>().0.iter().skip(FIRST_BIN);
    for ([re, im], share) in bins.zip(&SHARES) {
        let square = |x: &i32| u64::from(x.unsigned_abs()).pow(2);
        let magnitude = (square(re) + square(im)).isqrt();
        if let Some([below, above]) = bands.get_mut(usize::from(share.band)..).and_then(<[_]>::first_chunk_mut) {
            *below += magnitude * ((1 << TABLE_BITS) - u64::from(share.weight));
            *above += magnitude * u64::from(share.weight);
        }
    }
    let mut inner = [0; BANDS];
    for (inner, band) in inner.iter_mut().zip(bands.iter().skip(1)) {
        *inner = *band;
    }
    inner
}

/// `ln(magnitude + 1e-6)` with 16 fraction bits, where full scale is 1.
fn logarithm(band: u64) -> i32 {
    const LN_2: i64 = fixed(core::f64::consts::LN_2, 30) as i64;
    const FULL_SCALE: i32 = ((15 + SAMPLE_BITS + TABLE_BITS) as i32) << LOG_BITS;
    ((i64::from(log2(band + FLOOR) - FULL_SCALE) * LN_2) >> 30) as i32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// The definition, in floating point.
    fn reference(samples: &[i16; FRAME]) -> [f64; COEFFICIENTS] {
        let tau = TAU;
        let windowed: Vec<f64> = samples
            .iter()
            .enumerate()
            .map(|(n, x)| f64::from(*x) / 32_768.0 * (0.5 - 0.5 * (tau * n as f64 / FRAME as f64).cos()))
            .collect();
        let mut bands = [0.0; BANDS];
        let hertz_to_mel = |hertz: f64| 1127.0 * (1.0 + hertz / 700.0).ln();
        let edge = |n: usize| {
            let (low, high) = (hertz_to_mel(LOWEST), hertz_to_mel(HIGHEST));
            low + (high - low) * n as f64 / (BANDS + 1) as f64
        };
        for bin in 1..=FFT / 2 {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, x) in windowed.iter().enumerate() {
                let angle = tau * (n * bin % FFT) as f64 / FFT as f64;
                re += x * angle.cos();
                im += x * angle.sin();
            }
            let at = hertz_to_mel(bin as f64 * RATE / FFT as f64);
            for (band, sum) in bands.iter_mut().enumerate() {
                let (low, centre, high) = (edge(band), edge(band + 1), edge(band + 2));
                let weight = ((at - low) / (centre - low)).min((high - at) / (high - centre)).max(0.0);
                *sum += weight * f64::hypot(re, im);
            }
        }
        core::array::from_fn(|k| {
            let cosine = |n: usize| (tau / 2.0 * k as f64 * (n as f64 + 0.5) / BANDS as f64).cos();
            let sum: f64 = bands.iter().enumerate().map(|(n, band)| (band + 1e-6).ln() * cosine(n)).sum();
            sum * (2.0 / BANDS as f64).sqrt()
        })
    }

    fn check(samples: [i16; FRAME], bound: f64) {
        let found = Mfcc::new().frame(&samples);
        for (k, (found, exact)) in found.iter().zip(reference(&samples)).enumerate() {
            let found = f64::from(*found) / 65536.0;
            assert!((found - exact).abs() < bound, "coefficient {k}: {found}, not {exact}");
        }
    }

    #[test]
    fn loud_noise_and_tones_are_within_a_hundredth() {
        let noise = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 16) as u16 as i16;
        check(core::array::from_fn(noise), 0.01);
        check(core::array::from_fn(|n| noise(n) / 64), 0.02);
        check(core::array::from_fn(|n| (12_000.0 * (n as f64 * 0.3).sin()) as i16 + noise(n) / 1024), 0.02);
    }

    #[test]
    fn a_whisper_is_within_half_a_step_of_int8() {
        let noise = |n: usize| (((n as u32).wrapping_mul(2_654_435_761) >> 30) as i16) - 2;
        check(core::array::from_fn(noise), 0.3);
    }

    #[test]
    fn full_scale_does_not_overflow() {
        // With overflow checks, as tests are built, that would panic. All energy is outside of the bands.
        let found = Mfcc::new().frame(&core::array::from_fn(|n| if n % 2 == 0 { i16::MAX } else { i16::MIN }));
        assert!(found[0] < 0);
        check(core::array::from_fn(|n| if n / 6 % 2 == 0 { i16::MAX } else { i16::MIN }), 0.5);
    }

    #[test]
    fn silence_is_the_floor() {
        let found = Mfcc::new().frame(&[0; FRAME]);
        // 40 ln(1e-6) sqrt(2 / 40); quantised as the published test inputs are, their lowest value.
        assert!((f64::from(found[0]) / 65536.0 + 123.569).abs() < 0.05, "{}", found[0]);
        assert!(found[1..].iter().all(|x| x.abs() < 1 << 10), "{found:?}");
        assert_eq!(Quantiser::new(0.584_702_9, 83).quantise(found[0]), -128);
    }

    #[test]
    fn a_second_has_49_frames() {
        let mut input = [0i8; 49 * COEFFICIENTS];
        let count = Mfcc::new().clip(&[0; 16_000], Quantiser::new(0.584_702_9, 83), &mut input);
        assert_eq!(count, 49);
        assert_eq!(input.as_chunks::<COEFFICIENTS>().0[48][0], -128);
    }
}
