//! What cores without vectors share: two neighbouring pixels in one word, multiplied by one weight at a time.
//!
//! A word `x0 + (x1 << 16)` times a weight is `x0 * w + (x1 * w << 16)`: two products by one multiplication. Two such
//! words are added before they are taken apart (a *step*). With int8 operands each half then holds a sum in
//! `-32512..=32768`. Adding [`CARRY`] puts the lower half into `0..=65280`, so that it never borrows from the upper
//! one, and takes one off the upper, so that it fits 16 bits: what an arithmetic shift by 16 leaves is the upper sum less
//! one, exactly.
//!
//! Kernels add up the words (`both`, modulo 2^32) and the shifted words (`upper`). With `n` steps, `s1 = upper + n` is
//! the sum of the second pixel and `s0 = both - n * CARRY - (s1 << 16)` that of the first, modulo 2^32.

mod conv2d;
mod depthwise_conv2d;
mod memory;
mod rounding;

pub(crate) use conv2d::{Filters, conv2d};
pub(crate) use depthwise_conv2d::{Taps, depthwise_conv2d};
pub(crate) use memory::{copy, words};
pub(crate) use rounding::requantise_all;

/// What a step adds to a word.
pub(crate) const CARRY: i32 = 0x7f00 - 0x1_0000;

/// The two sums of a row, from what a kernel added up in `steps` steps.
#[inline(always)]
#[cfg_attr(niwaki_v7m, allow(dead_code, reason = "its assembly does this"))]
pub(crate) fn apart(both: i32, upper: i32, steps: i32) -> [i32; 2] {
    let second = upper.wrapping_add(steps);
    let first = both.wrapping_sub(steps.wrapping_mul(CARRY)).wrapping_sub(second << 16);
    [first, second]
}
