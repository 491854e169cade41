//! Element-wise sum.

use core::arch::global_asm;
use niwaki_blob::Binary;

/// What the assembly reads, at these offsets.
#[repr(C)]
struct Arguments {
    /// 0
    a: *const i8,
    /// 4
    b: *const i8,
    /// 8
    output: *mut i8,
    /// 12
    elements: usize,
    /// 16
    q: [i32; 3],
    /// 28
    min: i32,
    /// 32
    max: i32,
}

global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_add",
    ".type niwaki_helium_add, %function",
    ".thumb_func",
    "niwaki_helium_add:",
    "push {{r4-r7, lr}}",
    "ldr r4, [r0, #28]",
    "vdup.32 q2, r4",
    "ldr r4, [r0, #32]",
    "vdup.32 q3, r4",
    "ldrd r4, r5, [r0, #16]",
    "ldr r6, [r0, #24]",
    "ldrd r3, r7, [r0, #8]",
    "ldrd r1, r2, [r0]",
    "wlstp.32 lr, r7, 2f",
    "1:",
    "vldrb.s32 q0, [r1], #4",
    "vldrb.s32 q1, [r2], #4",
    "vmul.i32 q0, q0, r4",
    "vmla.i32 q0, q1, r5",
    "vadd.i32 q0, q0, r6",
    "vshr.s32 q0, q0, #16",
    "vmax.s32 q0, q0, q2",
    "vmin.s32 q0, q0, q3",
    "vstrb.32 q0, [r3], #4",
    "letp lr, 1b",
    "2:",
    "pop {{r4-r7, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_add(arguments: *const Arguments);
}

/// See [`crate::scalar::add`].
pub(crate) fn add(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) {
    let elements = a.len().min(b.len()).min(output.len());
    sum(op, a.as_ptr(), b.as_ptr(), &mut output[..elements]);
}

/// See [`crate::scalar::add_in_place`].
pub(crate) fn add_in_place(op: &Binary, b: &[i8], output: &mut [i8]) {
    let elements = b.len().min(output.len());
    let output = &mut output[..elements];
    let a = output.as_ptr();
    sum(op, a, b.as_ptr(), output);
}

/// Both operands have as many elements as the output.
fn sum(op: &Binary, a: *const i8, b: *const i8, output: &mut [i8]) {
    let arguments = Arguments {
        a,
        b,
        output: output.as_mut_ptr(),
        elements: output.len(),
        q: op.q,
        min: i32::from(op.activation.min),
        max: i32::from(op.activation.max),
    };
    // SAFETY: the predicated loop touches `elements` bytes of each operand and of the output. In place, it reads four
    // elements before it writes those four.
    unsafe { niwaki_helium_add(&raw const arguments) }
}
