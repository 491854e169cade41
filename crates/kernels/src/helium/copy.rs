//! Copies and fills of any length, sixteen bytes at a time.

use core::arch::global_asm;

global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_copy",
    ".type niwaki_helium_copy, %function",
    ".thumb_func",
    "niwaki_helium_copy:",
    "push {{r7, lr}}",
    "wlstp.8 lr, r2, 2f",
    "1:",
    "vldrb.u8 q0, [r1], #16",
    "vstrb.8 q0, [r0], #16",
    "letp lr, 1b",
    "2:",
    "pop {{r7, pc}}",
    ".global niwaki_helium_fill",
    ".type niwaki_helium_fill, %function",
    ".thumb_func",
    "niwaki_helium_fill:",
    "push {{r7, lr}}",
    "vdup.8 q0, r1",
    "wlstp.8 lr, r2, 2f",
    "1:",
    "vstrb.8 q0, [r0], #16",
    "letp lr, 1b",
    "2:",
    "pop {{r7, pc}}",
    // Rows of a length, one behind the other, from rows that are farther apart.
    ".global niwaki_helium_copy_rows",
    ".type niwaki_helium_copy_rows, %function",
    ".thumb_func",
    "niwaki_helium_copy_rows:",
    "push {{r4-r6, lr}}",
    "ldr r4, [sp, #16]",
    "3:",
    "mov r5, r1",
    "mov r6, r0",
    "wlstp.8 lr, r2, 2f",
    "1:",
    "vldrb.u8 q0, [r5], #16",
    "vstrb.8 q0, [r6], #16",
    "letp lr, 1b",
    "2:",
    "add r0, r2",
    "add r1, r3",
    "subs r4, #1",
    "bne 3b",
    "pop {{r4-r6, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_copy(to: *mut i8, from: *const i8, len: usize);
    fn niwaki_helium_fill(to: *mut i8, value: i32, len: usize);
    fn niwaki_helium_copy_rows(to: *mut i8, from: *const i8, len: usize, step: usize, rows: usize);
}

/// Copies as much as the shorter of the two.
pub(super) fn copy(to: &mut [i8], from: &[i8]) {
    let len = to.len().min(from.len());
    // SAFETY: both slices have `len` bytes, and the predicated loop touches no more; a mutable slice overlaps no other.
    unsafe { niwaki_helium_copy(to.as_mut_ptr(), from.as_ptr(), len) }
}

/// Fills a slice.
pub(super) fn fill(to: &mut [i8], value: i8) {
    // SAFETY: the predicated loop writes the slice's bytes and no more.
    unsafe { niwaki_helium_fill(to.as_mut_ptr(), i32::from(value), to.len()) }
}

/// Fills `to` with pieces of `len` bytes: from the start of `from`, from `step` further, and so on. Does nothing where
/// `from` has less than that.
pub(super) fn copy_rows(to: &mut [i8], from: &[i8], len: usize, step: usize) {
    let rows = to.len().checked_div(len).unwrap_or(0);
    let reach = rows.saturating_sub(1).saturating_mul(step).saturating_add(len);
    if rows == 0 || from.len() < reach {
        return;
    }
    // SAFETY: `rows * len` bytes are written, no more than `to` has, and `reach` read, as the check saw; a mutable
    // slice overlaps no other.
    unsafe { niwaki_helium_copy_rows(to.as_mut_ptr(), from.as_ptr(), len, step, rows) }
}
