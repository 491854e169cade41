//! Element-wise sum.

use crate::{scalar, simd::STEP};
use core::arch::aarch64::{
    int8x16_t, int16x4_t, int32x4_t, vaddhn_high_s32, vaddhn_s32, vdupq_n_s8, vdupq_n_s32, vget_high_s8, vget_high_s16,
    vget_low_s8, vget_low_s16, vld1q_s8, vmaxq_s8, vminq_s8, vmlaq_s32, vmovl_s8, vmovl_s16, vmulq_s32,
    vqmovn_high_s16, vqmovn_s16, vst1q_s8,
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

#[inline]
#[target_feature(enable = "neon")]
fn widen(x: int8x16_t) -> [int16x4_t; 4] {
    let (low, high) = (vmovl_s8(vget_low_s8(x)), vmovl_s8(vget_high_s8(x)));
    [vget_low_s16(low), vget_high_s16(low), vget_low_s16(high), vget_high_s16(high)]
}
