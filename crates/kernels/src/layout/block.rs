//! Plain weights as what SPEC.md calls block weights.

use super::Rows;
use alloc::{vec, vec::Vec};
use niwaki_blob::BLOCK_OUTPUTS;

/// The pieces of block weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocks {
    /// Units.
    pub weights: Vec<i8>,
    /// Units of every group, then the quad of every block; empty where every block is there.
    pub index: Vec<u16>,
}

impl Blocks {
    /// How many there are, with those of zeros that fill units up.
    pub fn count(&self, rows: usize) -> usize {
        self.weights.len() / (4 * rows)
    }
}

/// Biases or multipliers with the zeros that fill outputs up.
pub fn filled(list: &[i32]) -> Vec<i32> {
    let zeros = vec![0; list.len().next_multiple_of(BLOCK_OUTPUTS) - list.len()];
    [list, &zeros].concat()
}

impl Rows<'_> {
    /// Whether block weights can hold these: kernels add products in pairs, and know quads by 16 bits.
    pub fn blockable(&self) -> bool {
        (1..=1 << 18).contains(&self.terms) && !self.weights.contains(&i8::MIN)
    }

    /// Every block.
    pub fn dense_blocks(&self, rows: usize, unit: usize) -> Blocks {
        let mut weights = Vec::new();
        for group in 0..self.filled_outputs() / rows {
            let all: Vec<usize> = (0..self.terms.div_ceil(4).next_multiple_of(unit)).collect();
            all.chunks(unit).for_each(|quads| self.unit(group, rows, unit, quads, &mut weights));
        }
        Blocks { weights, index: Vec::new() }
    }

    /// The blocks that are not all zero.
    pub fn sparse_blocks(&self, rows: usize, unit: usize) -> Blocks {
        let (mut weights, mut units, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for group in 0..self.filled_outputs() / rows {
            let kept: Vec<usize> = (0..self.terms.div_ceil(4)).filter(|quad| !self.empty(group, rows, *quad)).collect();
            units.push(kept.len().div_ceil(unit) as u16);
            for quads in kept.chunks(unit) {
                self.unit(group, rows, unit, quads, &mut weights);
                // What fills a unit up multiplies the first quad with zeros.
                positions.extend((0..unit).map(|at| quads.get(at).map_or(0, |quad| *quad as u16)));
            }
        }
        units.extend(positions);
        Blocks { weights, index: units }
    }

    fn filled_outputs(&self) -> usize {
        self.outputs().next_multiple_of(BLOCK_OUTPUTS)
    }

    /// One unit: row by row where it has four blocks, block by block where it has two.
    fn unit(&self, group: usize, rows: usize, unit: usize, quads: &[usize], to: &mut Vec<i8>) {
        let mut piece = |row: usize, block: usize| {
            let at = |k: usize| quads.get(block).map_or(0, |quad| self.at(group * rows + row, quad * 4 + k));
            to.extend((0..4).map(at));
        };
        match unit {
            4 => (0..rows).for_each(|row| (0..unit).for_each(|block| piece(row, block))),
            _ => (0..unit).for_each(|block| (0..rows).for_each(|row| piece(row, block))),
        }
    }
}
