//! Depthwise convolution with 3x3 taps, on rows that have been padded first.

use core::arch::global_asm;
use niwaki_blob::Conv2d;

global_asm!(
    ".thumb",
    ".global niwaki_v7m_depthwise",
    ".type niwaki_v7m_depthwise, %function",
    ".thumb_func",
    "niwaki_v7m_depthwise:",
    "push {{r3-r11, lr}}",
    // r0-r2: rows of taps, r3-r5: rows of weights, r6: channels, r11: sums, r12: their end.
    "mov r11, r3",
    "mov r6, r2",
    "mov r3, r1",
    "ldr r1, [sp, #40]",
    "add r2, r0, r1, lsl #1",
    "add r1, r0",
    "add r4, r3, r6",
    "add r4, r4, r6, lsl #1",
    "add r5, r4, r6",
    "add r5, r5, r6, lsl #1",
    "add r12, r11, r6, lsl #2",
    ".balign 4",
    "1:",
    "ldrsb r8, [r0, r6]",
    "ldrsb r9, [r3, r6]",
    "mul r7, r8, r9",
    "ldrsb r8, [r0, r6, lsl #1]",
    "ldrsb r9, [r3, r6, lsl #1]",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [r0], #1",
    "ldrsb r9, [r3], #1",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [r1, r6]",
    "ldrsb r9, [r4, r6]",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [r1, r6, lsl #1]",
    "ldrsb r9, [r4, r6, lsl #1]",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [r1], #1",
    "ldrsb r9, [r4], #1",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [r2, r6]",
    "ldrsb r9, [r5, r6]",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [r2, r6, lsl #1]",
    "ldrsb r9, [r5, r6, lsl #1]",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [r2], #1",
    "ldrsb r9, [r5], #1",
    "mla r7, r8, r9, r7",
    "str r7, [r11], #4",
    "cmp r11, r12",
    "bne 1b",
    "pop {{r3-r11, pc}}",
);

unsafe extern "C" {
    fn niwaki_v7m_depthwise(input: *const i8, weights: *const i8, channels: usize, sums: *mut i32, row: usize);
}

/// See [`crate::scalar::depthwise_conv2d`].
pub(crate) fn depthwise_conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    crate::pairs::depthwise_conv2d(op, input, output, scratch, niwaki_v7m_depthwise);
}
