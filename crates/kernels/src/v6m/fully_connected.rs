//! Fully connected layer: four rows at a time share the inputs that they read.

use crate::v6m::requantise::{Rule, requantise};
use core::arch::global_asm;
use niwaki_blob::FullyConnected;

// r0 to r4: ends of the inputs and of four rows, r5: minus the terms left, r8 to r11: sums.
global_asm!(
    ".thumb",
    ".macro niwaki_v6m_term",
    "ldrsb r6, [r0, r5]",
    "ldrsb r7, [r1, r5]",
    "muls r7, r6, r7",
    "add r8, r7",
    "ldrsb r7, [r2, r5]",
    "muls r7, r6, r7",
    "add r9, r7",
    "ldrsb r7, [r3, r5]",
    "muls r7, r6, r7",
    "add r10, r7",
    "ldrsb r7, [r4, r5]",
    "muls r7, r6, r7",
    "add r11, r7",
    "adds r5, r5, #1",
    ".endm",
    ".global niwaki_v6m_rows",
    ".type niwaki_v6m_rows, %function",
    ".thumb_func",
    "niwaki_v6m_rows:",
    "push {{r3-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r3-r7}}",
    "rsbs r5, r2, #0",
    "adds r0, r0, r2",
    "adds r1, r1, r2",
    "adds r3, r2, r2",
    "adds r2, r2, r1",
    "adds r4, r3, r2",
    "adds r3, r3, r1",
    "movs r7, #0",
    "mov r8, r7",
    "mov r9, r7",
    "mov r10, r7",
    "mov r11, r7",
    "lsls r7, r5, #31",
    "beq 3f",
    "niwaki_v6m_term",
    "beq 2f",
    "3:",
    "lsls r7, r5, #30",
    "beq 1f",
    "niwaki_v6m_term",
    "niwaki_v6m_term",
    "beq 2f",
    ".balign 4",
    "1:",
    "niwaki_v6m_term",
    "niwaki_v6m_term",
    "niwaki_v6m_term",
    "niwaki_v6m_term",
    "bne 1b",
    "2:",
    "ldr r0, [sp]",
    "mov r2, r8",
    "mov r3, r9",
    "mov r4, r10",
    "mov r5, r11",
    "stmia r0!, {{r2-r5}}",
    "pop {{r3-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r3-r7, pc}}",
    ".purgem niwaki_v6m_term",
);

unsafe extern "C" {
    fn niwaki_v6m_rows(input: *const i8, weights: *const i8, terms: usize, sums: *mut [i32; 4]);
}

/// See [`crate::scalar::fully_connected`].
pub(crate) fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    let outputs = output.len();
    if outputs < 4 || input.len() < op.inputs || op.inputs == 0 {
        return crate::scalar::fully_connected(op, input, output);
    }
    let rule = Rule::new(&op.requantise);
    for first in (0..outputs).step_by(4) {
        // Where less than four are left, the last four again.
        let first = first.min(outputs - 4);
        let Some(weights) = op.weights.get(first * op.inputs..(first + 4) * op.inputs) else { return };
        let mut sums = [0; 4];
        // SAFETY: there are `inputs` inputs and four rows of as many weights.
        unsafe { niwaki_v6m_rows(input.as_ptr(), weights.as_ptr(), op.inputs, &raw mut sums) }
        for (channel, sum) in (first..).zip(sums) {
            let list = op.bias.get(channel).zip(op.requantise.multipliers.get(channel));
            if let (Some((bias, multiplier)), Some(out)) = (list, output.get_mut(channel)) {
                // SAFETY: there is one output, here.
                unsafe { requantise(&[sum.wrapping_add(*bias)], *multiplier, &rule, out, 0) }
            }
        }
    }
}
