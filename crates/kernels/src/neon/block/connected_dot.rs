//! Products of a fully connected layer with block weights: with dot products.

use super::fully_connected::{Cursor, Inputs, Sums};
use crate::neon::{
    load::{load, load_pair},
    sdot::{dot_first, dot_lane, dot_two},
};
use core::arch::aarch64::{
    int8x16_t, int32x2_t, int32x4_t, vcombine_s32, vdup_n_s32, vdupq_n_s32, vld1_s8, vpadd_s32, vreinterpret_s8_s32,
    vreinterpret_s32_s8, vzip1_s32,
};

/// Chosen where the CPU has dot products.
pub(super) struct Dot;

impl Sums for Dot {
    const DENSE_REPEATS: bool = false;

    fn repeats(rows: usize) -> bool {
        rows == 2
    }

    #[inline]
    unsafe fn four<const ROWS: usize>(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
        // SAFETY: the caller vouches for the CPU and the groups.
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
#[target_feature(enable = "neon,dotprod")]
unsafe fn four<const ROWS: usize>(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
    // SAFETY: the caller vouches for the groups.
    unsafe {
        match ROWS {
            4 => four_rows(inputs, cursor),
            2 => vcombine_s32(two_rows(inputs, cursor), two_rows(inputs, cursor)),
            _ => {
                let first = vpadd_s32(one_row(inputs, cursor), one_row(inputs, cursor));
                vcombine_s32(first, vpadd_s32(one_row(inputs, cursor), one_row(inputs, cursor)))
            }
        }
    }
}

/// # Safety
/// A group is left.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn four_rows(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t {
    let mut acc = vdupq_n_s32(0);
    // SAFETY: the caller vouches for the group, with as many units as it says.
    unsafe {
        let count = cursor.count();
        for _ in 0..count / 2 {
            for _ in 0..2 {
                let [a, b] = cursor.pair();
                let (a, b, w) = (inputs.one(a), inputs.one(b), load_pair(&mut cursor.weights));
                acc = dot_first(acc, w[0], a);
                acc = dot_first(acc, w[1], b);
            }
        }
        if count % 2 == 1 {
            let [a, b] = cursor.pair();
            let (a, b, w) = (inputs.one(a), inputs.one(b), load_pair(&mut cursor.weights));
            acc = dot_first(acc, w[0], a);
            acc = dot_first(acc, w[1], b);
        }
    }
    acc
}

/// # Safety
/// A group is left.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn two_rows(inputs: Inputs, cursor: &mut Cursor) -> int32x2_t {
    let mut acc = vdup_n_s32(0);
    // SAFETY: the caller vouches for the group, with as many units as it says.
    unsafe {
        for _ in 0..cursor.count() {
            let [a, b] = cursor.pair();
            acc = dot_two(acc, vld1_s8(cursor.weights), inputs.two(a));
            acc = dot_two(acc, vld1_s8(cursor.weights.add(8)), inputs.two(b));
            cursor.weights = cursor.weights.add(16);
        }
    }
    acc
}

/// Two parts of a row's sum.
///
/// # Safety
/// A group is left.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn one_row(inputs: Inputs, cursor: &mut Cursor) -> int32x2_t {
    let mut acc = vdup_n_s32(0);
    // SAFETY: the caller vouches for the group, with as many units as it says.
    unsafe {
        for _ in 0..cursor.count() {
            let [a, b] = cursor.pair().map(|quad| vreinterpret_s32_s8(inputs.one(quad)));
            acc = dot_two(acc, vld1_s8(cursor.weights), vreinterpret_s8_s32(vzip1_s32(a, b)));
            cursor.weights = cursor.weights.add(8);
        }
    }
    acc
}

/// # Safety
/// As [`Sums::dense`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dense<const GROUPS: usize>(inputs: Inputs, weights: *const i8, units: usize) -> [int32x4_t; GROUPS] {
    let mut acc = [vdupq_n_s32(0); GROUPS];
    let mut rows: [*const i8; GROUPS] = core::array::from_fn(|group| weights.wrapping_add(group * units * 32));
    let mut from = inputs.plain;
    // SAFETY: every group has `units` units of 32 bytes, and inputs are filled up to sixteen, which two units read.
    unsafe {
        for _ in 0..units / 4 {
            let x = load_pair(&mut from);
            two_units(&mut acc, &mut rows, x[0]);
            two_units(&mut acc, &mut rows, x[1]);
        }
        if units % 4 > 1 {
            two_units(&mut acc, &mut rows, load(&mut from));
        }
        if units % 2 == 1 {
            let x = load(&mut from);
            for (acc, row) in acc.iter_mut().zip(&mut rows) {
                let w = load_pair(row);
                *acc = dot_lane::<0>(*acc, w[0], x);
                *acc = dot_lane::<1>(*acc, w[1], x);
            }
        }
    }
    acc
}

/// # Safety
/// Two units are left in every row.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn two_units<const GROUPS: usize>(acc: &mut [int32x4_t; GROUPS], rows: &mut [*const i8; GROUPS], x: int8x16_t) {
    for (acc, row) in acc.iter_mut().zip(rows) {
        // SAFETY: the caller vouches for them.
        let (w, v) = unsafe { (load_pair(row), load_pair(row)) };
        *acc = dot_lane::<0>(*acc, w[0], x);
        *acc = dot_lane::<1>(*acc, w[1], x);
        *acc = dot_lane::<2>(*acc, v[0], x);
        *acc = dot_lane::<3>(*acc, v[1], x);
    }
}
