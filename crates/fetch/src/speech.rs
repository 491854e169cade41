//! Recorded words as keyword spotting takes them: MFCC of the first second, quantised as MLPerf Tiny's inputs are.

use crate::{Array, Original, Step, archive, inside};
use anyhow::{Context, ensure};
use niwaki_features::{Mfcc, Quantiser};
use std::{collections::BTreeMap, io::Read};

/// Samples of a second.
const RATE: usize = 16_000;
/// Coefficients of a second: 49 frames of 10.
pub(crate) const COEFFICIENTS: usize = 49 * 10;
const INPUT: Quantiser = Quantiser::new(0.584_702_9, 83);
/// Recordings of each digit by each speaker that are for testing: the first five, as the data set's authors have it.
const TEST: usize = 5;
const SPEAKERS: usize = 6;

const NOTE: &str = "train/fsdd is resampled from 8 to 16 kHz and cut or padded to a second, in the order of file names: \
                    where figures were measured on another preparation, yours differ a little";

/// The Free Spoken Digit Dataset: `recordings/DIGIT_SPEAKER_NUMBER.wav`, 8 kHz, six speakers. Every digit was recorded
/// `takes` times by each (50 in version 1.0.10); the first five are for testing.
pub fn digits(original: Original, takes: usize) -> Step {
    let arrays = |part: &str, takes: usize| {
        let count = 10 * SPEAKERS * takes;
        [("mfcc.i8", COEFFICIENTS), ("y.u8", 1), ("speaker.u8", 1)]
            .map(|(name, size)| Array::new(format!("train/fsdd/{part}_{name}"), count * size))
    };
    Step {
        original,
        arrays: [arrays("train", takes - TEST), arrays("test", TEST)].concat(),
        note: Some(NOTE),
        convert: Box::new(move |path| {
            let mut recordings = BTreeMap::new();
            archive(path, |name, content| {
                if let Some(recording) = inside(name).strip_prefix("recordings/").and_then(recording) {
                    let samples = wav(content, RATE / 2).with_context(|| name.to_string())?;
                    recordings.insert(recording, features(doubled(&samples)));
                }
                Ok(())
            })?;
            let mut speakers: Vec<&str> = recordings.keys().map(|(_, speaker, _)| speaker.as_str()).collect();
            speakers.sort_unstable();
            speakers.dedup();
            let mut parts = [const { [const { Vec::new() }; 3] }; 2];
            for ((digit, speaker, take), features) in &recordings {
                let [inputs, digits, people] = &mut parts[usize::from(*take < TEST)];
                inputs.extend(features.iter().map(|q| q.cast_unsigned()));
                digits.push(*digit);
                people.extend(speakers.iter().position(|name| name == speaker).map(|index| index as u8));
            }
            Ok(parts.into_iter().flatten().collect())
        }),
    }
}

/// `7_jackson_32.wav`: digit, speaker, number.
fn recording(name: &str) -> Option<(u8, String, usize)> {
    let mut parts = name.strip_suffix(".wav")?.splitn(3, '_');
    let digit: u8 = parts.next()?.parse().ok().filter(|digit| *digit < 10)?;
    Some((digit, parts.next()?.to_string(), parts.next()?.parse().ok()?))
}

/// A recording with 16 bits and one channel.
pub(crate) fn wav(content: impl Read, rate: usize) -> anyhow::Result<Vec<i16>> {
    let mut bytes = Vec::new();
    std::io::BufReader::new(content).read_to_end(&mut bytes)?;
    let mut reader = hound::WavReader::new(bytes.as_slice())?;
    let spec = reader.spec();
    let fits = spec.channels == 1 && spec.bits_per_sample == 16 && spec.sample_rate as usize == rate;
    ensure!(fits, "it is no recording with one channel, 16 bits and {rate} Hz");
    Ok(reader.samples().collect::<Result<_, _>>()?)
}

/// Twice as many samples a second: between two samples, a sinc over sixteen of them under a Hann window.
fn doubled(samples: &[i16]) -> Vec<i16> {
    const REACH: usize = 8;
    let weights: [f64; REACH] = std::array::from_fn(|k| {
        let x = std::f64::consts::PI * (k as f64 + 0.5);
        (x.sin() / x) * (0.5 + 0.5 * (x / REACH as f64).cos())
    });
    let at = |index: Option<usize>| index.and_then(|index| samples.get(index)).map_or(0.0, |x| f64::from(*x));
    let between = |n: usize| -> f64 {
        let pairs = weights.iter().enumerate();
        pairs.map(|(k, weight)| weight * (at(n.checked_sub(k)) + at(n.checked_add(k + 1)))).sum()
    };
    samples.iter().enumerate().flat_map(|(n, x)| [*x, between(n).round() as i16]).collect()
}

/// Coefficients of the first second; what is shorter is followed by silence.
pub(crate) fn features(mut samples: Vec<i16>) -> [i8; COEFFICIENTS] {
    samples.resize(RATE, 0);
    let mut input = [0; COEFFICIENTS];
    Mfcc::new().clip(&samples, INPUT, &mut input);
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_shape_at_twice_the_rate() {
        let tone = |step: f64| move |n: usize| (10_000.0 * (n as f64 * step).sin()).round() as i16;
        let slow: Vec<i16> = (0..200).map(tone(0.8)).collect();
        let fast: Vec<i16> = (0..400).map(tone(0.4)).collect();
        let worst = doubled(&slow).iter().zip(&fast).skip(40).take(320).map(|(a, b)| (a - b).abs()).max();
        assert!(worst.is_some_and(|worst| worst < 100), "{worst:?}");
    }
}
