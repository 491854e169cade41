//! Depthwise convolution with 3x3 taps, on rows that have been padded first.

use crate::lanes::Taps;
use core::arch::global_asm;
use niwaki_blob::Conv2d;

// r0 to r2: rows of taps, r3 to r5: rows of weights, r6: channels, r10: biases, r11: multipliers, r12: outputs, lr: their
// end. On the stack: shift, zero point, min, max.
global_asm!(
    ".thumb",
    ".macro niwaki_v7m_taps taps, weights",
    "ldrsb r8, [\\taps, r6]",
    "ldrsb r9, [\\weights, r6]",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [\\taps, r6, lsl #1]",
    "ldrsb r9, [\\weights, r6, lsl #1]",
    "mla r7, r8, r9, r7",
    "ldrsb r8, [\\taps], #1",
    "ldrsb r9, [\\weights], #1",
    "mla r7, r8, r9, r7",
    ".endm",
    ".macro niwaki_v7m_channel limited",
    "ldr r7, [r10], #4",
    "niwaki_v7m_taps r0, r3",
    "niwaki_v7m_taps r1, r4",
    "niwaki_v7m_taps r2, r5",
    "ldrd r8, r9, [sp]",
    "lsl r7, r7, r8",
    "ldr r8, [r11], #4",
    "smull r8, r7, r7, r8",
    "adds r8, r8, #0x80000000",
    "adc r7, r7, r9",
    ".if \\limited",
    "ldrd r8, r9, [sp, #8]",
    "cmp r7, r8",
    "it lt",
    "movlt r7, r8",
    "cmp r7, r9",
    "it gt",
    "movgt r7, r9",
    ".else",
    "ssat r7, #8, r7",
    ".endif",
    "strb r7, [r12], #1",
    "cmp r12, lr",
    "bne 1b",
    ".endm",
    ".macro niwaki_v7m_depthwise name, limited",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "push {{r3-r11, lr}}",
    "ldrd r7, r8, [r0, #36]",
    "push {{r7, r8}}",
    "ldrd r7, r8, [r0, #28]",
    "push {{r7, r8}}",
    "ldrd r6, r1, [r0, #8]",
    "ldrd r10, r11, [r0, #16]",
    "ldr r12, [r0, #24]",
    "ldrd r7, r3, [r0]",
    "add lr, r12, r6",
    "mov r0, r7",
    "add r2, r0, r1, lsl #1",
    "add r1, r0",
    "add r8, r6, r6, lsl #1",
    "add r4, r3, r8",
    "add r5, r4, r8",
    ".balign 4",
    "1:",
    "niwaki_v7m_channel \\limited",
    "add sp, #16",
    "pop {{r3-r11, pc}}",
    ".endm",
    "niwaki_v7m_depthwise niwaki_v7m_depthwise_all, 0",
    "niwaki_v7m_depthwise niwaki_v7m_depthwise_limited, 1",
    ".purgem niwaki_v7m_taps",
    ".purgem niwaki_v7m_channel",
    ".purgem niwaki_v7m_depthwise",
);

unsafe extern "C" {
    fn niwaki_v7m_depthwise_all(taps: *const Taps);
    fn niwaki_v7m_depthwise_limited(taps: *const Taps);
}

/// See [`crate::scalar::depthwise_conv2d`].
pub(crate) fn depthwise_conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let whole = (op.requantise.activation.min, op.requantise.activation.max) == (i8::MIN, i8::MAX);
    let kernel = if whole { niwaki_v7m_depthwise_all } else { niwaki_v7m_depthwise_limited };
    crate::lanes::depthwise_conv2d(op, input, output, scratch, kernel);
}
