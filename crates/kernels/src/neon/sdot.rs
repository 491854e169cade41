//! Dot products, whose intrinsics are not stable yet.

use core::arch::{
    aarch64::{int8x8_t, int8x16_t, int32x2_t, int32x4_t},
    asm,
};

/// Adds to each of the four sums of `acc` the products of four bytes of `a` with the four bytes at a lane of `b`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot_lane<const LANE: usize>(mut acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller has dot products, as this function's features say. Registers are all it touches.
    unsafe {
        asm!("sdot {acc:v}.4s, {a:v}.16b, {b:v}.4b[{lane}]",
            acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b, lane = const LANE,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

/// Adds to each of the four sums of `acc` the products of four bytes of `a` with the first four bytes of `b`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot_first(mut acc: int32x4_t, a: int8x16_t, b: int8x8_t) -> int32x4_t {
    // SAFETY: as above.
    unsafe {
        asm!("sdot {acc:v}.4s, {a:v}.16b, {b:v}.4b[0]",
            acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

/// Adds to each of the four sums of `acc` four products.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot(mut acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: as above.
    unsafe {
        asm!("sdot {acc:v}.4s, {a:v}.16b, {b:v}.16b", acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

/// Adds to each of the two sums of `acc` four products.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot_two(mut acc: int32x2_t, a: int8x8_t, b: int8x8_t) -> int32x2_t {
    // SAFETY: as above.
    unsafe {
        asm!("sdot {acc:v}.2s, {a:v}.8b, {b:v}.8b", acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}
