//! The specification: every kernel in plain Rust, one per file, on every target.
//!
//! Accumulators wrap at 32 bits, here and on every instruction set, so that a result is defined for any weights.
//! Lengths come from the caller's slices, pieces are taken with `get` and divisors are kept from zero: that is what
//! keeps panics, and the code for them, out of firmware.

mod add;
mod avg_pool;
pub(crate) mod axis;
mod block;
mod block_conv2d;
mod block_fully_connected;
mod concat;
mod constant;
mod conv2d;
mod depthwise_conv2d;
mod embedding;
mod fully_connected;
mod interleaved;
mod layer_norm;
mod lut;
mod matmul;
mod max_pool;
mod mul;
mod packed;
mod packed_conv2d;
mod packed_depthwise_conv2d;
mod packed_fully_connected;
mod pad;
mod softmax;
mod transpose;
mod winograd;

pub use add::{add, add_in_place};
pub use avg_pool::avg_pool;
pub use block_conv2d::block_conv2d;
pub use block_fully_connected::block_fully_connected;
pub use concat::concat;
pub use constant::constant;
pub use conv2d::conv2d;
pub use depthwise_conv2d::depthwise_conv2d;
pub use embedding::embedding;
pub use fully_connected::fully_connected;
pub use interleaved::{interleaved_fully_connected, sparse_interleaved_fully_connected};
pub use layer_norm::layer_norm;
pub use lut::{lut, lut_in_place};
pub use matmul::matmul;
pub use max_pool::max_pool;
pub use mul::{mul, mul_in_place};
pub use packed_conv2d::{packed_conv2d, sparse_conv2d};
pub use packed_depthwise_conv2d::packed_depthwise_conv2d;
pub use packed_fully_connected::{packed_fully_connected, sparse_fully_connected};
pub use pad::pad;
pub use softmax::softmax;
pub use transpose::transpose;
pub use winograd::winograd_fully_connected;

/// Consecutive pieces of a length, which counts as at least 1. `chunks_exact` divides to know how many there are, and
/// where a compiler that optimises for size leaves that in a function of its own, it keeps the panic on zero.
#[inline(always)]
fn pieces(of: &[i8], len: usize) -> impl Iterator<Item = &[i8]> {
    let mut rest = of;
    core::iter::from_fn(move || {
        let (piece, tail) = rest.split_at_checked(len.max(1))?;
        rest = tail;
        Some(piece)
    })
}

/// Sum of products.
#[inline(always)]
fn dot(x: &[i8], weights: &[i8]) -> i32 {
    let products = x.iter().zip(weights).map(|(x, w)| i32::from(*x) * i32::from(*w));
    products.fold(0, i32::wrapping_add)
}
