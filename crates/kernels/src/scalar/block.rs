//! Units of block weights, one weight at a time (SPEC.md, "Block weights").

use niwaki_blob::{BLOCK_OUTPUTS, BlockWeights, Requantise, requantise};

/// Four outputs of one window or vector, whose terms `term` reads.
pub(super) struct Blocks<'a> {
    blocks: &'a BlockWeights<'a>,
    /// What follows what was visited.
    weights: &'a [i8],
    units: &'a [u16],
    positions: &'a [u16],
    /// Quads of a dense group.
    quads: usize,
}

impl<'a> Blocks<'a> {
    /// Before the first group.
    pub(super) fn new(blocks: &'a BlockWeights<'a>, quads: usize) -> Self {
        let (units, positions) = blocks.index.split_at_checked(blocks.groups()).unwrap_or_default();
        Self { blocks, weights: blocks.weights, units, positions, quads }
    }

    /// The next four outputs, or as many as `out` has, which are those from `first` on.
    pub(super) fn four(&mut self, first: usize, term: impl Fn(usize) -> i8, out: &mut [i8]) {
        let mut sums = [0i32; BLOCK_OUTPUTS];
        for sums in sums.chunks_mut(self.blocks.rows.max(1)) {
            self.group(&term, sums);
        }
        let rule = Requantise {
            multipliers: self.blocks.multipliers,
            shift: 0,
            zero_point: self.blocks.zero_point,
            activation: self.blocks.activation,
        };
        for ((at, out), sum) in (first..).zip(out).zip(sums) {
            let bias = self.blocks.bias.get(at).copied().unwrap_or(0);
            *out = requantise(sum.wrapping_add(bias), at, &rule);
        }
    }

    /// Adds the products of the next group.
    fn group(&mut self, term: &impl Fn(usize) -> i8, sums: &mut [i32]) {
        let unit = self.blocks.unit.max(1);
        let dense = self.blocks.is_dense();
        let units = match (dense, self.units.split_first()) {
            (true, _) => self.quads.div_ceil(unit),
            (false, Some((units, rest))) => {
                self.units = rest;
                usize::from(*units)
            }
            (false, None) => 0,
        };
        for at in 0..units {
            let (weights, rest) = self.weights.split_at_checked(self.blocks.unit_bytes()).unwrap_or_default();
            self.weights = rest;
            let (positions, rest) = self.positions.split_at_checked(unit).unwrap_or_default();
            self.positions = rest;
            // Row by row where a unit has four blocks, block by block where it has two.
            let [row_step, block_step] = if unit == 4 { [16, 4] } else { [4, 4 * self.blocks.rows] };
            for block in 0..unit {
                let quad =
                    if dense { at * unit + block } else { positions.get(block).map_or(0, |at| usize::from(*at)) };
                let terms: [i8; 4] = core::array::from_fn(|k| term(quad * 4 + k));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let weights = weights.get(row * row_step + block * block_step..).unwrap_or_default();
                    let products = terms.iter().zip(weights).map(|(x, w)| i32::from(*x) * i32::from(*w));
                    *sum = sum.wrapping_add(products.sum());
                }
            }
        }
    }
}
