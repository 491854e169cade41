//! Fully connected layer: four rows at a time share the inputs that they read.
//!
//! Each product is widened on its own, so that any weight may be -128: finding out that none is costs more, where every weight
//! is used but once.

use crate::simd::STEP;
use core::arch::global_asm;
use niwaki_blob::{FullyConnected, requantise};

const ROWS: usize = 4;

global_asm!(
    ".arm",
    ".fpu neon",
    ".global niwaki_neon32_rows",
    ".type niwaki_neon32_rows, %function",
    ".balign 4",
    "niwaki_neon32_rows:",
    "push {{r4-r6, lr}}",
    "add r4, r1, r2",
    "add r5, r4, r2",
    "add r6, r5, r2",
    "vmov.i32 q0, #0",
    "vmov.i32 q1, #0",
    "vmov.i32 q2, #0",
    "vmov.i32 q3, #0",
    "1:",
    "vld1.8 {{d16, d17}}, [r0]!",
    "vld1.8 {{d18, d19}}, [r1]!",
    "vld1.8 {{d20, d21}}, [r4]!",
    "vmull.s8 q13, d16, d18",
    "vmull.s8 q14, d16, d20",
    "vmull.s8 q15, d17, d19",
    "vpadal.s16 q0, q13",
    "vmull.s8 q13, d17, d21",
    "vpadal.s16 q1, q14",
    "vld1.8 {{d22, d23}}, [r5]!",
    "vld1.8 {{d24, d25}}, [r6]!",
    "vpadal.s16 q0, q15",
    "vmull.s8 q14, d16, d22",
    "vmull.s8 q15, d16, d24",
    "vpadal.s16 q1, q13",
    "subs r3, r3, #1",
    "vmull.s8 q13, d17, d23",
    "vpadal.s16 q2, q14",
    "vmull.s8 q14, d17, d25",
    "vpadal.s16 q3, q15",
    "vpadal.s16 q2, q13",
    "vpadal.s16 q3, q14",
    "bne 1b",
    "vpadd.i32 d0, d0, d1",
    "vpadd.i32 d2, d2, d3",
    "vpadd.i32 d4, d4, d5",
    "vpadd.i32 d6, d6, d7",
    "vpadd.i32 d0, d0, d2",
    "vpadd.i32 d1, d4, d6",
    "ldr r0, [sp, #16]",
    "vst1.32 {{d0, d1}}, [r0]",
    "pop {{r4-r6, pc}}",
    ".size niwaki_neon32_rows, . - niwaki_neon32_rows",
);

unsafe extern "C" {
    /// Sums of the products of [`ROWS`] rows, `pitch` bytes apart, over the first `steps` (at least one) vectors.
    ///
    /// # Safety
    /// The CPU has NEON. Input and rows have that many vectors; there is room for the sums.
    fn niwaki_neon32_rows(input: *const i8, rows: *const i8, pitch: usize, steps: usize, sums: *mut [i32; ROWS]);
}

/// [`crate::scalar::fully_connected`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON.
pub(super) unsafe fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let (steps, outputs) = (op.inputs / STEP, op.outputs);
    let good = input.len() == op.inputs
        && output.len() == outputs
        && op.inputs.checked_mul(outputs) == Some(op.weights.len())
        && op.bias.len() == outputs;
    if !good || steps == 0 || outputs < ROWS {
        return false;
    }
    for first in (0..outputs).step_by(ROWS) {
        // Where less than four are left, the last four again.
        let first = first.min(outputs - ROWS);
        let Some(rows) = op.weights.get(first * op.inputs..(first + ROWS) * op.inputs) else { return false };
        let mut sums = [0; ROWS];
        // SAFETY: the caller vouches for the CPU. The input and four rows have `inputs` elements, at least `steps` vectors.
        unsafe { niwaki_neon32_rows(input.as_ptr(), rows.as_ptr(), op.inputs, steps, &mut sums) };
        for ((channel, sum), row) in (first..).zip(sums).zip(rows.chunks_exact(op.inputs)) {
            let rest = row.iter().zip(input).skip(steps * STEP);
            let sum = rest.fold(sum, |sum, (w, x)| sum.wrapping_add(i32::from(*w) * i32::from(*x)));
            if let (Some(bias), Some(to)) = (op.bias.get(channel), output.get_mut(channel)) {
                *to = requantise(sum.wrapping_add(*bias), channel, &op.requantise);
            }
        }
    }
    true
}
