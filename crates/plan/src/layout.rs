//! In which order the dimensions of a graph value lie in memory.
//!
//! An *order* lists a value's dimensions from the outermost in memory to the innermost. A transposition in the graph only
//! changes it; bytes move where a kernel wants another one. A tensor has the sizes of its value in that order, behind as
//! many ones as three dimensions need.

use crate::PlanError;
use niwaki_graph::Value;

/// Largest dimension of a device tensor.
pub(crate) const MAX_DIM: usize = u16::MAX as usize;

/// Dimensions of a device tensor.
const RANK: usize = 3;

/// Channels innermost: `[c, h, w]` lies as rows, columns, channels, `[c, l]` as positions, channels. What windows slide
/// over, and what inputs and outputs of a network have.
pub(crate) fn channels_innermost(rank: usize) -> Vec<usize> {
    (1..rank).chain((rank > 0).then_some(0)).collect()
}

/// As the graph counts elements: the last dimension innermost.
pub(crate) fn natural(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

/// An order that has a dimension innermost: the given one if it has, else the natural one but for that.
pub(crate) fn innermost(sizes: &[usize], order: &[usize], dim: usize) -> Vec<usize> {
    let wide = order.iter().rev().find(|at| sizes[**at] != 1);
    if wide.is_none_or(|last| *last == dim) && order.last() == Some(&dim) {
        return order.to_vec();
    }
    (0..sizes.len()).filter(|at| *at != dim).chain([dim]).collect()
}

/// The shape of a tensor that holds a value in an order.
pub(crate) fn tensor_shape(value: &Value, order: &[usize]) -> Result<[usize; RANK], PlanError> {
    if order.len() > RANK {
        return Err(PlanError::Rank { value: value.name.clone(), shape: value.shape.clone() });
    }
    let mut shape = [1; RANK];
    for (place, dim) in order.iter().enumerate() {
        shape[memory_axis(order, place)] = value.shape[*dim];
    }
    match shape.iter().find(|size| **size > MAX_DIM) {
        Some(size) => Err(PlanError::TooLarge { node: value.name.clone(), what: "a dimension", found: *size }),
        None => Ok(shape),
    }
}

/// Which dimension of the tensor is at this place of an order.
fn memory_axis(order: &[usize], place: usize) -> usize {
    RANK - order.len() + place
}

/// Which dimension of the tensor holds a dimension of the value.
pub(crate) fn axis_of(order: &[usize], dim: usize) -> usize {
    memory_axis(order, position(order, dim))
}

fn position(order: &[usize], dim: usize) -> usize {
    order.iter().position(|at| *at == dim).expect("an order has every dimension")
}

/// Whether two orders are the same bytes: dimensions of size 1 may be anywhere.
pub(crate) fn same(sizes: &[usize], a: &[usize], b: &[usize]) -> bool {
    let wide = |order: &[usize]| order.iter().copied().filter(|dim| sizes[*dim] != 1).collect::<Vec<_>>();
    wide(a) == wide(b)
}

/// The permutation of tensor dimensions that brings one order into another.
pub(crate) fn permutation(from: &[usize], to: &[usize]) -> [usize; RANK] {
    let mut perm = [0, 1, 2];
    for (place, dim) in to.iter().enumerate() {
        perm[memory_axis(to, place)] = axis_of(from, *dim);
    }
    perm
}

/// The order of a value after a transposition in the graph: the bytes stay.
pub(crate) fn transposed(order: &[usize], perm: &[usize]) -> Vec<usize> {
    order.iter().map(|dim| position(perm, *dim)).collect()
}

/// The order of a value after a reshape that leaves the bytes where they are; `None` where they have to move.
///
/// Dimensions that a reshape merges or splits must be neighbours in memory, in their own order; such runs may lie in any.
pub(crate) fn reshaped(from: &[usize], order: &[usize], to: &[usize]) -> Option<Vec<usize>> {
    let wide = |sizes: &[usize]| (0..sizes.len()).filter(|dim| sizes[*dim] != 1).collect::<Vec<_>>();
    let mut result: Vec<usize> = (0..to.len()).filter(|dim| to[*dim] == 1).collect();
    let runs = runs(from, &wide(from), to, &wide(to));
    let mut rest: Vec<usize> = order.iter().copied().filter(|dim| from[*dim] != 1).collect();
    while let Some(first) = rest.first() {
        let (ins, outs) = runs.iter().find(|(ins, _)| ins.first() == Some(first))?;
        if !rest.starts_with(ins) {
            return None;
        }
        result.extend(outs);
        rest.drain(..ins.len());
    }
    Some(result)
}

/// The shortest runs of dimensions before and after that hold the same number of elements.
fn runs(from: &[usize], ins: &[usize], to: &[usize], outs: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut pairs = Vec::new();
    let (mut ins, mut outs) = (ins.iter().copied(), outs.iter().copied());
    while let (Some(a), Some(b)) = (ins.next(), outs.next()) {
        let (mut run, mut target) = (vec![a], vec![b]);
        let (mut left, mut right) = (from[a], to[b]);
        while left != right {
            let (next, size, sizes, list) = match left < right {
                true => (ins.next(), &mut left, from, &mut run),
                false => (outs.next(), &mut right, to, &mut target),
            };
            let Some(dim) = next else { break };
            *size *= sizes[dim];
            list.push(dim);
        }
        pairs.push((run, target));
    }
    pairs
}

/// For every byte of a value in an order, the index of its element in the graph's own order.
pub(crate) fn elements(sizes: &[usize], order: &[usize]) -> Vec<usize> {
    let step = |dim: usize| sizes[dim + 1..].iter().product::<usize>();
    order.iter().fold(vec![0], |places, dim| {
        let step = step(*dim);
        places.iter().flat_map(|place| (0..sizes[*dim]).map(move |at| place + at * step)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        assert_eq!(channels_innermost(3), [1, 2, 0]);
        assert_eq!(elements(&[3, 1, 2], &channels_innermost(3)), [0, 2, 4, 1, 3, 5]);
        assert_eq!(permutation(&[1, 2, 0], &[0, 1, 2]), [2, 0, 1]);
        assert_eq!(permutation(&[1, 0], &[0, 1]), [0, 2, 1]);
        assert_eq!(innermost(&[4, 5, 6], &[1, 0, 2], 2), [1, 0, 2]);
        assert_eq!(innermost(&[4, 5, 6], &[1, 2, 0], 2), [0, 1, 2]);
        assert!(same(&[4, 1, 6], &[1, 0, 2], &[0, 2, 1]));
    }

    #[test]
    fn transposed_orders_are_the_same_bytes() {
        // [c, pixels] with channels innermost is [pixels, c] as the graph counts.
        assert_eq!(transposed(&[1, 0], &[1, 0]), [0, 1]);
        // Heads of a sequence: [tokens, heads, size] to [heads, tokens, size].
        assert_eq!(transposed(&[0, 1, 2], &[1, 0, 2]), [1, 0, 2]);
        assert_eq!(transposed(&[0, 1, 2], &[1, 2, 0]), [2, 0, 1]);
    }

    #[test]
    fn reshapes_that_move_nothing() {
        assert_eq!(reshaped(&[8, 4, 4], &[1, 2, 0], &[8, 16]), Some(vec![1, 0]));
        assert_eq!(reshaped(&[8, 4, 4], &[1, 2, 0], &[128]), None);
        assert_eq!(reshaped(&[16, 32], &[0, 1], &[16, 4, 8]), Some(vec![0, 1, 2]));
        assert_eq!(reshaped(&[16, 4, 8], &[1, 0, 2], &[16, 32]), None);
        assert_eq!(reshaped(&[8, 1, 1], &[1, 2, 0], &[8]), Some(vec![0]));
        assert_eq!(reshaped(&[6], &[0], &[1, 2, 3]), Some(vec![0, 1, 2]));
    }
}
