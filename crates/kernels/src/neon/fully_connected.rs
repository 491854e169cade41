//! Fully connected layer without dot products.

use super::{Rule, conv2d::multiply_add, narrow, requantise};
use crate::simd::{STEP, Scalars};
use core::arch::aarch64::{vaddq_s32, vdupq_n_s32, vld1q_s8, vld1q_s32, vpaddq_s32, vst1q_s8};
use niwaki_blob::FullyConnected;

/// Output channels at a time.
const ROWS: usize = 4;

/// [`crate::scalar::fully_connected`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let Some(layer) = Layer::new(op, input, output) else { return false };
    let rule = Rule::new(&Scalars::of(&op.requantise));
    let (head, output) = output.split_at_mut(layer.first);
    layer.scalar_head(input, head);
    for (tile, out) in output.chunks_mut(ROWS).enumerate() {
        let group = layer.group::<ROWS>(layer.first + tile * ROWS);
        let mut acc = [vdupq_n_s32(0); ROWS];
        for at in (0..layer.whole).step_by(STEP) {
            // SAFETY: the input has `whole` elements.
            let x = unsafe { vld1q_s8(input.as_ptr().add(at)) };
            for (acc, row) in acc.iter_mut().zip(group.rows) {
                // SAFETY: so has every row.
                *acc = multiply_add::<false>(*acc, x, unsafe { vld1q_s8(row.add(at)) });
            }
        }
        if layer.whole < op.inputs {
            // SAFETY: the tail is as long as what is loaded.
            let x = unsafe { vld1q_s8(layer.tail.as_ptr()) };
            for (acc, row) in acc.iter_mut().zip(group.rows) {
                // SAFETY: `STEP` weights end where a row from `first` on does.
                *acc = multiply_add::<false>(*acc, x, unsafe { vld1q_s8(row.add(op.inputs).sub(STEP)) });
            }
        }
        let sums = vpaddq_s32(vpaddq_s32(acc[0], acc[1]), vpaddq_s32(acc[2], acc[3]));
        // SAFETY: there are `ROWS` biases and multipliers.
        let (bias, multipliers) = unsafe { (vld1q_s32(group.bias.as_ptr()), vld1q_s32(group.half.as_ptr())) };
        let scaled = requantise(vaddq_s32(sums, bias), multipliers, &rule);
        let mut bytes = [0i8; STEP];
        // SAFETY: `bytes` is as long as what is stored.
        unsafe { vst1q_s8(bytes.as_mut_ptr(), narrow([scaled; 4], &rule)) };
        for (out, byte) in out.iter_mut().zip(bytes) {
            *out = byte;
        }
    }
    true
}

/// A layer whose slices were checked.
pub(super) struct Layer<'a> {
    op: &'a FullyConnected<'a>,
    /// The first output channel whose row ends at least a step after the weights start.
    pub(super) first: usize,
    /// Elements in whole steps.
    pub(super) whole: usize,
    /// The last elements of the input at the end of a step, after zeros: for a load that ends where a row does.
    pub(super) tail: [i8; STEP],
}

/// Some output channels; the last one again where there are fewer.
pub(super) struct Group<const N: usize> {
    pub(super) rows: [*const i8; N],
    pub(super) bias: [i32; N],
    pub(super) half: [i32; N],
}

impl<'a> Layer<'a> {
    pub(super) fn new(op: &'a FullyConnected<'a>, input: &[i8], output: &[i8]) -> Option<Self> {
        let good = input.len() == op.inputs
            && output.len() == op.outputs
            && op.inputs.checked_mul(op.outputs) == Some(op.weights.len())
            && op.bias.len() == op.outputs
            && op.requantise.multipliers.len() == op.outputs;
        let first = STEP.checked_div(op.inputs)?.saturating_sub(usize::from(STEP.is_multiple_of(op.inputs)));
        if !good || first >= op.outputs {
            return None;
        }
        let whole = op.inputs / STEP * STEP;
        let mut tail = [0; STEP];
        tail[STEP - (op.inputs - whole)..].copy_from_slice(&input[whole..]);
        Some(Self { op, first, whole, tail })
    }

    /// Computes the output channels before `first`.
    pub(super) fn scalar_head(&self, input: &[i8], output: &mut [i8]) {
        crate::scalar::fully_connected(self.op, input, output);
    }

    #[inline(always)]
    pub(super) fn group<const N: usize>(&self, first: usize) -> Group<N> {
        let channels: [usize; N] = core::array::from_fn(|at| (first + at).min(self.op.outputs - 1));
        Group {
            // SAFETY: every channel has its row of weights.
            rows: channels.map(|channel| unsafe { self.op.weights.as_ptr().add(channel * self.op.inputs) }),
            bias: channels.map(|channel| self.op.bias[channel]),
            half: channels.map(|channel| self.op.requantise.multipliers[channel] >> 1),
        }
    }
}
