//! Logarithmic mel spectra.

use crate::{
    Quantiser, fft,
    logarithm::{LOG_BITS, log2},
    math::{TAU, cos, exp, fixed, ln},
};

/// Samples of a second.
const RATE: f64 = 16_000.0;
/// Samples of a frame, and length of the transform: 64 ms.
const FRAME: usize = 1024;
/// Samples from one frame to the next: 32 ms.
const STEP: usize = 512;
/// Mel bands, evenly spaced from 0 Hz to half the rate.
const BANDS: usize = 128;
/// Bins from 0 Hz to half the rate.
const BINS: usize = FRAME / 2 + 1;

/// Fraction bits that samples get before the transform.
const SAMPLE_BITS: u32 = 5;
/// Fraction bits of the window and of band weights.
const TABLE_BITS: u32 = 15;

/// The mel scale of Slaney's Auditory Toolbox: linear to 1,000 Hz, logarithmic above.
const fn mel_to_hertz(mel: f64) -> f64 {
    const STEP: f64 = 200.0 / 3.0;
    if mel < 15.0 { mel * STEP } else { 1_000.0 * exp((mel - 15.0) * LOG_STEP) }
}

/// One mel above 1,000 Hz, as a logarithm of frequencies.
const LOG_STEP: f64 = ln(6.4) / 27.0;

/// Frequency of a triangle's foot or tip: triangle `n` rises from edge `n` to `n + 1` and falls to `n + 2`.
const fn edge(n: usize) -> f64 {
    let highest = 15.0 + ln(RATE / 2.0 / 1_000.0) / LOG_STEP;
    mel_to_hertz(highest * n as f64 / (BANDS + 1) as f64)
}

/// Periodic Hann window, of the first half; the second mirrors it.
static WINDOW: [u16; FRAME / 2 + 1] = {
    let mut table = [0; FRAME / 2 + 1];
    let mut n = 0;
    while n <= FRAME / 2 {
        table[n] = fixed(0.5 - 0.5 * cos(TAU * n as f64 / FRAME as f64), TABLE_BITS) as u16;
        n += 1;
    }
    table
};

/// Where a bin falls: into triangle `band` with a weight, into the one before with the rest.
#[derive(Clone, Copy)]
struct Share {
    band: u8,
    weight: u16,
}

static SHARES: [Share; BINS] = {
    let mut table = [Share { band: 0, weight: 0 }; BINS];
    let (mut bin, mut band) = (0, 0);
    while bin < BINS {
        let hertz = bin as f64 * RATE / FRAME as f64;
        while band < BANDS && hertz >= edge(band + 1) {
            band += 1;
        }
        let part = (hertz - edge(band)) / (edge(band + 1) - edge(band));
        table[bin] = Share { band: band as u8, weight: fixed(if part > 1.0 { 1.0 } else { part }, TABLE_BITS) as u16 };
        bin += 1;
    }
    table
};

/// What a band's logarithm to base 2 gets for its width, `log2(2 / (edge(n + 2) - edge(n)))`, less that of full scale.
static OFFSETS: [i32; BANDS] = {
    let mut table = [0; BANDS];
    let mut n = 0;
    while n < BANDS {
        let area = ln(2.0 / (edge(n + 2) - edge(n))) / core::f64::consts::LN_2;
        table[n] = fixed(area - (30 + TABLE_BITS) as f64, LOG_BITS);
        n += 1;
    }
    table
};

/// Decibels of a doubling: `10 log10(2)`.
const DECIBELS: i64 = fixed(10.0 * core::f64::consts::LOG10_2, 28) as i64;

/// The smallest result: of the smallest number that is added before the logarithm, 2^-52.
const FLOOR: i32 = fixed(-520.0 * core::f64::consts::LOG10_2, LOG_BITS);

/// Logarithmic mel spectra as MLPerf Tiny's anomaly detection takes them: 16 kHz, frames of 1,024 samples every 512, a
/// periodic Hann window, the power spectrum, 128 bands of Slaney's mel scale, each of unit area, `10 log10(x)`.
///
/// What is 90 dB below the loudest of its frame drowns in rounding. It holds 4 KiB, the buffer of the transform.
#[derive(Clone, Debug)]
pub struct LogMel {
    buffer: [i32; FRAME],
}

impl Default for LogMel {
    fn default() -> Self {
        Self::new()
    }
}

impl LogMel {
    /// Samples of a frame.
    pub const FRAME: usize = FRAME;
    /// Samples from the start of one frame to that of the next.
    pub const STEP: usize = STEP;
    /// Bands of a frame.
    pub const BANDS: usize = BANDS;

    /// An empty buffer.
    pub const fn new() -> Self {
        Self { buffer: [0; FRAME] }
    }

    /// Decibels of every band of one frame, with 16 fraction bits.
    pub fn frame(&mut self, samples: &[i16; FRAME]) -> [i32; BANDS] {
        let window = WINDOW.iter().chain(WINDOW.iter().rev().skip(1));
        for ((target, sample), window) in self.buffer.iter_mut().zip(samples).zip(window) {
            *target = (i32::from(*sample) * i32::from(*window)) >> (TABLE_BITS - SAMPLE_BITS);
        }
        fft::real(&mut self.buffer);
        let mut decibels = bands(&self.buffer).map(|band| (band, 0));
        for ((_, offset), table) in decibels.iter_mut().zip(&OFFSETS) {
            *offset = *table;
        }
        decibels.map(|(band, offset)| match band {
            0 => FLOOR,
            band => ((i64::from(log2(band) + offset) * DECIBELS) >> 28).max(i64::from(FLOOR)) as i32,
        })
    }

