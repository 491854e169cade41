//! Spoken words as mel-frequency cepstral coefficients.

use niwaki_compile::{ChaCha8Rng, DataSet, Quantisation, Samples};
use niwaki_data::{DataError, DataFolder};
use rand::RngExt;

/// What the network tells apart.
pub const CLASSES: [&str; 12] =
    ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown"];

/// Frames of a second of speech.
pub const FRAMES: usize = 49;

/// Coefficients of a frame.
pub const COEFFICIENTS: usize = 10;

/// How MLPerf Tiny's front end quantises a coefficient.
const INPUT: Quantisation = Quantisation { scale: 0.584_702_9, zero_point: 83 };

/// How often each clip of Speech Commands is in an epoch: there are eight times as many digits, which are all one class.
const REPEATED: usize = 6;

/// Position of "unknown" in [`CLASSES`].
const UNKNOWN: usize = 11;

/// Clips of Speech Commands and spoken digits to learn from, where a digit is an unknown word; MLPerf Tiny's 1,000 test
/// inputs to be judged by.
pub fn split() -> Result<DataSet, String> {
    load().map_err(|error| error.to_string())
}

fn load() -> Result<DataSet, DataError> {
    let data = DataFolder::of_model(env!("CARGO_PKG_NAME"))?;
    let labels = |bytes: Vec<u8>| bytes.into_iter().map(usize::from).collect();
    let words = data.u8("train/speech_commands_sample/y12.u8", &[321])?;
    let words = samples(&data, "train/speech_commands_sample/mfcc.i8", labels(words))?;
    let digits = samples(&data, "train/fsdd/train_mfcc.i8", vec![UNKNOWN; 2_700])?;
    let test = samples(&data, "eval/kws01/x.i8", labels(data.u8("eval/kws01/y.u8", &[1_000])?))?;
    // The first ones are what calibration looks at: each once.
    let again = std::iter::repeat_n(words.clone(), REPEATED - 1);
    let train = Samples::concatenated([words, digits].into_iter().chain(again));
    Ok(DataSet { input: Some(INPUT), ..DataSet::new(train, test) })
}

fn samples(data: &DataFolder, file: &str, labels: Vec<usize>) -> Result<Samples, DataError> {
    let coefficients = data.i8(file, &[labels.len(), FRAMES, COEFFICIENTS])?;
    let inputs = coefficients.into_iter().map(|q| INPUT.dequantise(q)).collect();
    Ok(Samples { input_shape: vec![1, FRAMES, COEFFICIENTS], inputs, labels, targets: Vec::new() })
}

/// How many frames a clip is moved by at most: 0.2 s.
const FARTHEST: f32 = 10.0;

/// Moves a clip, stretches it, makes it louder or softer, and adds noise to every second one. What comes in repeats the
/// first or last frame. Loudness is in the first coefficient alone: the logarithm makes a sum of it, and the cosine
/// transform of a constant is there.
pub fn change(clip: &mut [f32], rng: &mut ChaCha8Rng) {
    let later = rng.random_range(-FARTHEST..FARTHEST);
    let speed = rng.random_range(0.85..1.18f32);
    let louder = rng.random_range(-8.0..8.0f32);
    let noise = if rng.random_bool(0.5) { rng.random_range(0.0..2.0f32) } else { 0.0 };
    let old = clip.to_vec();
    let (last, middle) = (FRAMES - 1, (FRAMES - 1) as f32 / 2.0);
    for (frame, target) in clip.chunks_exact_mut(COEFFICIENTS).enumerate() {
        let from = ((frame as f32 - middle) * speed + middle - later).clamp(0.0, last as f32);
        let (before, between) = (from as usize, from.fract());
        let after = (before + 1).min(last);
        for (coefficient, x) in target.iter_mut().enumerate() {
            let [before, after] = [before, after].map(|frame| old[frame * COEFFICIENTS + coefficient]);
            *x = before + between * (after - before) + noise * rng.random_range(-1.0..1.0f32);
        }
        target[0] += louder;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn changed_clips_keep_to_what_was_there() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let old: Vec<f32> = (0..FRAMES * COEFFICIENTS).map(|place| (place / COEFFICIENTS) as f32).collect();
        let mut different = 0;
        for _ in 0..50 {
            let mut clip = old.clone();
            change(&mut clip, &mut rng);
            different += usize::from(clip != old);
            let second = clip.iter().skip(1).step_by(COEFFICIENTS);
            assert!(
                second.clone().all(|x| (-2.0..=50.0).contains(x)),
                "noise apart, between the first and the last frame"
            );
            let frames: Vec<f32> = second.copied().collect();
            assert!(frames.windows(2).all(|pair| pair[1] - pair[0] < 1.2 + 4.0), "frames stay in their order");
        }
        assert_eq!(different, 50);
    }
}
