//! Element-wise sum.

use crate::{scalar, simd::STEP};
use core::arch::{
    aarch64::{
        int8x16_t, int16x4_t, int32x4_t, uint16x8_t, vaddhn_high_s32, vaddhn_high_u32, vaddhn_s32, vaddhn_u32,
        vdupq_n_s8, vdupq_n_s32, vdupq_n_u8, vdupq_n_u16, vdupq_n_u32, veorq_u8, vget_high_s8, vget_high_s16,
        vget_low_s8, vget_low_s16, vget_low_u8, vld1q_s8, vld1q_u8, vmaxq_s8, vminq_s8, vmlaq_s32, vmovl_high_u8,
        vmovl_s8, vmovl_s16, vmovl_u8, vmulq_s32, vqmovn_high_s16, vqmovn_s16, vreinterpretq_s16_u16, vst1q_s8,
    },
    asm,
};
use niwaki_blob::{ADD_SHIFT, Binary};

/// [`crate::scalar::add`]. Returns `false`, with the output as it was, where the lengths differ.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn add(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) -> bool {
    if a.len() != output.len() || b.len() != output.len() {
        return false;
    }
    let whole = output.len() / STEP * STEP;
    // SAFETY: the three have `whole` elements each.
    unsafe { steps(op, a.as_ptr(), b.as_ptr(), output.as_mut_ptr(), whole) };
    scalar::add(
        op,
        a.get(whole..).unwrap_or_default(),
        b.get(whole..).unwrap_or_default(),
        output.get_mut(whole..).unwrap_or_default(),
    );
    true
}

/// [`crate::scalar::add_in_place`]. Returns `false`, with the output as it was, where the lengths differ.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn add_in_place(op: &Binary, b: &[i8], output: &mut [i8]) -> bool {
    if b.len() != output.len() {
        return false;
    }
    let whole = output.len() / STEP * STEP;
    let out = output.as_mut_ptr();
    // SAFETY: both have `whole` elements; every step is read before it is written.
    unsafe { steps(op, out, b.as_ptr(), out, whole) };
    scalar::add_in_place(op, b.get(whole..).unwrap_or_default(), output.get_mut(whole..).unwrap_or_default());
    true
}

/// # Safety
/// `a` and `b` can be read and `out` be written for `len` elements, a multiple of [`STEP`].
#[target_feature(enable = "neon")]
unsafe fn steps(op: &Binary, a: *const i8, b: *const i8, out: *mut i8, len: usize) {
    if let (Ok(first), Ok(second)) = (u16::try_from(op.q[0]), u16::try_from(op.q[1])) {
        // SAFETY: the caller vouches for the slices.
        return unsafe { short_factors(op, [first, second], a, b, out, len) };
    }
    let q = op.q.map(|q| vdupq_n_s32(q));
    let (min, max) = (vdupq_n_s8(op.activation.min), vdupq_n_s8(op.activation.max));
    for at in (0..len).step_by(STEP) {
        // SAFETY: the caller vouches for `len` elements.
        let (a, b) = unsafe { (widen(vld1q_s8(a.add(at))), widen(vld1q_s8(b.add(at)))) };
        let sum = |at: usize| vmlaq_s32(vmulq_s32(vmovl_s16(a[at]), q[0]), vmovl_s16(b[at]), q[1]);
        let sums: [int32x4_t; 4] = [sum(0), sum(1), sum(2), sum(3)];
        // A sum's upper half: an addition, a shift by 16 and a narrowing in one, which loses nothing.
        const { assert!(ADD_SHIFT == 16) };
        let low = vaddhn_high_s32(vaddhn_s32(sums[0], q[2]), sums[1], q[2]);
        let high = vaddhn_high_s32(vaddhn_s32(sums[2], q[2]), sums[3], q[2]);
        let all = vqmovn_high_s16(vqmovn_s16(low), high);
        // SAFETY: as above.
        unsafe { vst1q_s8(out.add(at), vminq_s8(vmaxq_s8(all, min), max)) };
    }
}

/// The same where both factors fit 16 bits without a sign, as they do where no operand is scaled up: elements plus 128 are
/// multiplied, which needs no 32-bit copies of them, and what that adds is subtracted with the offset.
///
/// # Safety
/// As [`steps`].
#[target_feature(enable = "neon")]
unsafe fn short_factors(op: &Binary, factors: [u16; 2], a: *const i8, b: *const i8, out: *mut i8, len: usize) {
    let more = factors.iter().fold(0, |sum, factor| sum + 128 * i32::from(*factor));
    let (offset, sign) = (vdupq_n_u32(op.q[2].wrapping_sub(more) as u32), vdupq_n_u8(128));
    let q = factors.map(|factor| vdupq_n_u16(factor));
    let (min, max) = (vdupq_n_s8(op.activation.min), vdupq_n_s8(op.activation.max));
    for at in (0..len).step_by(STEP) {
        // SAFETY: the caller vouches for `len` elements.
        let (a, b) = unsafe { (vld1q_u8(a.add(at).cast()), vld1q_u8(b.add(at).cast())) };
        let (a, b) = (veorq_u8(a, sign), veorq_u8(b, sign));
        let eight = |a: uint16x8_t, b: uint16x8_t| {
            let (low, high);
            // The compiler would add the offset first, to a copy of it.
            // SAFETY: registers are all it touches.
            unsafe {
                asm!(
                    "umull {low:v}.4s, {a:v}.4h, {p:v}.4h",
                    "umull2 {high:v}.4s, {a:v}.8h, {p:v}.8h",
                    "umlal {low:v}.4s, {b:v}.4h, {q:v}.4h",
                    "umlal2 {high:v}.4s, {b:v}.8h, {q:v}.8h",
                    low = out(vreg) low, high = out(vreg) high,
                    a = in(vreg) a, b = in(vreg) b, p = in(vreg) q[0], q = in(vreg) q[1],
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            // A sum's upper half, as above.
            vreinterpretq_s16_u16(vaddhn_high_u32(vaddhn_u32(low, offset), high, offset))
        };
        let low = eight(vmovl_u8(vget_low_u8(a)), vmovl_u8(vget_low_u8(b)));
        let all = vqmovn_high_s16(vqmovn_s16(low), eight(vmovl_high_u8(a), vmovl_high_u8(b)));
        // SAFETY: as above.
        unsafe { vst1q_s8(out.add(at), vminq_s8(vmaxq_s8(all, min), max)) };
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn widen(x: int8x16_t) -> [int16x4_t; 4] {
    let (low, high) = (vmovl_s8(vget_low_s8(x)), vmovl_s8(vget_high_s8(x)));
    [vget_low_s16(low), vget_high_s16(low), vget_low_s16(high), vget_high_s16(high)]
}
