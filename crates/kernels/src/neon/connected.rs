//! What the fully connected kernels share: everything but the products.

use super::{Rule, narrow, requantise};
use crate::simd::{STEP, Scalars};
use core::arch::aarch64::{int32x4_t, vaddq_s32, vget_low_s8, vld1q_s32, vpaddq_s32, vshrq_n_s32, vst1_s8};
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
        if !good || first >= op.outputs {
            return None;
        }
        let steps = op.inputs / STEP;
        let rest = &input[steps * STEP..];
        let mut tail = [0; STEP];
        tail[STEP - rest.len()..].copy_from_slice(rest);
        let (pairs, single) = (steps / 2, steps % 2 == 1);
        let rule = Rule::new(&Scalars::of(&op.requantise));
        Some(Self { op, input, first, pairs, single, rest: !rest.is_empty(), tail, rule })
    }

    /// Computes the output channels that the groups leave out.
    pub(super) fn before(&self, output: &mut [i8]) {
        crate::scalar::fully_connected(self.op, self.input, &mut output[..self.first]);
    }

    /// First channels of the groups of up to [`ROWS`].
    pub(super) fn groups(&self) -> impl Iterator<Item = usize> + use<> {
        (self.first..self.op.outputs).step_by(ROWS)
    }

    /// Where the input and the rows of a group start; rows that do not exist are the last again.
    #[inline(always)]
    pub(super) fn starts(&self, group: usize) -> (*const i8, [*const i8; ROWS]) {
        let start = self.op.weights.as_ptr().wrapping_add(group * self.op.inputs);
        let last = (self.op.outputs - 1 - group).min(ROWS - 1);
        let mut rows = [start; ROWS];
        for at in 1..ROWS {
            // Every channel has its row of weights.
            rows[at] = if at <= last { rows[at - 1].wrapping_add(self.op.inputs) } else { rows[at - 1] };
        }
        (self.input.as_ptr(), rows)
    }

    /// Where the last step of each row starts, if the pairs and the single step moved `rows` to where they end.
    #[inline(always)]
    pub(super) fn last(&self, rows: [*const i8; ROWS]) -> [*const i8; ROWS] {
        let missing = STEP - self.op.inputs % STEP;
        rows.map(|row| row.wrapping_sub(missing))
    }

    /// Adds up each row's four sums, requantises, and stores as many as the group has.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn store(&self, acc: [int32x4_t; ROWS], group: usize, output: &mut [i8]) {
        let valid = ROWS.min(self.op.outputs - group);
        let mut edge = [[0; ROWS]; 2];
        let mut numbers = [&self.op.bias[group..], &self.op.requantise.multipliers[group..]].map(<[i32]>::as_ptr);
        if valid < ROWS {
            edge[0][..valid].copy_from_slice(&self.op.bias[group..]);
            edge[1][..valid].copy_from_slice(&self.op.requantise.multipliers[group..]);
            numbers = [edge[0].as_ptr(), edge[1].as_ptr()];
        }
        let [bias, multipliers] = numbers;
        let scaled = [0, 4].map(|at| {
            let sums = vpaddq_s32(vpaddq_s32(acc[at], acc[at + 1]), vpaddq_s32(acc[at + 2], acc[at + 3]));
            // SAFETY: there are `ROWS` biases and multipliers.
            let (bias, multipliers) = unsafe { (vld1q_s32(bias.add(at)), vld1q_s32(multipliers.add(at))) };
            requantise(vaddq_s32(sums, bias), vshrq_n_s32::<1>(multipliers), &self.rule)
        });
        let result = vget_low_s8(narrow([scaled[0], scaled[1], scaled[0], scaled[1]], &self.rule));
        let output = &mut output[group..group + valid];
        if valid == ROWS {
            // SAFETY: the output has `valid` channels from `group` on.
            unsafe { vst1_s8(output.as_mut_ptr(), result) };
        } else {
            let mut bytes = [0i8; ROWS];
            // SAFETY: `bytes` is as long as what is stored.
            unsafe { vst1_s8(bytes.as_mut_ptr(), result) };
            output.copy_from_slice(&bytes[..valid]);
        }
    }
}
