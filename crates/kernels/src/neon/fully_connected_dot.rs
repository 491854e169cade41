//! Fully connected layer with dot products.

use super::{
    connected::{Layer, ROWS},
    load::load_pair,
    sdot::dot,
};
use crate::simd::STEP;
use core::arch::aarch64::{vdupq_n_s32, vld1q_s8};
use niwaki_blob::FullyConnected;

/// [`crate::scalar::fully_connected`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON and its dot products.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn fully_connected(op: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) -> bool {
    let Some(layer) = Layer::new(op, input, output) else { return false };
    layer.before(output);
    for group in layer.groups() {
        let (mut x, mut rows) = layer.starts(group);
        let mut acc = [vdupq_n_s32(0); ROWS];
        for _ in 0..layer.pairs {
            // SAFETY: input and rows have two steps for each pair.
            let pair = unsafe { load_pair(&mut x) };
            for (acc, row) in acc.iter_mut().zip(&mut rows) {
                // SAFETY: as above.
                let w = unsafe { load_pair(row) };
                *acc = dot(*acc, w[0], pair[0]);
                *acc = dot(*acc, w[1], pair[1]);
            }
        }
        if layer.single {
            // SAFETY: input and rows have one more step.
            let step = unsafe { vld1q_s8(x) };
            for (acc, row) in acc.iter_mut().zip(&mut rows) {
                // SAFETY: as above.
                let w = unsafe { vld1q_s8(*row) };
                *acc = dot(*acc, w, step);
                *row = row.wrapping_add(STEP);
            }
        }
        if layer.rest {
            // SAFETY: the tail is a step.
            let step = unsafe { vld1q_s8(layer.tail.as_ptr()) };
            for (acc, row) in acc.iter_mut().zip(layer.last(rows)) {
                // SAFETY: a step of weights ends where a row does.
                let w = unsafe { vld1q_s8(row) };
                *acc = dot(*acc, w, step);
            }
        }
        // SAFETY: the layer has checked the output's length.
        unsafe { layer.store(acc, group, output) };
    }
    true
}
