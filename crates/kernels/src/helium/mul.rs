//! Element-wise product, four elements at a time.

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
    input_zero_points: [i32; 2],
    /// 24
    shift: u32,
    /// 28
    zero_point: i32,
    /// 32
    multiplier: i32,
    /// 36
    min: i32,
    /// 40
    max: i32,
}

global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_mul",
    ".type niwaki_helium_mul, %function",
    ".thumb_func",
    "niwaki_helium_mul:",
    "push {{r4-r8, lr}}",
    "vpush {{d8-d9}}",
    "ldrd r4, r5, [r0, #32]",
    "vdup.32 q4, r4",
    "vdup.32 q2, r5",
    "ldr r4, [r0, #40]",
    "vdup.32 q3, r4",
    "ldrd r4, r5, [r0, #16]",
    "ldrd r6, r7, [r0, #24]",
    "ldrd r3, r8, [r0, #8]",
    "ldrd r1, r2, [r0]",
    "wlstp.32 lr, r8, 2f",
    "1:",
    "vldrb.s32 q0, [r1], #4",
    "vldrb.s32 q1, [r2], #4",
    "vsub.i32 q0, q0, r4",
    "vsub.i32 q1, q1, r5",
    "vmul.i32 q0, q0, q1",
    "vshl.s32 q0, r6",
    "vrmulh.s32 q0, q0, q4",
    "vadd.i32 q0, q0, r7",
    "vmax.s32 q0, q0, q2",
    "vmin.s32 q0, q0, q3",
    "vstrb.32 q0, [r3], #4",
    "letp lr, 1b",
    "2:",
    "vpop {{d8-d9}}",
    "pop {{r4-r8, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_mul(arguments: *const Arguments);
}

/// See [`crate::scalar::mul`].
pub(crate) fn mul(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) {
    let elements = a.len().min(b.len()).min(output.len());
    product(op, a.as_ptr(), b.as_ptr(), output.as_mut_ptr(), elements);
}

/// See [`crate::scalar::mul_in_place`].
pub(crate) fn mul_in_place(op: &Binary, b: &[i8], output: &mut [i8]) {
    let a = output.as_ptr();
    product(op, a, b.as_ptr(), output.as_mut_ptr(), b.len().min(output.len()));
}

/// Both operands and the output have so many elements.
fn product(op: &Binary, a: *const i8, b: *const i8, output: *mut i8, elements: usize) {
    let arguments = Arguments {
        a,
        b,
        output,
        elements,
        input_zero_points: op.input_zero_points.map(i32::from),
        // As the scalar kernel's wrapping shift, which takes five bits.
        shift: op.shift & 31,
        zero_point: i32::from(op.zero_point),
        multiplier: op.q[0],
        min: i32::from(op.activation.min),
        max: i32::from(op.activation.max),
    };
    // SAFETY: the predicated loop touches `elements` bytes of each operand and of the output. In place, it reads four
    // elements before it writes those four.
    unsafe { niwaki_helium_mul(&raw const arguments) }
}