    /// A frame as a network takes it.
    pub fn quantised(&mut self, samples: &[i16; FRAME], quantiser: Quantiser) -> [i8; BANDS] {
        self.frame(samples).map(|x| quantiser.quantise(x))
    }
}

/// Weighted power, with [`TABLE_BITS`] fraction bits.
fn bands(spectrum: &[i32; FRAME]) -> [u64; BANDS] {
    // One band more on either side, for the halves of triangles that are outside.
    let mut bands = [0u64; BANDS + 2];
    let square = |x: i32| u64::from(x.unsigned_abs()).pow(2);
    let [direct, nyquist, ..] = *spectrum;
    let inner = spectrum.as_chunks::<2>().0.iter().skip(1).map(|[re, im]| square(*re) + square(*im));
    let powers = core::iter::once(square(direct)).chain(inner).chain(core::iter::once(square(nyquist)));
    for (power, share) in powers.zip(&SHARES) {
        let power = power >> (2 * SAMPLE_BITS);
        if let Some([below, above]) = bands.get_mut(usize::from(share.band)..).and_then(<[_]>::first_chunk_mut) {
            *below = below.saturating_add(power * ((1 << TABLE_BITS) - u64::from(share.weight)));
            *above = above.saturating_add(power * u64::from(share.weight));
        }
    }
    let mut inner = [0; BANDS];
    for (inner, band) in inner.iter_mut().zip(bands.iter().skip(1)) {
        *inner = *band;
    }
    inner
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// The definition, in floating point.
    fn reference(samples: &[i16; FRAME]) -> [f64; BANDS] {
        let log_step = 6.4f64.ln() / 27.0;
        let to_hertz = |mel: f64| if mel < 15.0 { mel * 200.0 / 3.0 } else { 1e3 * ((mel - 15.0) * log_step).exp() };
        let top = 15.0 + 8f64.ln() / log_step;
        let edges: Vec<f64> = (0..BANDS + 2).map(|n| to_hertz(top * n as f64 / (BANDS + 1) as f64)).collect();
        let mut bands = [0.0; BANDS];
        for bin in 0..BINS {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, x) in samples.iter().enumerate() {
                let window = 0.5 - 0.5 * (TAU * n as f64 / FRAME as f64).cos();
                let angle = TAU * (n * bin % FRAME) as f64 / FRAME as f64;
                re += f64::from(*x) / 32_768.0 * window * angle.cos();
                im += f64::from(*x) / 32_768.0 * window * angle.sin();
            }
            let hertz = bin as f64 * RATE / FRAME as f64;
            for (band, sum) in bands.iter_mut().enumerate() {
                let [low, centre, high] = [0, 1, 2].map(|n| edges[band + n]);
                let weight = ((hertz - low) / (centre - low)).min((high - hertz) / (high - centre)).max(0.0);
                *sum += weight * 2.0 / (high - low) * (re * re + im * im);
            }
        }
        bands.map(|band| 10.0 * (band + f64::EPSILON).log10())
    }

    fn check(samples: [i16; FRAME], bound: f64) {
        let found = LogMel::new().frame(&samples);
        for (band, (found, exact)) in found.iter().zip(reference(&samples)).enumerate() {
            let found = f64::from(*found) / 65536.0;
            assert!((found - exact).abs() < bound, "band {band}: {found}, not {exact}");
        }
    }

    #[test]
    fn noise_is_within_a_tenth_of_a_step_of_int8() {
        let noise = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 16) as u16 as i16;
        check(core::array::from_fn(noise), 0.04);
        check(core::array::from_fn(|n| noise(n) / 32), 0.04);
        check(core::array::from_fn(|n| (12_000.0 * (n as f64 * 0.3).sin()) as i16 + noise(n) / 64), 0.04);
    }

    #[test]
    fn silence_is_the_floor() {
        let exact = 10.0 * f64::EPSILON.log10();
        let found = LogMel::new().frame(&[0; FRAME]);
        assert!(found.iter().all(|x| (f64::from(*x) / 65536.0 - exact).abs() < 0.01), "{found:?}");
    }

    #[test]
    fn a_full_scale_square_wave_does_not_overflow() {
        // With overflow checks, as tests are built, that would panic.
        let found = LogMel::new().frame(&core::array::from_fn(|n| if n / 8 % 2 == 0 { i16::MAX } else { i16::MIN }));
        let loudest = found.iter().enumerate().max_by_key(|(_, x)| **x).map(|(band, _)| band);
        // 1,000 Hz, where the scale turns logarithmic.
        assert!(loudest.is_some_and(|band| edge(band) < 1_000.0 && 1_000.0 < edge(band + 2)), "{loudest:?}");
        let found = LogMel::new().frame(&[i16::MIN; FRAME]);
        assert!(found[0] > found[10], "the energy is at 0 Hz");
    }

    #[test]
    fn frames_are_quantised_as_a_network_takes_them() {
        let found = LogMel::new().quantised(&[0; FRAME], Quantiser::new(0.391_015, 89));
        assert_eq!(found, [-128; BANDS]);
    }
}
