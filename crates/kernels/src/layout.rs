//! Host side of packed weights: plain ones become what SPEC.md calls blocks, streams and rules.

mod block;
mod compact;
mod winograd;

pub use block::{Blocks, filled};

use alloc::vec::Vec;
use niwaki_blob::STREAM_SLACK;

/// Weights that a packed kind cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpackable {
    /// Two rows side by side do not fit 16 bits: one has a weight of -128.
    Weight,
    /// A row's sum of products may leave 24 bits.
    Sum,
}

/// Plain weights `[outputs][terms]` with what the packer needs to know of them.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// `[outputs][terms]`.
    pub weights: &'a [i8],
    /// Products of one output.
    pub terms: usize,
}

impl Rows<'_> {
    fn outputs(&self) -> usize {
        self.weights.len() / self.terms.max(1)
    }

    /// A weight; 0 where rows or terms are filled up.
    fn at(&self, output: usize, term: usize) -> i8 {
        let inside = term < self.terms;
        self.weights.get(output * self.terms + term).copied().filter(|_| inside).unwrap_or(0)
    }

    /// Whether kinds with groups of two or four rows can hold these weights.
    pub fn packable(&self, rows: usize) -> Result<(), Unpackable> {
        if rows == 1 {
            return Ok(());
        }
        if self.weights.contains(&i8::MIN) {
            return Err(Unpackable::Weight);
        }
        let largest = |row: &[i8]| row.iter().map(|w| u64::from(w.unsigned_abs())).sum::<u64>();
        let fits = |row: &[i8]| largest(row) * 128 < 1 << 23;
        match self.weights.chunks(self.terms.max(1)).all(fits) {
            true => Ok(()),
            false => Err(Unpackable::Sum),
        }
    }

    fn block(&self, group: usize, rows: usize, quad: usize) -> Vec<i8> {
        let at = |row: usize, k: usize| self.at(group * rows + row, quad * 4 + k);
        if rows == 1 {
            return (0..4).map(|k| at(0, k)).collect();
        }
        let pairs = (0..rows / 2).flat_map(|pair| [0, 2, 1, 3].map(|k| (2 * pair, k)));
        pairs.flat_map(|(row, k)| both(at(row, k), at(row + 1, k))).collect()
    }

    /// Dense blocks `[group][quad]`.
    pub fn dense(&self, rows: usize) -> Vec<i8> {
        let quads = self.terms.div_ceil(4);
        let groups = 0..self.outputs().div_ceil(rows);
        groups.flat_map(|group| (0..quads).flat_map(move |quad| self.block(group, rows, quad))).collect()
    }

    /// Streams of the blocks that are not all zero.
    pub fn streams(&self, rows: usize, step: usize) -> Vec<i8> {
        let mut bytes = Vec::new();
        for group in 0..self.outputs().div_ceil(rows) {
            self.stream(self.kept(group, rows), step, &mut bytes, &|quad| self.block(group, rows, quad));
        }
        bytes.resize(bytes.len() + STREAM_SLACK, 0);
        bytes
    }

    /// The three streams of every group of four rows: of blocks that both of its pairs have, and of those of each alone.
    pub fn pair_streams(&self, step: usize) -> Vec<i8> {
        let mut bytes = Vec::new();
        for group in 0..self.outputs().div_ceil(4) {
            let (both, alone) = self.paired(group);
            self.stream(both, step, &mut bytes, &|quad| self.block(group, 4, quad));
            for (pair, quads) in alone.into_iter().enumerate() {
                self.stream(quads, step, &mut bytes, &|quad| self.block(2 * group + pair, 2, quad));
            }
        }
        bytes.resize(bytes.len() + STREAM_SLACK, 0);
        bytes
    }

    /// How many blocks of four and of two rows [`Rows::pair_streams`] holds.
    pub fn pair_blocks(&self) -> [usize; 2] {
        let groups = (0..self.outputs().div_ceil(4)).map(|group| self.paired(group));
        groups.fold([0, 0], |[fours, twos], (both, [a, b])| [fours + both.len(), twos + a.len() + b.len()])
    }

    /// Quads that both pairs of a group of four rows have, and those that one of them has.
    fn paired(&self, group: usize) -> (Vec<usize>, [Vec<usize>; 2]) {
        let [first, second] = [2 * group, 2 * group + 1].map(|pair| self.kept(pair, 2));
        let (both, a) = first.into_iter().partition(|quad| second.contains(quad));
        (both, [a, second.into_iter().filter(|quad| self.empty(2 * group, 2, *quad)).collect()])
    }

    /// Interleaved blocks of four rows, `[group][quad]`.
    pub fn interleaved(&self) -> Vec<i8> {
        let quads = self.terms.div_ceil(4);
        let groups = 0..self.outputs().div_ceil(4);
        groups.flat_map(|group| (0..quads).flat_map(move |quad| self.interleaved_block(group, quad))).collect()
    }

    /// Streams of the interleaved blocks of four rows that are not all zero.
    pub fn interleaved_streams(&self, step: usize) -> Vec<i8> {
        let mut bytes = Vec::new();
        for group in 0..self.outputs().div_ceil(4) {
            self.stream(self.kept(group, 4), step, &mut bytes, &|quad| self.interleaved_block(group, quad));
        }
        bytes.resize(bytes.len() + STREAM_SLACK, 0);
        bytes
    }

    /// Weights plus 128, `[4 terms][4 rows]`.
    fn interleaved_block(&self, group: usize, quad: usize) -> Vec<i8> {
        let places = (0..4).flat_map(|k| (0..4).map(move |row| (row, k)));
        places.map(|(row, k)| self.at(group * 4 + row, quad * 4 + k) ^ i8::MIN).collect()
    }

    /// How many blocks [`Rows::streams`] holds.
    pub fn blocks(&self, rows: usize) -> usize {
        (0..self.outputs().div_ceil(rows)).map(|group| self.kept(group, rows).len()).sum()
    }

    /// Quads of a group whose block is not all zero.
    fn kept(&self, group: usize, rows: usize) -> Vec<usize> {
        (0..self.terms.div_ceil(4)).filter(|quad| !self.empty(group, rows, *quad)).collect()
    }

    fn empty(&self, group: usize, rows: usize, quad: usize) -> bool {
        (0..rows).all(|row| (0..4).all(|k| self.at(group * rows + row, quad * 4 + k) == 0))
    }

    fn stream(&self, quads: Vec<usize>, step: usize, bytes: &mut Vec<i8>, block: &dyn Fn(usize) -> Vec<i8>) {
        // Farther than this, a block of zeros stands between: that of a quad behind the last.
        let (reach, zeros) = (i16::MAX as usize / step, self.terms.div_ceil(4));
        let mut last = 0;
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for quad in quads {
            while quad - last > reach {
                blocks.push((reach, zeros));
                last += reach;
            }
            blocks.push((quad - last, quad));
            last = quad;
        }
        let offset = |slot: Option<&(usize, usize)>, bytes: &mut Vec<i8>| {
            let offset = slot.map_or(-1, |(distance, _)| (distance * step) as i16);
            bytes.extend(offset.to_le_bytes().map(|byte| byte as i8));
        };
        for unit in blocks.chunks(2) {
            offset(unit.first(), bytes);
            offset(unit.get(1), bytes);
            for (_, quad) in unit {
                bytes.extend(block(*quad));
            }
        }
        if blocks.len().is_multiple_of(2) {
            offset(None, bytes);
            offset(None, bytes);
        }
    }
}

/// `a + 256 * b` in 16 bits.
fn both(a: i8, b: i8) -> [i8; 2] {
    let number = i32::from(a) + 256 * i32::from(b);
    (number as i16).to_le_bytes().map(|byte| byte as i8)
}

/// Biases and multipliers, `[group][2 * rows]`.
pub fn rules(bias: &[i32], multipliers: &[i32], rows: usize) -> Vec<i32> {
    let at = |list: &[i32], output: usize| list.get(output).copied().unwrap_or(0);
    let group = |first: usize| {
        let part = |list| (first..first + rows).map(move |output| at(list, output));
        part(bias).chain(part(multipliers))
    };
    (0..bias.len()).step_by(rows).flat_map(group).collect()
}

/// Depthwise 3x3 weights, from `[3][3][channels]` to `[channels][column][top, middle, middle, bottom]`.
pub fn depthwise(weights: &[i8], channels: usize) -> Vec<i8> {
    let columns = (0..channels).flat_map(|channel| (0..3).map(move |column| (channel, column)));
    let at = |(channel, column): (usize, usize), row: usize| weights[(row * 3 + column) * channels + channel];
    columns.flat_map(|place| [at(place, 0), at(place, 1), at(place, 1), at(place, 2)]).collect()
}
