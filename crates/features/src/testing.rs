//! Generated signals and images, and digests of what is made of them: a host and a core that print the same ones compute
//! the same.

use crate::{
    Fixed, LogMel, Mfcc, Quantiser,
    image::{self, Size},
    squared_error, top_k,
};

/// A generated sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Zeros.
    Silence,
    /// White, over all of int16.
    Noise,
    /// White, from -2 to 1.
    Whisper,
    /// A triangle wave that rises from 0 Hz to 8 kHz in a second, at a third of full scale, over a little noise.
    Chirp,
    /// A square wave of 1 kHz at full scale.
    Square,
    /// From one end of int16 to the other and back with every sample.
    Alternating,
    /// The lowest int16.
    Lowest,
    /// One sample of 32,767 in 300.
    Impulses,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Silence,
        Self::Noise,
        Self::Whisper,
        Self::Chirp,
        Self::Square,
        Self::Alternating,
        Self::Lowest,
        Self::Impulses,
    ];

    /// Sample `n`, at 16,000 in a second.
    pub fn sample(self, n: u32) -> i16 {
        let swing = |high: bool| if high { i16::MAX } else { i16::MIN };
        match self {
            Self::Silence => 0,
            Self::Noise => noise(n) as i16,
            Self::Whisper => (noise(n) >> 14) as i16 - 2,
            Self::Chirp => {
                // The phase in 2^-16 turns: half a turn a sample after a second.
                let phase = (u64::from(n) * u64::from(n) * 65_536 / 64_000) as u16;
                let triangle = i32::from(phase.min(u16::MAX - phase)) - 16_384;
                (triangle * 2 / 3 + (i32::from(noise(n)) >> 9)) as i16
            }
            Self::Square => swing((n / 8).is_multiple_of(2)),
            Self::Alternating => swing(n.is_multiple_of(2)),
            Self::Lowest => i16::MIN,
            Self::Impulses => i16::MAX * i16::from(n % 300 == 7),
        }
    }

    /// A frame from sample `start` on.
    pub fn frame<const N: usize>(self, start: u32) -> [i16; N] {
        core::array::from_fn(|n| self.sample(start + n as u32))
    }
}

fn noise(n: u32) -> u16 {
    let mixed = (n ^ 0x5bd1_e995).wrapping_mul(2_654_435_761);
    ((mixed ^ mixed >> 15).wrapping_mul(2_246_822_519) >> 16) as u16
}

/// Pixels of a generated image.
pub fn pixels(image: &mut [u8]) {
    image.iter_mut().zip(0..).for_each(|(pixel, n)| *pixel = noise(n) as u8);
}

/// 64-bit FNV-1a over numbers, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Digest {
    /// Of nothing.
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Of what it was of, and these numbers.
    pub fn with(self, numbers: impl IntoIterator<Item = i64>) -> Self {
        let bytes = numbers.into_iter().flat_map(i64::to_le_bytes);
        Self(bytes.fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)))
    }
}

/// Where the frames of [`Signal::Chirp`] start that a front end is counted on: ten, over the second.
pub const COUNTED: [u32; 10] = [0, 1_500, 3_000, 4_500, 6_000, 7_500, 9_000, 10_500, 12_000, 13_500];

/// The image that resizing is counted on, and the one that becomes of it.
pub const CAMERA: [Size; 2] = [Size { height: 120, width: 160 }, Size { height: 96, width: 96 }];

/// Frames of every signal that are digested.
const FRAMES: u32 = 4;

/// Images that are resized: from and to, in pixels of three bytes.
const RESIZED: [[Size; 2]; 3] = [
    [Size { height: 20, width: 15 }, Size { height: 16, width: 16 }],
    [Size { height: 7, width: 5 }, Size { height: 12, width: 9 }],
    [Size { height: 16, width: 16 }, Size { height: 16, width: 16 }],
];

/// Bytes of the largest of them.
const IMAGE_BYTES: usize = 20 * 15 * 3;

/// Digests everything that this crate computes, of generated signals: calls `each` with a name, a signal where there is
/// one, and the digest. Takes less than 14 KiB of stack.
pub fn digests(mut each: impl FnMut(&str, Option<Signal>, Digest)) {
    for signal in Signal::ALL {
        each("mfcc", Some(signal), coefficients(signal));
    }
    for signal in Signal::ALL {
        each("log_mel", Some(signal), spectra(signal));
    }
    each("image", None, images());
    let [best, error] = answers();
    each("top_k", None, best);
    each("squared_error", None, error);
}

// None of these is inlined: their buffers take turns on the stack.

