//! Fully connected layer: four rows at a time share the inputs that they read.

use core::arch::global_asm;
use niwaki_blob::{FullyConnected, requantise};

global_asm!(
    ".thumb",
    ".macro niwaki_v7m_term",
    "ldrsb r6, [r0], #1",
    "ldrsb r7, [r1], #1",
    "mla r2, r6, r7, r2",
    "ldrsb r7, [r8], #1",
    "mla r3, r6, r7, r3",
    "ldrsb r7, [r9], #1",
    "mla r4, r6, r7, r4",
    "ldrsb r7, [r10], #1",
    "mla r5, r6, r7, r5",
    ".endm",
    ".global niwaki_v7m_rows",
    ".type niwaki_v7m_rows, %function",
    ".thumb_func",
    "niwaki_v7m_rows:",
    "push {{r3-r11, lr}}",
    "mov lr, r2",
    "mov r12, r3",
    "add r8, r1, r2",
    "add r9, r8, r2",
    "add r10, r9, r2",
    "mov r2, #0",
    "mov r3, #0",
    "mov r4, #0",
    "mov r5, #0",
    "subs lr, #8",
    "blt 2f",
    ".balign 4",
    "1:",
    "niwaki_v7m_term",
    "niwaki_v7m_term",
    "niwaki_v7m_term",
    "niwaki_v7m_term",
    "niwaki_v7m_term",
    "niwaki_v7m_term",
    "niwaki_v7m_term",
    "niwaki_v7m_term",
    "subs lr, #8",
    "bge 1b",
    "2:",
    "adds lr, #8",
    "beq 4f",
    "3:",
    "niwaki_v7m_term",
    "subs lr, #1",
    "bne 3b",
    "4:",
    "stm r12, {{r2-r5}}",
    "pop {{r3-r11, pc}}",
    ".purgem niwaki_v7m_term",
);

unsafe extern "C" {
    fn niwaki_v7m_rows(input: *const i8, weights: *const i8, terms: usize, sums: *mut [i32; 4]);
}

/// See [`crate::scalar::fully_connected`].
pub(crate) fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    let outputs = output.len();
    if outputs < 4 || input.len() < op.inputs {
        return crate::scalar::fully_connected(op, input, output);
    }
    for first in (0..outputs).step_by(4) {
        // Where less than four are left, the last four again.
        let first = first.min(outputs - 4);
        let Some(weights) = op.weights.get(first * op.inputs..(first + 4) * op.inputs) else { return };
        let mut sums = [0; 4];
        // SAFETY: there are `inputs` inputs and four rows of as many weights.
        unsafe { niwaki_v7m_rows(input.as_ptr(), weights.as_ptr(), op.inputs, &raw mut sums) }
        for (channel, sum) in (first..).zip(sums) {
            if let (Some(bias), Some(out)) = (op.bias.get(channel), output.get_mut(channel)) {
                *out = requantise(sum.wrapping_add(*bias), channel, &op.requantise);
            }
        }
    }
}
