//! Requantisation in assembly: a 64-bit product's upper word by four 16-bit products, as
//! the tests of `lanes::rounding` say it.

use core::arch::global_asm;
use niwaki_blob::Requantise;

/// What the assembly reads, at these offsets.
#[repr(C)]
pub(super) struct Rule {
    /// 0
    zero_point: i32,
    /// 4
    min: i32,
    /// 8
    max: i32,
    /// 12
    shift: u32,
}

impl Rule {
    pub(super) fn new(rule: &Requantise<'_>) -> Self {
        let (min, max) = (i32::from(rule.activation.min), i32::from(rule.activation.max));
        Self { zero_point: i32::from(rule.zero_point), min, max, shift: rule.shift }
    }
}

// r0: sums, r1: how many, r2: multiplier, r3: rule, on the stack: outputs, from an output to the next.
global_asm!(
    ".thumb",
    ".global niwaki_v6m_requantise",
    ".type niwaki_v6m_requantise, %function",
    ".thumb_func",
    "niwaki_v6m_requantise:",
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "ldmia r3!, {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "movs r4, #128",
    "lsls r4, r4, #8",
    "mov r12, r4",
    "lsls r1, r1, #2",
    "adds r1, r0, r1",
    "mov lr, r1",
    "uxth r6, r2",
    "asrs r7, r2, #16",
    "1:",
    "ldmia r0!, {{r4}}",
    "mov r1, r11",
    "lsls r4, r1",
    "asrs r1, r4, #16",
    "uxth r2, r4",
    "mov r3, r1",
    "muls r3, r6, r3",
    "mov r4, r2",
    "muls r4, r6, r4",
    "lsrs r4, r4, #16",
    "adds r3, r3, r4",
    "muls r2, r7, r2",
    "muls r1, r7, r1",
    "asrs r4, r3, #16",
    "adds r1, r1, r4",
    "asrs r4, r2, #16",
    "adds r1, r1, r4",
    "uxth r3, r3",
    "uxth r2, r2",
    "adds r3, r3, r2",
    "add r3, r12",
    "lsrs r3, r3, #16",
    "adds r1, r1, r3",
    "add r1, r8",
    "cmp r1, r9",
    "bge 2f",
    "mov r1, r9",
    "2:",
    "cmp r1, r10",
    "ble 3f",
    "mov r1, r10",
    "3:",
    "ldr r2, [sp, #36]",
    "ldr r3, [sp, #40]",
    "strb r1, [r2]",
    "adds r2, r2, r3",
    "str r2, [sp, #36]",
    "cmp r0, lr",
    "bne 1b",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4-r7, pc}}",
);

unsafe extern "C" {
    fn niwaki_v6m_requantise(
        sums: *const i32,
        count: usize,
        multiplier: i32,
        rule: *const Rule,
        outputs: *mut i8,
        step: usize,
    );
}

/// Writes sums of one channel as outputs that are `step` apart.
///
/// # Safety
/// There must be room: the last output is at `(N - 1) * step`. `N` is not 0.
#[inline(always)]
pub(super) unsafe fn requantise<const N: usize>(
    sums: &[i32; N],
    multiplier: i32,
    rule: &Rule,
    outputs: *mut i8,
    step: usize,
) {
    // SAFETY: the sums are there, and the caller promises the outputs.
    unsafe { niwaki_v6m_requantise(sums.as_ptr(), N, multiplier, rule, outputs, step) }
}
