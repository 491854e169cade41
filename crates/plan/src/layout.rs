//! Where the dimensions of a graph value go in memory.

use crate::PlanError;
use niwaki_graph::Value;

/// Largest dimension of a device tensor.
pub(crate) const MAX_DIM: usize = u16::MAX as usize;

/// Height, width, channels of a per-sample shape: `[c, h, w]`, `[c, l]` (one row) or `[f]` (one pixel).
pub(crate) fn nhwc(value: &Value) -> Result<[usize; 3], PlanError> {
    let shape = match value.shape.as_slice() {
        [] => [1, 1, 1],
        [features] => [1, 1, *features],
        [channels, length] => [1, *length, *channels],
        [channels, height, width] => [*height, *width, *channels],
        _ => return Err(PlanError::Rank { value: value.name.clone(), shape: value.shape.clone() }),
    };
    match shape.iter().find(|dim| **dim > MAX_DIM) {
        Some(dim) => Err(PlanError::TooLarge { node: value.name.clone(), what: "a dimension", found: *dim }),
        None => Ok(shape),
    }
}

/// Which of height, width, channels holds a dimension of a value of this rank.
pub(crate) fn memory_axis(rank: usize, axis: usize) -> usize {
    match (rank, axis) {
        (_, 0) => 2,
        (2, _) => 1,
        _ => axis - 1,
    }
}

/// The permutation of height, width, channels that a permutation of graph dimensions is.
pub(crate) fn memory_perm(perm: &[usize]) -> [usize; 3] {
    let mut result = [0, 1, 2];
    for (output, input) in perm.iter().enumerate() {
        result[memory_axis(perm.len(), output)] = memory_axis(perm.len(), *input);
    }
    result
}

/// The permutation that exchanges one of height, width, channels with the channels; it is its own inverse.
pub(crate) fn channels_last(axis: usize) -> [usize; 3] {
    let mut perm = [0, 1, 2];
    perm.swap(axis, 2);
    perm
}

/// For every byte in memory order, the index of its element in the graph's C order (`[c, h, w]`).
pub(crate) fn memory_order([height, width, channels]: [usize; 3]) -> Vec<usize> {
    let pixels = height * width;
    (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel)).collect()
}

/// Whether memory order and C order are the same.
pub(crate) fn is_c_order([height, width, channels]: [usize; 3]) -> bool {
    channels == 1 || height * width == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        assert_eq!(memory_order([1, 2, 3]), [0, 2, 4, 1, 3, 5]);
        assert_eq!(memory_perm(&[0, 2, 1]), [1, 0, 2]);
        assert_eq!(memory_perm(&[1, 0]), [0, 2, 1]);
        assert_eq!(memory_perm(&[1, 2, 0]), [1, 2, 0]);
        assert_eq!(channels_last(0), [2, 1, 0]);
    }
}
