//! Every filter times the packed windows of four pixels.

use crate::pairs::{CARRY, Filters};
use core::arch::global_asm;
use niwaki_blob::Conv2d;

/// What the assembly reads, at these offsets; it counts in it, too.
#[repr(C)]
struct Arguments {
    /// 0
    windows: *const i32,
    /// 4
    weights: *const i8,
    /// 8
    terms: usize,
    /// 12
    channels: usize,
    /// 16
    bias: *const i32,
    /// 20
    multipliers: *const i32,
    /// 24
    shift: u32,
    /// 28
    zero_point: i32,
    /// 32: what takes the carries of all steps off again
    carries: i32,
    /// 36
    steps: i32,
    /// 40
    outputs: [*mut i8; 4],
    /// 56
    min: i32,
    /// 60
    max: i32,
    /// 64: whether there is more to limit than int8
    limited: u32,
}

// r0: windows, r1: weights, r2 to r5: `both` and `upper` of two pairs, r12: the carry, lr: terms left.
global_asm!(
    ".thumb",
    ".macro niwaki_v7m_step",
    "ldm r0!, {{r6-r9}}",
    "ldrsb r10, [r1], #1",
    "mla r11, r6, r10, r12",
    "mla r6, r7, r10, r12",
    "ldrsb r10, [r1], #1",
    "mla r11, r8, r10, r11",
    "mla r6, r9, r10, r6",
    "add r2, r2, r11",
    "add r3, r3, r11, asr #16",
    "add r4, r4, r6",
    "add r5, r5, r6, asr #16",
    ".endm",
    ".macro niwaki_v7m_requantise sum",
    "lsl \\sum, \\sum, r7",
    "smull r9, r10, \\sum, r0",
    "adds r9, r9, #0x80000000",
    "adc \\sum, r10, r8",
    "ssat \\sum, #8, \\sum",
    ".endm",
    ".macro niwaki_v7m_limit sum",
    "cmp \\sum, r9",
    "it lt",
    "movlt \\sum, r9",
    "cmp \\sum, r10",
    "it gt",
    "movgt \\sum, r10",
    ".endm",
    ".global niwaki_v7m_filters",
    ".type niwaki_v7m_filters, %function",
    ".thumb_func",
    "niwaki_v7m_filters:",
    "push {{r3-r11, lr}}",
    "push {{r0}}",
    "mov r12, r1",
    "ldr r1, [r0, #4]",
    ".balign 4",
    "1:",
    "ldr r6, [sp]",
    "ldr r0, [r6]",
    "ldr lr, [r6, #8]",
    "ldr r7, [r6, #16]",
    "ldr r8, [r7], #4",
    "str r7, [r6, #16]",
    "ldrd r9, r10, [r6, #32]",
    "add r2, r8, r8, lsl #16",
    "add r2, r9",
    "mov r4, r2",
    "add r3, r8, r10",
    "mov r5, r3",
    "subs lr, #8",
    "blt 3f",
    ".balign 4",
    "2:",
    "niwaki_v7m_step",
    "niwaki_v7m_step",
    "niwaki_v7m_step",
    "niwaki_v7m_step",
    "subs lr, #8",
    "bge 2b",
    "3:",
    "adds lr, #8",
    "beq 5f",
    "4:",
    "ldm r0!, {{r6, r7}}",
    "ldrsb r10, [r1], #1",
    "mla r11, r6, r10, r12",
    "mla r6, r7, r10, r12",
    "add r2, r2, r11",
    "add r3, r3, r11, asr #16",
    "add r4, r4, r6",
    "add r5, r5, r6, asr #16",
    "subs lr, #1",
    "bne 4b",
    "5:",
    "ldr r6, [sp]",
    "ldr r7, [r6, #20]",
    "ldr r0, [r7], #4",
    "str r7, [r6, #20]",
    "ldrd r7, r8, [r6, #24]",
    "sub r2, r2, r3, lsl #16",
    "sub r4, r4, r5, lsl #16",
    "niwaki_v7m_requantise r2",
    "niwaki_v7m_requantise r3",
    "niwaki_v7m_requantise r4",
    "niwaki_v7m_requantise r5",
    "ldr r7, [r6, #64]",
    "cbz r7, 6f",
    "ldrd r9, r10, [r6, #56]",
    "niwaki_v7m_limit r2",
    "niwaki_v7m_limit r3",
    "niwaki_v7m_limit r4",
    "niwaki_v7m_limit r5",
    "6:",
    "add lr, r6, #40",
    "ldm lr, {{r7-r10}}",
    "strb r2, [r7], #1",
    "strb r3, [r8], #1",
    "strb r4, [r9], #1",
    "strb r5, [r10], #1",
    "stm lr, {{r7-r10}}",
    "ldr r7, [r6, #12]",
    "subs r7, #1",
    "str r7, [r6, #12]",
    "bne 1b",
    "add sp, #4",
    "pop {{r3-r11, pc}}",
    ".purgem niwaki_v7m_step",
    ".purgem niwaki_v7m_requantise",
    ".purgem niwaki_v7m_limit",
);

unsafe extern "C" {
    fn niwaki_v7m_filters(arguments: *mut Arguments, carry: i32);
}

/// The four pixels.
pub(super) struct Four;

impl Filters<4> for Four {
    #[inline(always)]
    fn apply(op: &Conv2d<'_>, terms: usize, packed: &[i32], output: &mut [i8], places: [usize; 4]) {
        let (channels, rule) = (op.output.channels, &op.requantise);
        let lists = op.bias.len().min(rule.multipliers.len());
        let room = places.iter().all(|place| place + channels <= output.len());
        let enough = op.weights.len() >= channels * terms && packed.len() >= 2 * terms && lists >= channels;
        if channels == 0 || !room || !enough {
            return;
        }
        // Eight terms at a time are four steps, one left over is one.
        let steps = (terms / 8 * 4 + terms % 8) as i32;
        let (min, max) = (rule.activation.min, rule.activation.max);
        let start = output.as_mut_ptr();
        let mut arguments = Arguments {
            windows: packed.as_ptr(),
            weights: op.weights.as_ptr(),
            terms,
            channels,
            bias: op.bias.as_ptr(),
            multipliers: rule.multipliers.as_ptr(),
            shift: rule.shift,
            zero_point: i32::from(rule.zero_point),
            carries: steps.wrapping_mul(CARRY).wrapping_neg(),
            steps,
            outputs: places.map(|place| start.wrapping_add(place)),
            min: i32::from(min),
            max: i32::from(max),
            limited: u32::from((min, max) != (i8::MIN, i8::MAX)),
        };
        // SAFETY: there are two words for each term, `terms` weights, a bias and a multiplier for each channel, and room
        // for every channel of each pixel, as was just seen; the kernel touches no more.
        unsafe { niwaki_v7m_filters(&raw mut arguments, CARRY) }
    }
}
