//! CIFAR-10, binary version: batches of records, each a label and a red, a green and a blue plane of 32x32 bytes.

use crate::{Array, Original, Step, archive, inside};
use anyhow::ensure;
use std::collections::BTreeMap;

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PIXELS: usize = SIDE * SIDE * CHANNELS;

const NOTE: &str = "train_0 and train_1 are CIFAR-10's first two training batches, test_a the first half of its test \
                    batch: where figures were measured on another selection of its images, yours differ a little";

/// Two training batches and the first half of the test batch: images become `(n, 32, 32, 3)`, channels last.
///
/// `batch` is the number of images in a batch, 10,000.
pub fn cifar10(original: Original, batch: usize) -> Step {
    let parts = [
        ("train_0", "data_batch_1.bin", batch),
        ("train_1", "data_batch_2.bin", batch),
        ("test_a", "test_batch.bin", batch / 2),
    ];
    let pair = |(name, _, count): (&str, &str, usize)| {
        [
            Array::new(format!("train/cifar10/{name}.u8"), count * PIXELS),
            Array::new(format!("train/cifar10/{name}_y.u8"), count),
        ]
    };
    Step {
        original,
        arrays: parts.iter().copied().flat_map(pair).collect(),
        note: Some(NOTE),
        convert: Box::new(move |path| {
            let mut found = BTreeMap::new();
            archive(path, |name, content| {
                let name = inside(name);
                if parts.iter().any(|(_, file, _)| *file == name) {
                    let mut records = Vec::new();
                    content.read_to_end(&mut records)?;
                    found.insert(name.to_string(), records);
                }
                Ok(())
            })?;
            let mut arrays = Vec::new();
            for (_, file, count) in parts {
                let records = found.get(file).map_or(&[][..], Vec::as_slice);
                let expected = batch * (1 + PIXELS);
                ensure!(records.len() == expected, "{file} has {} bytes instead of {expected}", records.len());
                let (images, labels) = batch_of(&records[..count * (1 + PIXELS)]);
                ensure!(labels.iter().all(|label| *label < 10), "{file} has a label above 9");
                arrays.extend([images, labels]);
            }
            Ok(arrays)
        }),
    }
}

/// Images with channels last, and their labels.
fn batch_of(records: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let plane = SIDE * SIDE;
    let records = records.chunks_exact(1 + PIXELS);
    let image = |record: &[u8]| -> Vec<u8> {
        (0..PIXELS).map(|place| record[1 + place % CHANNELS * plane + place / CHANNELS]).collect()
    };
    (records.clone().flat_map(image).collect(), records.map(|record| record[0]).collect())
}
