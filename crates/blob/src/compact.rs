//! Compact weights: those that are not zero, and a bit for each that there could be (SPEC.md, "Compact weights").

use crate::{Conv2d, FullyConnected, OpRecord};

/// [`Conv2d`] whose `weights` are only those that are not zero, in their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactConv2d<'a> {
    /// Everything else.
    pub conv: Conv2d<'a>,
    /// Per output, a bit for every term, from the lowest, in whole bytes: set where its weight is there.
    pub bits: &'a [u8],
}

impl CompactConv2d<'_> {
    /// Products of one output.
    pub const fn terms(&self) -> usize {
        let depth = match self.conv.input.channels.checked_div(self.conv.groups) {
            Some(depth) => depth,
            None => 0,
        };
        self.conv.window.kernel[0].saturating_mul(self.conv.window.kernel[1]).saturating_mul(depth)
    }
}

/// [`FullyConnected`] whose `weights` are only those that are not zero, in their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactFullyConnected<'a> {
    /// Everything else.
    pub layer: FullyConnected<'a>,
    /// Per output, a bit for every input, from the lowest, in whole bytes: set where its weight is there.
    pub bits: &'a [u8],
}

/// Where the bits start, and how many bytes they are.
pub(crate) fn bits(record: &OpRecord, outputs: usize, terms: usize) -> (u32, u64) {
    (record.q[1].unsigned_abs(), (outputs as u64).saturating_mul(terms.div_ceil(8) as u64))
}

/// Whether there is a weight for every bit, and no bit behind the last term of an output.
pub(crate) fn fits(record: &OpRecord, weights: &[i8], bits: &[u8], outputs: usize, terms: usize) -> bool {
    let row = terms.div_ceil(8);
    let unused = match terms % 8 {
        0 => 0u8,
        used => u8::MAX << used,
    };
    let set = bits.iter().fold(0u64, |sum, byte| sum + u64::from(byte.count_ones()));
    let ends = bits.iter().skip(row.saturating_sub(1)).step_by(row.max(1));
    terms > 0
        && record.q[0] >= 0
        && record.q[1] >= 0
        && bits.len() as u64 == outputs as u64 * row as u64
        && weights.len() as u64 == u64::from(record.q[0].unsigned_abs())
        && set == weights.len() as u64
        && ends.into_iter().all(|byte| byte & unused == 0)
}
