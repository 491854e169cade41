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
    let train = Samples::concatenated([words, digits]);
    Ok(DataSet { input: Some(INPUT), ..DataSet::new(train, test) })
}

fn samples(data: &DataFolder, file: &str, labels: Vec<usize>) -> Result<Samples, DataError> {
    let coefficients = data.i8(file, &[labels.len(), FRAMES, COEFFICIENTS])?;
    let inputs = coefficients.into_iter().map(|q| INPUT.dequantise(q)).collect();
    Ok(Samples { input_shape: vec![1, FRAMES, COEFFICIENTS], inputs, labels, targets: Vec::new() })
}

/// How many frames a clip is moved by at most: 0.2 s.
const FARTHEST: i32 = 10;

/// Moves a clip, makes it louder or softer, and adds noise to every second one. What comes in repeats the first or last
/// frame. Loudness is in the first coefficient alone: the logarithm makes a sum of it, and the cosine transform of a
/// constant is there.
pub fn change(clip: &mut [f32], rng: &mut ChaCha8Rng) {
    let later = rng.random_range(-FARTHEST..=FARTHEST);
    let louder = rng.random_range(-8.0..8.0f32);
    let noise = if rng.random_bool(0.5) { rng.random_range(0.0..2.0f32) } else { 0.0 };
    let old = clip.to_vec();
    for (frame, target) in clip.chunks_exact_mut(COEFFICIENTS).enumerate() {
        let from = (frame as i32 - later).clamp(0, FRAMES as i32 - 1) as usize;
        target.copy_from_slice(&old[from * COEFFICIENTS..][..COEFFICIENTS]);
        target[0] += louder;
        target.iter_mut().for_each(|x| *x += noise * rng.random_range(-1.0..1.0f32));
    }
}
