//! Following channels through reshapes: flattening, splitting, and adding or dropping dimensions of size 1.

use super::Tracer;
use crate::atoms::{Atom, Dim, Reason};
use std::ops::Range;

impl Tracer<'_> {
    pub(super) fn reshape(&mut self, name: &str, x: &[Dim], from: &[usize], to: &[usize]) -> Vec<Dim> {
        let position = Dim::Fixed(Reason::from(format!("is a position that `{name}` lays out")));
        let mut output = vec![position; to.len()];
        for (ins, outs) in segments(from, to) {
            let wide: Vec<usize> = outs.clone().filter(|dim| to[*dim] != 1).collect();
            let Some(live) = self.carrier(name, x, from, ins.clone()) else {
                continue;
            };
            let Dim::Atoms(atoms) = x[live].clone() else { unreachable!("a live dimension has atoms") };
            let sources = ins.clone().filter(|dim| from[*dim] != 1).count();
            let merged = spread(&atoms, from, ins, live);
            match (sources, wide.as_slice()) {
                // All of size 1.
                (0, []) if !outs.is_empty() => output[outs.start] = Dim::Atoms(merged),
                (_, [single]) => output[*single] = Dim::Atoms(merged),
                (1, several) if !several.is_empty() => {
                    let (dim, atoms) = self.split(&merged, &outs, several, to);
                    output[dim] = Dim::Atoms(atoms);
                }
                _ => {
                    let reason = Reason::from(format!(
                        "is regrouped by `{name}` from {from:?} to {to:?}, where channels cannot be followed"
                    ));
                    self.atoms.freeze(&atoms, &reason);
                }
            }
        }
        output
    }

    /// The one dimension of a merged run that keeps its channels: the widest that can; the others are frozen.
    fn carrier(&mut self, name: &str, x: &[Dim], from: &[usize], run: Range<usize>) -> Option<usize> {
        let live: Vec<usize> = run.filter(|dim| self.is_live(&x[*dim])).collect();
        let widest = live.iter().copied().max_by_key(|dim| (from[*dim], std::cmp::Reverse(*dim)))?;
        let reason = Reason::from(format!("is merged by `{name}` with another dimension that holds channels"));
        for dim in live.into_iter().filter(|dim| *dim != widest) {
            self.freeze(&x[dim], &reason);
        }
        Some(widest)
    }

    /// Splits one run of channels into several dimensions: one of them keeps channels, each uniting all it covers.
    ///
    /// That one is the first for which everything it covers is united already (a grouped convolution before a channel
    /// shuffle), else the outermost (features that become channels of an image).
    fn split(&mut self, atoms: &[Atom], outs: &Range<usize>, several: &[usize], to: &[usize]) -> (usize, Vec<Atom>) {
        let index = |place: usize, dim: usize| place / to[dim + 1..outs.end].iter().product::<usize>() % to[dim];
        let first = |dim: usize| -> Vec<Atom> {
            let inner: usize = to[dim + 1..outs.end].iter().product();
            (0..to[dim]).map(|i| atoms[i * inner]).collect()
        };
        let mut united = |dim: usize| {
            let heads = first(dim);
            atoms.iter().enumerate().all(|(place, a)| self.atoms.root(*a) == self.atoms.root(heads[index(place, dim)]))
        };
        let chosen = several.iter().copied().find(|dim| united(*dim)).unwrap_or(several[0]);
        let heads = first(chosen);
        for (place, atom) in atoms.iter().enumerate() {
            self.atoms.unite(*atom, heads[index(place, chosen)]);
        }
        (chosen, heads)
    }
}

/// The atoms of `live`, one for each element of the run of dimensions merged in C order.
fn spread(atoms: &[Atom], from: &[usize], run: Range<usize>, live: usize) -> Vec<Atom> {
    let total: usize = from[run.clone()].iter().product();
    let inner: usize = from[live + 1..run.end].iter().product();
    (0..total).map(|place| atoms[place / inner % atoms.len()]).collect()
}

/// Pairs the shortest runs of dimensions that hold the same number of elements, from the outside in.
///
/// `[8, 3, 3] -> [72]` is one pair; `[8, 3, 3] -> [8, 9]` is two. Left-over dimensions of size 1 pair with nothing.
fn segments(from: &[usize], to: &[usize]) -> Vec<(Range<usize>, Range<usize>)> {
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < to.len() {
        let (start_i, start_j) = (i, j);
        if i == from.len() || j == to.len() {
            pairs.push((i..from.len(), j..to.len()));
            break;
        }
        let (mut left, mut right) = (from[i], to[j]);
        (i, j) = (i + 1, j + 1);
        while left != right && (i < from.len() || j < to.len()) {
            if (left < right && i < from.len()) || j == to.len() {
                left *= from[i];
                i += 1;
            } else {
                right *= to[j];
                j += 1;
            }
        }
        pairs.push((start_i..i, start_j..j));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::segments;

    #[test]
    fn segments_pair_the_shortest_runs() {
        assert_eq!(segments(&[8, 3, 3], &[72]), [(0..3, 0..1)]);
        assert_eq!(segments(&[8, 3, 3], &[8, 9]), [(0..1, 0..1), (1..3, 1..2)]);
        assert_eq!(segments(&[8, 1, 1], &[8]), [(0..1, 0..1), (1..3, 1..1)]);
        assert_eq!(segments(&[8], &[8, 1, 1]), [(0..1, 0..1), (1..1, 1..3)]);
        assert_eq!(segments(&[8], &[1, 8]), [(0..1, 0..2)]);
        assert_eq!(segments(&[5, 12], &[5, 3, 4]), [(0..1, 0..1), (1..2, 1..3)]);
        assert_eq!(segments(&[4, 6], &[6, 4]), [(0..2, 0..2)]);
    }
}
