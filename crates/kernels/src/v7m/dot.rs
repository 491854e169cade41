//! Sums of products of one filter with the packed windows of four pixels.

use crate::pairs::{CARRY, Dot, apart};
use core::arch::global_asm;

// Four elements at a time, two to a step, then the rest one by one.
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
    ".global niwaki_v7m_dot",
    ".type niwaki_v7m_dot, %function",
    ".thumb_func",
    "niwaki_v7m_dot:",
    "push {{r3-r11, lr}}",
    "push {{r2}}",
    "mov lr, r2",
    "mov r12, r3",
    "mov r2, #0",
    "mov r3, #0",
    "mov r4, #0",
    "mov r5, #0",
    "subs lr, #4",
    "blt 2f",
    ".balign 4",
    "1:",
    "niwaki_v7m_step",
    "niwaki_v7m_step",
    "subs lr, #4",
    "bge 1b",
    "2:",
    "adds lr, #4",
    "beq 4f",
    "3:",
    "ldm r0!, {{r6, r7}}",
    "ldrsb r10, [r1], #1",
    "mla r11, r6, r10, r12",
    "mla r6, r7, r10, r12",
    "add r2, r2, r11",
    "add r3, r3, r11, asr #16",
    "add r4, r4, r6",
    "add r5, r5, r6, asr #16",
    "subs lr, #1",
    "bne 3b",
    "4:",
    "ldr r0, [sp, #44]",
    "stm r0, {{r2-r5}}",
    "add sp, #4",
    "pop {{r3-r11, pc}}",
    ".purgem niwaki_v7m_step",
);

unsafe extern "C" {
    fn niwaki_v7m_dot(windows: *const i32, filter: *const i8, terms: usize, carry: i32, sums: *mut [i32; 4]);
}

/// One filter, four pixels.
pub(super) struct V7m;

impl Dot for V7m {
    const PAIRS: usize = 2;

    #[inline(always)]
    fn rows<const PIXELS: usize, const ROWS: usize>(
        windows: &[i32],
        filters: &[i8],
        terms: usize,
    ) -> [[i32; PIXELS]; ROWS] {
        let mut sums = [0; 4];
        if windows.len() >= 2 * terms && filters.len() >= terms {
            // SAFETY: there are two words and one weight for each term, and the kernel reads no more; it writes four
            // sums.
            unsafe { niwaki_v7m_dot(windows.as_ptr(), filters.as_ptr(), terms, CARRY, &raw mut sums) }
        }
        let steps = (terms / 4 * 2 + terms % 4) as i32;
        let [[a, b], [c, d]] = [[sums[0], sums[1]], [sums[2], sums[3]]].map(|[both, upper]| apart(both, upper, steps));
        let all = [a, b, c, d];
        [core::array::from_fn(|pixel| all.get(pixel).copied().unwrap_or(0)); ROWS]
    }
}
