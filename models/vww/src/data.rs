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

/// How many images of CIFAR-10 there are on the side of a square that is learnt from, and of how many such squares.
/// Calibration looks at the first.
const SQUARES: [(usize, usize); 3] = [(1, 2_000), (2, 1_000), (3, 400)];

/// Images of CIFAR-10 to learn from, enlarged, and several of them side by side, where things and edges are smaller: none
/// is labelled for people, so that only another network can teach with them. MLPerf Tiny's 1,000 test images to be judged by. Pixels are scaled to 0 to 1.
pub fn split() -> Result<DataSet, String> {
    load().map_err(|error| error.to_string())
}

fn load() -> Result<DataSet, DataError> {
    let data = DataFolder::of_model(env!("CARGO_PKG_NAME"))?;
    let pixels = data.u8("train/cifar10/train_0.u8", &[10_000, SMALL, SMALL, CHANNELS])?;
    let mut images = pixels.chunks_exact(CHANNELS * SMALL * SMALL);
    let mut inputs = Vec::with_capacity(SQUARES.iter().map(|(_, count)| count * CHANNELS * SIDE * SIDE).sum());
    for (across, count) in SQUARES {
        for _ in 0..count {
            let tiles: Vec<&[u8]> = images.by_ref().take(across * across).collect();
            inputs.extend(square(&tiles, across));
        }
    }
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

/// Images of CIFAR-10 side by side, so many in each direction, enlarged until they fill a square; bilinear, as planes in
/// 0 to 1.
fn square(tiles: &[&[u8]], across: usize) -> Vec<f32> {
    let side = SIDE / across;
    let pixel = |tile: &[u8], channel: usize, y: usize, x: usize| f32::from(tile[(y * SMALL + x) * CHANNELS + channel]);
    // Where the centre of a pixel of the square lies between two of the image.
    let between = |place: usize| {
        let at = (((place % side) as f32 + 0.5) * SMALL as f32 / side as f32 - 0.5).clamp(0.0, SMALL as f32 - 1.0);
        (place / side, at as usize, (at as usize + 1).min(SMALL - 1), at.fract())
    };
    let mut planes = Vec::with_capacity(CHANNELS * SIDE * SIDE);
    for channel in 0..CHANNELS {
        for (row, above, below, down) in (0..SIDE).map(between) {
            for (column, left, right, over) in (0..SIDE).map(between) {
                let tile = tiles[row * across + column];
                let along =
                    |y: usize| pixel(tile, channel, y, left) * (1.0 - over) + pixel(tile, channel, y, right) * over;
                planes.push((along(above) * (1.0 - down) + along(below) * down) / 255.0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_hold_their_images_in_rows() {
        let tiles: Vec<Vec<u8>> = (0..9).map(|tile| vec![tile * 25; CHANNELS * SMALL * SMALL]).collect();
        let tiles: Vec<&[u8]> = tiles.iter().map(Vec::as_slice).collect();
        for across in 1..=3 {
            let planes = square(&tiles[..across * across], across);
            assert_eq!(planes.len(), CHANNELS * SIDE * SIDE);
            for (place, value) in planes.iter().enumerate() {
                let (y, x) = (place / SIDE % SIDE * across / SIDE, place % SIDE * across / SIDE);
                assert!((value - ((y * across + x) * 25) as f32 / 255.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn enlarging_keeps_the_image_in_place() {
        let image: Vec<u8> = (0..SMALL * SMALL).flat_map(|place| [(place % SMALL * 8) as u8; CHANNELS]).collect();
        let planes = square(&[&image], 1);
        // The middle pixel of three is the original one; the next lies a third of the way to the neighbour.
        assert_eq!(planes[1], 0.0);
        assert!((planes[3 * 10 + 1] - 80.0 / 255.0).abs() < 1e-6);
        assert!((planes[3 * 10 + 2] - (80.0 + 8.0 / 3.0) / 255.0).abs() < 1e-6);
    }
}
