//! Loads that move their pointer: one instruction each, which compilers rarely find where there are several pointers.

use core::arch::{aarch64::int8x16_t, asm};

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
