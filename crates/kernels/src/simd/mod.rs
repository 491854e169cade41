//! What the instruction sets with wide registers share: convolutions cut into tiles, with the instructions left out.
//!
//! These targets have an operating system and a stack of some hundred kilobytes, so packed weights and patches lie on
//! the stack and not in the arena: a blob planned for any core runs, and the instruction set can be chosen at run time.
//! Whatever does not fit is left to the scalar kernel.

#![allow(unsafe_code, reason = "kernels of instruction sets work on raw pointers")]

mod conv2d;
mod copy;
mod depthwise_conv2d;
mod geometry;
mod rows;
mod stack;
mod tile;
mod windows;

pub(crate) use conv2d::conv2d;
#[cfg(target_arch = "aarch64")]
pub(crate) use depthwise_conv2d::Slices;
pub(crate) use depthwise_conv2d::{Run, Slice, Taps, depthwise_conv2d};
#[cfg(target_arch = "aarch64")]
pub(crate) use geometry::counts;
pub(crate) use geometry::fits;
use stack::Stack;
pub(crate) use tile::{Panels, Pixels, Place, Tile};

/// Elements of one step: the bytes of a 128-bit register.
pub(crate) const STEP: usize = 16;

/// What is the same for every channel when accumulators become outputs.
#[derive(Clone, Copy)]
pub(crate) struct Scalars {
    /// Left shift before the multiplication.
    pub(crate) shift: u32,
    /// Of the output.
    pub(crate) zero_point: i8,
    /// Smallest output.
    pub(crate) min: i8,
    /// Largest output.
    pub(crate) max: i8,
    /// Whether nothing is shifted, all of int8 is allowed, and no scaled sum leaves 16 bits before the zero point is added.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "not every instruction set asks"))]
    pub(crate) quick: bool,
}

impl Scalars {
    pub(crate) fn of(rule: &niwaki_blob::Requantise<'_>) -> Self {
        let niwaki_blob::Activation { min, max } = rule.activation;
        Self { shift: rule.shift, zero_point: rule.zero_point, min, max, quick: false }
    }

    /// The same for sums of so many products and a bias, all of which get one of the multipliers.
    pub(crate) fn of_sums(self, terms: usize, bias: &[i32], multipliers: &[i32]) -> Self {
        let bias = bias.iter().fold(0, |most, bias| bias.unsigned_abs().max(most));
        let multiplier = multipliers.iter().fold(0, |most, multiplier| (*multiplier).max(most));
        // No product passes 2^14, and no multiplier is negative.
        let sum = (terms as u64).saturating_mul(1 << 14).saturating_add(bias.into());
        let inside = sum < 1 << 31 && (sum * multiplier.unsigned_abs() as u64) >> 32 < (1 << 15) - 1;
        Self { quick: inside && self.shift == 0 && (self.min, self.max) == (i8::MIN, i8::MAX), ..self }
    }
}

/// Whether all weights are above -128. Then two products fit into 16 bits together.
pub(crate) fn pairs_fit(weights: &[i8]) -> bool {
    // Without an early exit, so that it becomes vector code.
    weights.iter().fold(i8::MAX, |least, weight| least.min(*weight)) > i8::MIN
}
