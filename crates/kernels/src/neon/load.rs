//! Loads that move their pointer: one instruction each, which compilers rarely find where there are several pointers.

use core::arch::{
    aarch64::{int8x16_t, int32x4_t},
    asm,
};

/// Loads a step and moves on: one instruction.
///
/// # Safety
/// A step can be read.
#[inline(always)]
pub(super) unsafe fn load(from: &mut *const i8) -> int8x16_t {
    let step;
    // SAFETY: the caller vouches for what is read.
    unsafe {
        asm!("ldr {0:q}, [{1}], #16", out(vreg) step, inout(reg) *from,
            options(readonly, nostack, preserves_flags));
    }
    step
}

/// Loads two steps and moves on.
///
/// # Safety
/// Two steps can be read.
#[inline(always)]
pub(super) unsafe fn load_pair(from: &mut *const i8) -> [int8x16_t; 2] {
    let (first, second);
    // SAFETY: the caller vouches for what is read.
    unsafe {
        asm!("ldp {0:q}, {1:q}, [{2}], #32", out(vreg) first, out(vreg) second, inout(reg) *from,
            options(readonly, nostack, preserves_flags));
    }
    [first, second]
}

/// Loads a step at a pointer and two at pitches behind it. Moves on by `step` bytes.
///
/// # Safety
/// The steps can be read.
#[inline(always)]
pub(super) unsafe fn load_three(row: &mut *const i8, pitches: [usize; 2], step: usize) -> [int8x16_t; 3] {
    let (a, b, c);
    // SAFETY: the caller vouches for what is read.
    unsafe {
        asm!("ldr {b:q}, [{row}, {p}]", "ldr {c:q}, [{row}, {q}]", "ld1 {{{a:v}.16b}}, [{row}], {step}",
            a = out(vreg) a, b = out(vreg) b, c = out(vreg) c, row = inout(reg) *row,
            p = in(reg) pitches[0], q = in(reg) pitches[1], step = in(reg) step,
            options(readonly, nostack, preserves_flags));
    }
    [a, b, c]
}

/// Eight numbers, every time from memory: for loops that have not enough registers to keep them.
///
/// # Safety
/// They can be read.
#[inline(always)]
pub(super) unsafe fn reload(from: *const i32) -> [int32x4_t; 2] {
    let (first, second);
    // SAFETY: the caller vouches for what is read.
    unsafe {
        asm!("ldp {0:q}, {1:q}, [{2}]", out(vreg) first, out(vreg) second, in(reg) from,
            options(readonly, nostack, preserves_flags));
    }
    [first, second]
}
