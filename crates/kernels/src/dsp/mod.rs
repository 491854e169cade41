//! Kernels for the DSP extension: Cortex-M4, M7 and M33. One 32-bit multiply-accumulate pair (SMLAD) does two products
//! of 16 bits.
//!
//! Terms are widened once and shared by all outputs. Weights stay int8: two rows lie in one word as `a + 256 * b`, so
//! one SXTB16 serves two rows, and the sum of row b is what is left of the other sum ("SPEC.md", packed weights).
//! Hot loops are assembly with all fourteen registers; what surrounds them is Rust.

/// What assembly starts with: the target of Armv8-M cores does not say that they have the extension.
#[cfg(niwaki_armv8m)]
macro_rules! cpu {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(niwaki_armv8m))]
macro_rules! cpu {
    () => {
        ""
    };
}

mod add;
mod avg_pool;
mod columns;
mod connect;
mod conv;
mod depthwise;
mod depthwise_window;
mod fully_connected;
mod lut;
mod matmul;
mod max_pool;
mod memory;
mod mul;
mod patches;
mod rows;
mod softmax;
mod word;

pub(crate) use add::{add, add_in_place};
pub(crate) use avg_pool::avg_pool;
pub(crate) use conv::{packed_conv2d, sparse_conv2d};
pub(crate) use depthwise::packed_depthwise_conv2d;
pub(crate) use depthwise_window::depthwise_conv2d;
pub(crate) use fully_connected::{packed_fully_connected, sparse_fully_connected};
pub(crate) use lut::{lut, lut_in_place};
pub(crate) use matmul::matmul;
pub(crate) use max_pool::max_pool;
pub(crate) use mul::{mul, mul_in_place};
pub(crate) use softmax::softmax;
