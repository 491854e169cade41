//! CIFAR-10: 32x32 colour images of ten kinds of things.

use niwaki_compile::{ChaCha8Rng, DataSet, Quantisation, Samples};
use niwaki_data::{DataError, DataFolder};
use rand::RngExt;

/// Number of classes: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.
pub const CLASSES: usize = 10;

/// Width and height of an image.
pub const SIDE: usize = 32;

const CHANNELS: usize = 3;

/// A pixel less 128.
const INPUT: Quantisation = Quantisation { scale: 1.0, zero_point: -128 };

/// Two fifths of CIFAR-10's training images to learn from; MLPerf Tiny's 200 test images to be judged by, and half of
/// CIFAR-10's test images beside them. Pixels are 0 to 255.
pub fn split() -> Result<DataSet, String> {
    load().map_err(|error| error.to_string())
}

fn load() -> Result<DataSet, DataError> {
    let data = DataFolder::of_model(env!("CARGO_PKG_NAME"))?;
    let train = [images(&data, "train/cifar10/train_0", 10_000)?, images(&data, "train/cifar10/train_1", 10_000)?];
    let half = images(&data, "train/cifar10/test_a", 5_000)?;
    let pixels = data.u8("eval/ic01/x.u8", &[200, SIDE, SIDE, CHANNELS])?;
    let test = samples(&pixels, &data.u8("eval/ic01/y.u8", &[200])?);
    let train = Samples::concatenated(train);
    let more = vec![("half of CIFAR-10's test images".into(), half)];
    Ok(DataSet { more, input: Some(INPUT), ..DataSet::new(train, test) })
}

fn images(data: &DataFolder, name: &str, count: usize) -> Result<Samples, DataError> {
    let pixels = data.u8(&format!("{name}.u8"), &[count, SIDE, SIDE, CHANNELS])?;
    Ok(samples(&pixels, &data.u8(&format!("{name}_y.u8"), &[count])?))
}

/// From interleaved channels to one plane per channel.
fn samples(pixels: &[u8], labels: &[u8]) -> Samples {
    let plane = SIDE * SIDE;
    let image = |image: &[u8]| -> Vec<f32> {
        (0..CHANNELS * plane).map(|place| f32::from(image[place % plane * CHANNELS + place / plane])).collect()
    };
    Samples {
        input_shape: vec![CHANNELS, SIDE, SIDE],
        inputs: pixels.chunks_exact(CHANNELS * plane).flat_map(image).collect(),
        labels: labels.iter().map(|label| usize::from(*label)).collect(),
        targets: Vec::new(),
    }
}

/// Mirrors every second image and moves each by up to four pixels; what comes in repeats the edge.
pub fn flip_and_shift(image: &mut [f32], rng: &mut ChaCha8Rng) {
    let mirror = rng.random_bool(0.5);
    let [down, right] = [(); 2].map(|()| rng.random_range(-4..=4i32));
    let old = image.to_vec();
    let last = SIDE as i32 - 1;
    for (place, pixel) in image.iter_mut().enumerate() {
        let (plane, y, x) = (place / (SIDE * SIDE), place / SIDE % SIDE, place % SIDE);
        let x = if mirror { SIDE - 1 - x } else { x };
        let [y, x] = [(y as i32 - down).clamp(0, last), (x as i32 - right).clamp(0, last)];
        *pixel = old[(plane * SIDE + y as usize) * SIDE + x as usize];
    }
}
