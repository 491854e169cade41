//! Products of a fully connected layer with block weights: without dot products. No weight is -128, so that two products
//! fit 16 bits.

use super::fully_connected::{Cursor, Inputs, Sums};
use crate::neon::{add_pairs, load::load_pair};
use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s32, vget_low_s8, vld1_s8, vmlal_high_s8, vmlal_s8, vmull_high_s8, vmull_s8,
    vpadalq_s16, vreinterpret_s8_s32, vreinterpret_s32_s8, vzip1_s32,
};

/// For every 64-bit Arm core.
pub(super) struct Plain;

impl Sums for Plain {
    const DENSE_REPEATS: bool = true;

    fn repeats(rows: usize) -> bool {
        rows > 1
    }

    #[inline]
    unsafe fn four<const ROWS: usize>(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
        // SAFETY: the caller vouches for the groups; every 64-bit Arm core has NEON.
        unsafe { four::<ROWS>(inputs, cursor) }
    }

    #[inline]
    unsafe fn dense<const GROUPS: usize>(inputs: Inputs, weights: *const i8, units: usize) -> [int32x4_t; GROUPS] {
        // SAFETY: as above.
        unsafe { dense::<GROUPS>(inputs, weights, units) }
    }
}

/// # Safety
/// As [`Sums::four`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four<const ROWS: usize>(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
    // SAFETY: the caller vouches for the groups.
    unsafe {
        match ROWS {
            4 => four_rows(inputs, cursor),
            2 => add_pairs(two_rows(inputs, cursor), two_rows(inputs, cursor)),
            _ => {
                let first = add_pairs(one_row(inputs, cursor), one_row(inputs, cursor));
                add_pairs(first, add_pairs(one_row(inputs, cursor), one_row(inputs, cursor)))
            }
        }
    }
}

/// Two sums for each of two rows, and for each of the other two: adds the products of two blocks.
#[inline]
#[target_feature(enable = "neon")]
fn pair(acc: [int32x4_t; 2], w: [int8x16_t; 2], x: [int8x16_t; 2]) -> [int32x4_t; 2] {
    let low = vmlal_s8(vmull_s8(vget_low_s8(w[0]), vget_low_s8(x[0])), vget_low_s8(w[1]), vget_low_s8(x[1]));
    let high = vmlal_high_s8(vmull_high_s8(w[0], x[0]), w[1], x[1]);
    [vpadalq_s16(acc[0], low), vpadalq_s16(acc[1], high)]
}

/// # Safety
/// A group is left.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four_rows(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
    let mut acc = [vdupq_n_s32(0); 2];
    // SAFETY: the caller vouches for the group, with as many units as it says.
    unsafe {
        let count = cursor.count();
        for _ in 0..count / 2 {
            for _ in 0..2 {
                let quads = cursor.pair();
                acc = pair(acc, load_pair(&mut cursor.weights), quads.map(|quad| inputs.four(quad)));
            }
        }
        if count % 2 == 1 {
            let quads = cursor.pair();
            acc = pair(acc, load_pair(&mut cursor.weights), quads.map(|quad| inputs.four(quad)));
        }
    }
    add_pairs(acc[0], acc[1])
}

/// Two parts of the sums of two rows.
///
/// # Safety
/// A group is left.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn two_rows(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
    let mut acc = vdupq_n_s32(0);
    // SAFETY: the caller vouches for the group, with as many units as it says.
    unsafe {
        for _ in 0..cursor.count() {
            let [a, b] = cursor.pair().map(|quad| inputs.two(quad));
            let products = vmull_s8(vld1_s8(cursor.weights), a);
            acc = vpadalq_s16(acc, vmlal_s8(products, vld1_s8(cursor.weights.add(8)), b));
            cursor.weights = cursor.weights.add(16);
        }
    }
    acc
}

/// Four parts of a row's sum.
///
/// # Safety
/// A group is left.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn one_row(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
    let mut acc = vdupq_n_s32(0);
    // SAFETY: the caller vouches for the group, with as many units as it says.
    unsafe {
        for _ in 0..cursor.count() {
            let [a, b] = cursor.pair().map(|quad| vreinterpret_s32_s8(inputs.one(quad)));
            let x = vreinterpret_s8_s32(vzip1_s32(a, b));
            acc = vpadalq_s16(acc, vmull_s8(vld1_s8(cursor.weights), x));
            cursor.weights = cursor.weights.add(8);
        }
    }
    acc
}

/// # Safety
/// As [`Sums::dense`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn dense<const GROUPS: usize>(inputs: Inputs, weights: *const i8, units: usize) -> [int32x4_t; GROUPS] {
    let mut acc = [[vdupq_n_s32(0); 2]; GROUPS];
    let mut rows: [*const i8; GROUPS] = core::array::from_fn(|group| weights.wrapping_add(group * units * 32));
    let mut from = inputs.repeated;
    // SAFETY: every group has `units` units of 32 bytes, and there are as many quads, filled up, four times each.
    unsafe {
        for _ in 0..units {
            let x = load_pair(&mut from);
            for (acc, row) in acc.iter_mut().zip(&mut rows) {
                *acc = pair(*acc, load_pair(row), x);
            }
        }
    }
    acc.map(|acc| add_pairs(acc[0], acc[1]))
}
