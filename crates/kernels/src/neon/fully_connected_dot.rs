//! Fully connected layer with dot products.

use super::{Rule, fully_connected::Layer, narrow, requantise};
use crate::simd::{STEP, Scalars};
use core::{
    arch::aarch64::{vaddq_s32, vdupq_n_s32, vld1q_s8, vld1q_s32, vpaddq_s32, vst1q_s8},
    arch::asm,
};
use niwaki_blob::FullyConnected;

/// Output channels at a time.
const ROWS: usize = 8;

/// Adds to each of the four sums of `acc` four products. The intrinsic is not stable yet.
macro_rules! dot {
    ($acc:expr, $w:expr, $x:expr) => {
        // SAFETY: the function around it is only called on CPUs with dot products. Registers are all it touches.
        unsafe {
            asm!(
                "sdot {acc:v}.4s, {w:v}.16b, {x:v}.16b",
                acc = inout(vreg) $acc, w = in(vreg) $w, x = in(vreg) $x,
                options(pure, nomem, nostack, preserves_flags)
            )
        }
    };
}

/// [`crate::scalar::fully_connected`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON and its dot products.
#[target_feature(enable = "neon,dotprod")]
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
                let w = unsafe { vld1q_s8(row.add(at)) };
                dot!(*acc, w, x);
            }
        }
        if layer.whole < op.inputs {
            // SAFETY: the tail is as long as what is loaded.
            let x = unsafe { vld1q_s8(layer.tail.as_ptr()) };
            for (acc, row) in acc.iter_mut().zip(group.rows) {
                // SAFETY: `STEP` weights end where a row from `first` on does.
                let w = unsafe { vld1q_s8(row.add(op.inputs).sub(STEP)) };
                dot!(*acc, w, x);
            }
        }
        let scaled = [0, 4].map(|at| {
            let sums = vpaddq_s32(vpaddq_s32(acc[at], acc[at + 1]), vpaddq_s32(acc[at + 2], acc[at + 3]));
            // SAFETY: there are `ROWS` biases and multipliers.
            let (bias, half) = unsafe { (vld1q_s32(group.bias.as_ptr().add(at)), vld1q_s32(group.half.as_ptr().add(at))) };
            requantise(vaddq_s32(sums, bias), half, &rule)
        });
        let mut bytes = [0i8; STEP];
        // SAFETY: `bytes` is as long as what is stored.
        unsafe { vst1q_s8(bytes.as_mut_ptr(), narrow([scaled[0], scaled[1], scaled[0], scaled[1]], &rule)) };
        for (out, byte) in out.iter_mut().zip(bytes) {
            *out = byte;
        }
    }
    true
}
