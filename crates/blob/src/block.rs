//! Block weights: bytes as they are, in blocks of some outputs times four terms (SPEC.md, "Block weights").

use crate::{Activation, OpRecord, Shape, Window, fits::multiplier};

/// Outputs are filled up to a multiple of this many.
pub const BLOCK_OUTPUTS: usize = 4;

/// Most terms of an output: a quad's number fits 16 bits.
const MAX_TERMS: usize = 1 << 18;

/// Weights in blocks of `rows` outputs times four terms, of which those that are all zero may be left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockWeights<'a> {
    /// Outputs of a block: 1, 2 or 4.
    pub rows: usize,
    /// Blocks of a unit: 2, block by block, or 4, row by row.
    pub unit: usize,
    /// Units of `4 * rows * unit` bytes. No weight is -128.
    pub weights: &'a [i8],
    /// Units of every group, then the quad of every block. Empty where every group has all quads, in order.
    pub index: &'a [u16],
    /// One per output, and zeros up to a multiple of [`BLOCK_OUTPUTS`].
    pub bias: &'a [i32],
    /// As the biases.
    pub multipliers: &'a [i32],
    /// Output value that stands for zero.
    pub zero_point: i8,
    /// Output range.
    pub activation: Activation,
}

impl BlockWeights<'_> {
    /// Whether every block is there.
    pub const fn is_dense(&self) -> bool {
        self.index.is_empty()
    }

    /// Groups of `rows` outputs, those that outputs are filled up with included.
    pub const fn groups(&self) -> usize {
        // Rows are 1, 2 or 4 once a blob was read.
        match self.rows {
            1 => self.bias.len(),
            2 => self.bias.len() / 2,
            _ => self.bias.len() / 4,
        }
    }

    /// Bytes of a unit.
    pub const fn unit_bytes(&self) -> usize {
        4 * self.rows * self.unit
    }
}

/// [`crate::Conv2d`] with one group and block weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockConv2d<'a> {
    /// Input shape.
    pub input: Shape,
    /// Output shape.
    pub output: Shape,
    /// Taps.
    pub window: Window,
    /// What padding reads.
    pub input_zero_point: i8,
    /// Weights and output rules.
    pub blocks: BlockWeights<'a>,
}

impl BlockConv2d<'_> {
    /// Products of one output.
    pub const fn terms(&self) -> usize {
        self.window.kernel[0].saturating_mul(self.window.kernel[1]).saturating_mul(self.input.channels)
    }

    /// Products of one output, in fours; the last four may have fewer.
    pub const fn quads(&self) -> usize {
        self.terms().div_ceil(4)
    }
}

/// [`crate::FullyConnected`] with block weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockFullyConnected<'a> {
    /// Elements of the input.
    pub inputs: usize,
    /// Elements of the output.
    pub outputs: usize,
    /// Weights and output rules.
    pub blocks: BlockWeights<'a>,
}

impl BlockFullyConnected<'_> {
    /// Products of one output, in fours; the last four may have fewer.
    pub const fn quads(&self) -> usize {
        self.inputs.div_ceil(4)
    }
}

/// What a record says of its block weights before anything is looked up.
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) unit: usize,
    /// Outputs, filled up.
    pub(crate) outputs: usize,
    /// Bytes of weights.
    pub(crate) weights: u64,
    /// Where the index starts, and its entries; none for dense weights.
    pub(crate) index: Option<(u32, u64)>,
}

impl Extent {
    pub(crate) fn of(record: &OpRecord, outputs: usize, quads: usize) -> Self {
        let rows = record.q[0].clamp(0, 4) as usize;
        let unit = usize::from(record.groups.min(4));
        let outputs = outputs.next_multiple_of(BLOCK_OUTPUTS);
        let groups = outputs.checked_div(rows).unwrap_or(0) as u64;
        let block = 4 * rows as u64;
        let all = groups.saturating_mul((quads as u64).next_multiple_of(unit.max(1) as u64));
        match u32::try_from(record.q[2]) {
            Ok(start) => {
                let blocks = u64::from(record.q[1].unsigned_abs());
                Self { rows, unit, outputs, weights: blocks * block, index: Some((start, groups + blocks)) }
            }
            Err(_) => Self { rows, unit, outputs, weights: all.saturating_mul(block), index: None },
        }
    }
}

/// Whether a kernel can follow the index without looking where it leads, and multiply in pairs.
pub(crate) fn fits(record: &OpRecord, blocks: &BlockWeights<'_>, outputs: usize, terms: usize) -> bool {
    let quads = terms.div_ceil(4);
    let extent = Extent::of(record, outputs, quads);
    let shaped = record.shift == 0
        && matches!(blocks.rows, 1 | 2 | 4)
        && matches!(blocks.unit, 2 | 4)
        && record.q[1] >= 0
        && record.q[2] >= -1
        && (1..=MAX_TERMS).contains(&terms)
        && blocks.bias.len() == extent.outputs
        && blocks.multipliers.len() == extent.outputs
        && blocks.weights.len() as u64 == extent.weights
        && blocks.index.len() as u64 == extent.index.map_or(0, |(_, entries)| entries);
    let (units, positions) = blocks.index.split_at_checked(blocks.groups()).unwrap_or_default();
    let counted = units.iter().fold(0u64, |sum, units| sum + u64::from(*units)) * blocks.unit as u64;
    shaped
        && counted == positions.len() as u64
        && positions.iter().all(|quad| usize::from(*quad) < quads)
        && blocks.multipliers.iter().all(|value| multiplier(*value))
        && !blocks.weights.contains(&i8::MIN)
}
