//! Splitting samples into batches and moving them to a device.

use crate::{DynTensor, Samples};
use burn::tensor::Device;
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

#[cfg(test)]
mod tests {
    use super::*;

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
