//! What the fully connected kernels share: everything but the products.

use super::{Rule, add_pairs, narrow, requantise};
use crate::simd::{STEP, Scalars};
use core::arch::aarch64::{int32x4_t, vaddq_s32, vget_low_s8, vld1q_s32, vshrq_n_s32, vst1_s8};
use niwaki_blob::FullyConnected;

/// Output channels at a time.
pub(super) const ROWS: usize = 8;

/// A layer whose slices were checked.
pub(super) struct Layer<'a> {
    op: &'a FullyConnected<'a>,
    input: &'a [i8],
    /// The first output channel whose row ends at least a step after the weights start.
    first: usize,
    /// Pairs of whole steps.
    pub(super) pairs: usize,
    /// Whether a whole step follows them.
    pub(super) single: bool,
    /// Whether elements follow that.
    pub(super) rest: bool,
    /// Those elements at the end of a step, after zeros: for a load that ends where a row does.
    pub(super) tail: [i8; STEP],
    rule: Rule,
}

impl<'a> Layer<'a> {
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn new(op: &'a FullyConnected<'a>, input: &'a [i8], output: &[i8]) -> Option<Self> {
        let good = input.len() == op.inputs
            && output.len() == op.outputs
            && op.inputs.checked_mul(op.outputs) == Some(op.weights.len())
            && op.bias.len() == op.outputs
            && op.requantise.multipliers.len() == op.outputs;
        let first = STEP.checked_div(op.inputs)?.saturating_sub(usize::from(STEP.is_multiple_of(op.inputs)));
        if !good || op.outputs < first + ROWS {
            return None;
        }
        let steps = op.inputs / STEP;
        let rest = input.get(steps * STEP..).unwrap_or_default();
        let mut tail = [0; STEP];
        tail.iter_mut().rev().zip(rest.iter().rev()).for_each(|(to, element)| *to = *element);
        let (pairs, single) = (steps / 2, steps % 2 == 1);
        let rule = Rule::new(&Scalars::of(&op.requantise));
        Some(Self { op, input, first, pairs, single, rest: !rest.is_empty(), tail, rule })
    }

    /// Computes the output channels that the groups leave out.
    pub(super) fn before(&self, output: &mut [i8]) {
        crate::scalar::fully_connected(self.op, self.input, output.get_mut(..self.first).unwrap_or_default());
    }

    /// First channels of the groups of [`ROWS`]. The last ends with the last channel: some are computed twice.
    pub(super) fn groups(&self) -> impl Iterator<Item = usize> + use<> {
        let last = self.op.outputs - ROWS;
        (self.first..self.op.outputs).step_by(ROWS).map(move |group| group.min(last))
    }

    /// Where the input and the rows of a group start.
    #[inline(always)]
    pub(super) fn starts(&self, group: usize) -> (*const i8, [*const i8; ROWS]) {
        let start = self.op.weights.as_ptr().wrapping_add(group * self.op.inputs);
        (self.input.as_ptr(), core::array::from_fn(|at| start.wrapping_add(at * self.op.inputs)))
    }

    /// Where the last step of each row starts, if the pairs and the single step moved `rows` to where they end.
    #[inline(always)]
    pub(super) fn last(&self, rows: [*const i8; ROWS]) -> [*const i8; ROWS] {
        let missing = STEP - self.op.inputs % STEP;
        rows.map(|row| row.wrapping_sub(missing))
    }

    /// Adds up each row's four sums, requantises and stores.
    ///
    /// # Safety
    /// `group` is one of [`Self::groups`] and `output` as long as the layer's.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn store(&self, acc: [int32x4_t; ROWS], group: usize, output: &mut [i8]) {
        let mut scaled = [acc[0]; 2];
        for (four, scaled) in scaled.iter_mut().enumerate() {
            let at = four * 4;
            let sums = add_pairs(add_pairs(acc[at], acc[at + 1]), add_pairs(acc[at + 2], acc[at + 3]));
            // SAFETY: there is one bias and one multiplier for each of the outputs, and `group` has `ROWS` of them.
            let (bias, multipliers) = unsafe {
                let at = group + at;
                (vld1q_s32(self.op.bias.as_ptr().add(at)), vld1q_s32(self.op.requantise.multipliers.as_ptr().add(at)))
            };
            *scaled = requantise(vaddq_s32(sums, bias), vshrq_n_s32::<1>(multipliers), &self.rule);
        }
        let result = vget_low_s8(narrow([scaled[0], scaled[1], scaled[0], scaled[1]], &self.rule));
        // SAFETY: so it is for the outputs.
        unsafe { vst1_s8(output.as_mut_ptr().add(group), result) };
    }
}
