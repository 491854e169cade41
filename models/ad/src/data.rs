//! Sounds of toy cars as logarithmic mel spectra.

use niwaki_compile::{ChaCha8Rng, DataSet, Metric, Quantisation, Samples};
use niwaki_data::{DataError, DataFolder};
use rand::RngExt;

/// Mel bands of a frame.
pub const BANDS: usize = 128;

/// Frames of a window, which is what the network takes.
pub const FRAMES: usize = 5;

/// Frames of a clip.
const CLIP: usize = 200;

/// Windows of a clip, one starting at every frame.
pub const WINDOWS: usize = CLIP - FRAMES + 1;

/// How MLPerf Tiny quantises a decibel.
const INPUT: Quantisation = Quantisation { scale: 0.391_015, zero_point: 89 };

/// Area under the receiver operating characteristic: how often an anomalous clip scores higher than a normal one. A
/// clip's score is its mean squared reconstruction error.
pub const AUC: Metric = Metric { name: "AUC", measure: area_under_curve };

/// Windows of the normal clips to learn from; MLPerf Tiny's 72 clips to be judged by.
pub fn split() -> Result<DataSet, String> {
    load().map_err(|error| error.to_string())
}

fn load() -> Result<DataSet, DataError> {
    let data = DataFolder::of_model(env!("CARGO_PKG_NAME"))?;
    let clips = |name: &str, count: usize| -> Result<_, DataError> {
        let decibels = data.f32(&format!("{name}/x.f32"), &[count, CLIP, BANDS])?;
        Ok((decibels, data.u8(&format!("{name}/y.u8"), &[count])?))
    };
    let (decibels, anomalous) = clips("train/ad01", 176)?;
    let normal = decibels.chunks_exact(CLIP * BANDS).zip(anomalous).filter(|(_, anomalous)| *anomalous == 0);
    let train = normal.flat_map(|(clip, _)| windows(clip)).collect();
    let (decibels, anomalous) = clips("eval/ad01", 72)?;
    let test = Samples {
        input_shape: vec![FRAMES * BANDS],
        inputs: decibels.chunks_exact(CLIP * BANDS).flat_map(windows).collect(),
        labels: anomalous.iter().flat_map(|label| [usize::from(*label); WINDOWS]).collect(),
        targets: Vec::new(),
    };
    let train = Samples { input_shape: vec![FRAMES * BANDS], inputs: train, ..Samples::default() };
    Ok(DataSet { input: Some(INPUT), ..DataSet::new(train, test) })
}

/// The windows of a clip, one after the other.
fn windows(clip: &[f32]) -> impl Iterator<Item = f32> {
    clip.windows(FRAMES * BANDS).step_by(BANDS).flatten().copied()
}

/// Makes a window louder or softer, and adds noise to each band by itself: sounds that no clip has, for another network to
/// teach with.
pub fn change(window: &mut [f32], rng: &mut ChaCha8Rng) {
    let louder = rng.random_range(-6.0..6.0f32);
    let noise = rng.random_range(0.0..6.0f32);
    window.iter_mut().for_each(|decibel| *decibel += louder + noise * rng.random_range(-1.0..1.0f32));
}

fn area_under_curve(outputs: &[f32], samples: &Samples) -> f64 {
    let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    let size = WINDOWS * samples.sample_len();
    let clips = outputs.chunks_exact(size).zip(samples.inputs.chunks_exact(size));
    let scores: Vec<f64> = clips.map(|(output, input)| output.iter().zip(input).map(square).sum()).collect();
    let (anomalous, normal): (Vec<_>, Vec<_>) =
        scores.iter().zip(samples.labels.iter().step_by(WINDOWS)).partition(|(_, label)| **label == 1);
    let pairs = anomalous.iter().flat_map(|(high, _)| normal.iter().map(move |(low, _)| (high, low)));
    let wins: f64 = pairs
        .map(|(high, low)| {
            if high > low {
                1.0
            } else if high == low {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    wins / (anomalous.len() * normal.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_in_the_right_order() {
        let clip = |label: usize| (vec![0.0; WINDOWS], vec![label; WINDOWS]);
        let (inputs, labels): (Vec<_>, Vec<_>) = [0, 1, 0, 1].map(clip).into_iter().unzip();
        let samples = Samples::new(vec![1], inputs.concat(), labels.concat()).expect("fits");
        let outputs: Vec<f32> = [1.0, 2.0, 3.0, 4.0].iter().flat_map(|error| [*error; WINDOWS]).collect();
        // 2 > 1, 2 < 3, 4 > 1, 4 > 3.
        assert_eq!(area_under_curve(&outputs, &samples), 0.75);
    }
}