#[inline(never)]
fn coefficients(signal: Signal) -> Digest {
    let quantiser = Quantiser::new(0.584_702_9, 83);
    let mut mfcc = Mfcc::new();
    let mut digest = Digest::EMPTY;
    for frame in 0..FRAMES {
        let coefficients = mfcc.frame(&signal.frame(frame * 3_700));
        digest = digest.with(coefficients.map(i64::from));
        digest = digest.with(coefficients.map(|x| i64::from(quantiser.quantise(x))));
    }
    // Two whole frames and a rest.
    let mut input = [0; 3 * Mfcc::COEFFICIENTS];
    let count = mfcc.clip(&signal.frame::<{ Mfcc::FRAME + Mfcc::STEP + 100 }>(0), quantiser, &mut input);
    digest.with([count as i64]).with(input.map(i64::from))
}

#[inline(never)]
fn spectra(signal: Signal) -> Digest {
    let quantiser = Quantiser::new(0.391_015, 89);
    let mut log_mel = LogMel::new();
    let mut digest = Digest::EMPTY;
    for frame in 0..FRAMES {
        let decibels = log_mel.frame(&signal.frame(frame * 3_700));
        digest = digest.with(decibels.iter().map(|x| i64::from(*x)));
        digest = digest.with(decibels.iter().map(|x| i64::from(quantiser.quantise(*x))));
    }
    digest
}

#[inline(never)]
fn images() -> Digest {
    let (mut image, mut resized, mut input) = ([0; IMAGE_BYTES], [0; IMAGE_BYTES], [0; IMAGE_BYTES]);
    pixels(&mut image);
    let mut digest = Digest::EMPTY;
    for [from, to] in RESIZED {
        let bytes = |size: Size| size.height * size.width * 3;
        let parts = (image.get(..bytes(from)), resized.get_mut(..bytes(to)), input.get_mut(..bytes(to)));
        let (Some(image), Some(resized), Some(input)) = parts else { return Digest::EMPTY };
        let done = image::resize::<3>(image, from, resized, to);
        image::to_int8(resized, input);
        digest = digest.with([i64::from(done)]).with(input.iter().map(|x| i64::from(*x)));
    }
    digest
}

/// The best classes, and the error of a reconstruction.
#[inline(never)]
fn answers() -> [Digest; 2] {
    let first: [i8; 64] = core::array::from_fn(|n| noise(n as u32) as i8);
    let second: [i8; 64] = core::array::from_fn(|n| noise(n as u32 + 64) as i8);
    let best = top_k::<5>(&first).map(|slot| slot.map_or(-1, |(class, output)| class as i64 * 256 + i64::from(output)));
    let fixed = [Fixed { scale: 25_626, zero_point: 89 }, Fixed { scale: 24_000, zero_point: -3 }];
    let error = squared_error(&first, fixed[0], &second, fixed[1]);
    [Digest::EMPTY.with(best), Digest::EMPTY.with([error.cast_signed()])]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{collections::BTreeSet, string::String, vec::Vec};

    #[test]
    fn signals_are_what_they_are_said_to_be() {
        let range = |signal: Signal| {
            let samples: Vec<i16> = (0..16_000).map(|n| signal.sample(n)).collect();
            (samples.iter().min().copied().unwrap(), samples.iter().max().copied().unwrap())
        };
        assert_eq!(range(Signal::Whisper), (-2, 1));
        let (low, high) = range(Signal::Noise);
        assert!(low < -32_000 && high > 32_000);
        let (low, high) = range(Signal::Chirp);
        assert!((-11_100..-10_800).contains(&low) && (10_800..11_100).contains(&high), "{low} {high}");
        // The period of a rising tone: short steps at first, long ones at the end.
        let step = |n: u32| Signal::Chirp.sample(n).abs_diff(Signal::Chirp.sample(n + 1));
        assert!((10..60).all(|n| step(n) < 400) && (15_900..15_950).any(|n| step(n) > 15_000));
    }

    /// Every number that this crate computes, pinned: inputs that were quantised with an earlier version stay what
    /// they are. A change that means to change them changes these.
    #[test]
    fn results_stay_what_they_are() {
        let mut all = Digest::EMPTY;
        let mut seen = BTreeSet::new();
        let mut names: Vec<String> = Vec::new();
        digests(|name, _, digest| {
            all = all.with([digest.0.cast_signed()]);
            seen.insert(digest.0);
            names.push(name.into());
        });
        assert_eq!(seen.len(), names.len(), "two signals give the same");
        assert_eq!(names.len(), 2 * Signal::ALL.len() + 3);
        assert_eq!(all, Digest(12309759682413397763));
    }
}
