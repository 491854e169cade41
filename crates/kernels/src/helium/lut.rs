//! A function of one element by table, sixteen elements at a time.

use core::arch::global_asm;
use niwaki_blob::Lut;

global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_lut",
    ".type niwaki_helium_lut, %function",
    ".thumb_func",
    "niwaki_helium_lut:",
    "push {{r7, lr}}",
    // Flipping the sign bit adds 128.
    "mov r12, #128",
    "vdup.8 q2, r12",
    "wlstp.8 lr, r3, 2f",
    "1:",
    "vldrb.u8 q0, [r1], #16",
    "veor q0, q0, q2",
    "vldrb.u8 q1, [r0, q0]",
    "vstrb.8 q1, [r2], #16",
    "letp lr, 1b",
    "2:",
    "pop {{r7, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_lut(table: *const i8, input: *const i8, output: *mut i8, elements: usize);
}

/// See [`crate::scalar::lut`].
pub(crate) fn lut(op: &Lut<'_>, input: &[i8], output: &mut [i8]) {
    look_up(op, input.as_ptr(), output.as_mut_ptr(), input.len().min(output.len()));
}

/// See [`crate::scalar::lut_in_place`].
pub(crate) fn lut_in_place(op: &Lut<'_>, output: &mut [i8]) {
    let input = output.as_ptr();
    look_up(op, input, output.as_mut_ptr(), output.len());
}

/// Input and output have so many elements, and are one or do not overlap.
fn look_up(op: &Lut<'_>, input: *const i8, output: *mut i8, elements: usize) {
    let Some(table) = op.table.first_chunk::<256>() else { return };
    // SAFETY: the predicated loop touches `elements` bytes of input and output, and of the table what a byte indexes. In
    // place, it reads sixteen elements before it writes those sixteen.
    unsafe { niwaki_helium_lut(table.as_ptr(), input, output, elements) }
}
