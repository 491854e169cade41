//! 1,797 images of digits, 8x8, and their fixed split. Origin and licence: `data/README.md`.

use niwaki_compile::{ChaCha8Rng, DataSet, Samples};
use rand::RngExt;

/// Width and height of an image.
pub const SIDE: usize = 8;

/// Number of digits.
pub const CLASSES: usize = 10;

/// 64 pixels from 0 to 16, then the digit.
const RECORD: usize = SIDE * SIDE + 1;

static RECORDS: &[u8] = include_bytes!("../data/digits.bin");

/// Every third image, beginning with the third, is a test image: 599 of them. Pixels are scaled to 0 to 1.
pub fn split() -> Result<DataSet, String> {
    let shape = || vec![1, SIDE, SIDE];
    let mut parts = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for (index, record) in RECORDS.chunks_exact(RECORD).enumerate() {
        let (inputs, labels) = &mut parts[usize::from(index % 3 == 2)];
        inputs.extend(record[..RECORD - 1].iter().map(|pixel| f32::from(*pixel) / 16.0));
        labels.push(usize::from(record[RECORD - 1]));
    }
    let [train, test] = parts.map(|(inputs, labels)| Samples::new(shape(), inputs, labels));
    Ok(DataSet::new(train.map_err(|e| e.to_string())?, test.map_err(|e| e.to_string())?))
}

/// Moves an image by up to one pixel each way; what comes in is background.
pub fn shift(image: &mut [f32], rng: &mut ChaCha8Rng) {
    let mut by = || rng.random_range(-1..=1i32);
    let (down, right) = (by(), by());
    let old = image.to_vec();
    let side = SIDE as i32;
    for (place, pixel) in image.iter_mut().enumerate() {
        let (y, x) = (place as i32 / side - down, place as i32 % side - right);
        let inside = (0..side).contains(&y) && (0..side).contains(&x);
        *pixel = if inside { old[(y * side + x) as usize] } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_what_the_readme_says() {
        let data = split().expect("the file is whole");
        assert_eq!((data.train.len(), data.test.len()), (1198, 599));
        let mut counts = [0; CLASSES];
        data.train.labels.iter().chain(&data.test.labels).for_each(|label| counts[*label] += 1);
        // As scikit-learn's documentation of `load_digits` counts them.
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert!(data.train.inputs.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    }
}
