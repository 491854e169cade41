//! Element-wise product.

use super::{Rule, narrow, requantise};
use crate::{
    scalar,
    simd::{STEP, Scalars},
};
use core::arch::aarch64::{
    int8x16_t, int16x4_t, vdup_n_s8, vdupq_n_s32, vget_high_s8, vget_high_s16, vget_low_s8, vget_low_s16, vld1q_s8,
    vmull_s16, vst1q_s8, vsubl_s8,
};
use niwaki_blob::Binary;

/// [`crate::scalar::mul`]. Returns `false`, with the output as it was, where the lengths differ.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn mul(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) -> bool {
    if a.len() != output.len() || b.len() != output.len() {
        return false;
    }
    let whole = output.len() / STEP * STEP;
    // SAFETY: the three have `whole` elements each.
    unsafe { steps(op, a.as_ptr(), b.as_ptr(), output.as_mut_ptr(), whole) };
    scalar::mul(
        op,
        a.get(whole..).unwrap_or_default(),
        b.get(whole..).unwrap_or_default(),
        output.get_mut(whole..).unwrap_or_default(),
    );
    true
}

/// [`crate::scalar::mul_in_place`]. Returns `false`, with the output as it was, where the lengths differ.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn mul_in_place(op: &Binary, b: &[i8], output: &mut [i8]) -> bool {
    if b.len() != output.len() {
        return false;
    }
    let whole = output.len() / STEP * STEP;
    let out = output.as_mut_ptr();
    // SAFETY: both have `whole` elements; every step is read before it is written.
    unsafe { steps(op, out, b.as_ptr(), out, whole) };
    scalar::mul_in_place(op, b.get(whole..).unwrap_or_default(), output.get_mut(whole..).unwrap_or_default());
    true
}

/// # Safety
/// `a` and `b` can be read and `out` be written for `len` elements, a multiple of [`STEP`].
#[target_feature(enable = "neon")]
unsafe fn steps(op: &Binary, a: *const i8, b: *const i8, out: *mut i8, len: usize) {
    let niwaki_blob::Activation { min, max } = op.activation;
    let rule = Rule::new(&Scalars { shift: op.shift, zero_point: op.zero_point, min, max, quick: false });
    let half = vdupq_n_s32(op.q[0] >> 1);
    for at in (0..len).step_by(STEP) {
        // SAFETY: the caller vouches for `len` elements.
        let (a, b) = unsafe { (vld1q_s8(a.add(at)), vld1q_s8(b.add(at))) };
        let (a, b) = (centred(a, op.input_zero_points[0]), centred(b, op.input_zero_points[1]));
        let scaled = [0, 1, 2, 3].map(|at| requantise(vmull_s16(a[at], b[at]), half, &rule));
        // SAFETY: as above.
        unsafe { vst1q_s8(out.add(at), narrow(scaled, &rule)) };
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn centred(x: int8x16_t, zero_point: i8) -> [int16x4_t; 4] {
    let zero_point = vdup_n_s8(zero_point);
    let (low, high) = (vsubl_s8(vget_low_s8(x), zero_point), vsubl_s8(vget_high_s8(x), zero_point));
    [vget_low_s16(low), vget_high_s16(low), vget_low_s16(high), vget_high_s16(high)]
}
