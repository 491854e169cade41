//! Splitting samples into batches and moving them to a device.

use crate::{DynTensor, Samples};
use burn::tensor::Device;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Splits `count` samples into the fewest batches of at most `batch`, all of nearly the same size.
///
/// A short last batch would be worse: batch normalisation cannot take statistics of one sample.
pub(crate) fn split(count: usize, batch: usize) -> impl ExactSizeIterator<Item = Range<usize>> {
    let steps = count.div_ceil(batch);
    (0..steps).map(move |step| step * count / steps..(step + 1) * count / steps)
}

/// A run of samples as one tensor.
pub(crate) fn upload(samples: &Samples, range: Range<usize>, device: &Device) -> DynTensor {
    let size = samples.sample_len();
    let data = samples.inputs[range.start * size..range.end * size].to_vec();
    to_tensor(data, &samples.input_shape, device)
}

/// Elements of whole samples as one tensor.
pub(crate) fn to_tensor(data: Vec<f32>, sample_shape: &[usize], device: &Device) -> DynTensor {
    let count = data.len() / sample_shape.iter().product::<usize>().max(1);
    let shape: Vec<usize> = [count].into_iter().chain(sample_shape.iter().copied()).collect();
    DynTensor::from_vec(data, &shape, device)
}

/// Mixes each sample, with this probability, with another of the batch as it was, in a proportion between none and all.
pub(crate) fn mix(inputs: &mut [f32], sample_len: usize, probability: f64, rng: &mut ChaCha8Rng) {
    let count = inputs.len() / sample_len.max(1);
    if probability == 0.0 || count < 2 {
        return;
    }
    let old = inputs.to_vec();
    for (index, sample) in inputs.chunks_exact_mut(sample_len).enumerate() {
        if rng.random_bool(probability) {
            let other = (index + rng.random_range(1..count)) % count;
            let share = rng.random::<f32>();
            for (x, other) in sample.iter_mut().zip(&old[other * sample_len..]) {
                *x += share * (other - *x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn mixtures_lie_between_two_samples_of_the_batch() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let old: Vec<f32> = (0..200).map(|x| (x / 2) as f32).collect();
        let (mut some, mut none) = (old.clone(), old.clone());
        mix(&mut some, 2, 0.5, &mut rng);
        mix(&mut none, 2, 0.0, &mut rng);
        assert_eq!(none, old);
        let pairs = some.as_chunks::<2>().0;
        assert!(pairs.iter().all(|[a, b]| a == b && (0.0..100.0).contains(a)));
        let changed = pairs.iter().enumerate().filter(|(index, [a, _])| *a != *index as f32).count();
        assert!((30..70).contains(&changed), "{changed}");
    }

    #[test]
    fn batches_cover_everything_once_and_evenly() {
        for (count, batch) in [(1, 1), (10, 3), (1001, 100), (5, 64), (64, 64)] {
            let ranges: Vec<_> = split(count, batch).collect();
            assert_eq!(ranges.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            let (least, most) = (ranges.iter().map(Range::len).min(), ranges.iter().map(Range::len).max());
            assert!(most <= Some(batch) && most.map(|most| most - 1) <= least, "{count} in {batch}");
        }
    }
}
