//! Photographs with and without people.

use niwaki_compile::{ChaCha8Rng, DataSet, Quantisation, Samples};
use niwaki_data::{DataError, DataFolder};
use rand::RngExt;

/// No person, a person.
pub const CLASSES: usize = 2;

/// Width and height of an image.
pub const SIDE: usize = 96;

const CHANNELS: usize = 3;

/// A pixel less 128.
const INPUT: Quantisation = Quantisation { scale: 1.0 / 255.0, zero_point: -128 };

/// Width and height of CIFAR-10's images.
const SMALL: usize = 32;

/// How many of CIFAR-10's images are used.
const UNLABELLED: usize = 2_000;

/// Images of CIFAR-10 at three times their size to learn from: none is labelled for people, so that only another
/// network can teach with them. MLPerf Tiny's 1,000 test images to be judged by. Pixels are scaled to 0 to 1.
pub fn split() -> Result<DataSet, String> {
    load().map_err(|error| error.to_string())
}

fn load() -> Result<DataSet, DataError> {
    let data = DataFolder::of_model(env!("CARGO_PKG_NAME"))?;
    let pixels = data.u8("train/cifar10/train_0.u8", &[10_000, SMALL, SMALL, CHANNELS])?;
    let image = |image: &[u8]| enlarged(image);
    let inputs = pixels.chunks_exact(CHANNELS * SMALL * SMALL).take(UNLABELLED).flat_map(image).collect();
    let train = Samples { input_shape: vec![CHANNELS, SIDE, SIDE], inputs, ..Samples::default() };
    let pixels = data.u8("eval/vww01/x.u8", &[1_000, SIDE, SIDE, CHANNELS])?;
    let labels = data.u8("eval/vww01/y.u8", &[1_000])?;
    let plane = SIDE * SIDE;
    let image = |image: &[u8]| -> Vec<f32> {
        let place = |place: usize| f32::from(image[place % plane * CHANNELS + place / plane]) / 255.0;
        (0..CHANNELS * plane).map(place).collect()
    };
    let test = Samples {
        input_shape: vec![CHANNELS, SIDE, SIDE],
        inputs: pixels.chunks_exact(CHANNELS * plane).flat_map(image).collect(),
        labels: labels.iter().map(|label| usize::from(*label)).collect(),
        targets: Vec::new(),
    };
    Ok(DataSet { input: Some(INPUT), ..DataSet::new(train, test) })
}

/// An image of CIFAR-10 at three times its size, bilinear, as planes in 0 to 1.
fn enlarged(image: &[u8]) -> Vec<f32> {
    let pixel = |channel: usize, y: usize, x: usize| f32::from(image[(y * SMALL + x) * CHANNELS + channel]) / 255.0;
    // Where the centre of a large pixel lies between two small ones.
    let between = |place: usize| {
        let at = ((place as f32 + 0.5) * SMALL as f32 / SIDE as f32 - 0.5).clamp(0.0, SMALL as f32 - 1.0);
        (at as usize, (at as usize + 1).min(SMALL - 1), at.fract())
    };
    let mut planes = Vec::with_capacity(CHANNELS * SIDE * SIDE);
    for channel in 0..CHANNELS {
        for (above, below, down) in (0..SIDE).map(between) {
            for (left, right, over) in (0..SIDE).map(between) {
                let row = |y: usize| pixel(channel, y, left) * (1.0 - over) + pixel(channel, y, right) * over;
                planes.push(row(above) * (1.0 - down) + row(below) * down);
            }
        }
    }
    planes
}

/// Mirrors every second image.
pub fn flip(image: &mut [f32], rng: &mut ChaCha8Rng) {
    if rng.random_bool(0.5) {
        image.chunks_exact_mut(SIDE).for_each(<[f32]>::reverse);
    }
}
