//! Kernels for Helium, the vector extension of Cortex-M55 and M85.
//!
//! Vectors are loaded and stored under predicates, so that no kernel reads or writes a byte that is not its operand's.
//! Outputs are requantised with VRMULH, which is the format's rule in one instruction.

mod add;
mod avg_pool;
mod block_conv2d;
mod block_fully_connected;
mod blocks;
mod conv2d;
mod copy;
mod depthwise_conv2d;
mod fully_connected;
mod lut;
mod max_pool;
mod mul;
mod rows;

pub(crate) use add::{add, add_in_place};
pub(crate) use avg_pool::avg_pool;
pub(crate) use block_conv2d::block_conv2d;
pub(crate) use block_fully_connected::block_fully_connected;
pub(crate) use conv2d::conv2d;
pub(crate) use depthwise_conv2d::depthwise_conv2d;
pub(crate) use fully_connected::fully_connected;
pub(crate) use lut::{lut, lut_in_place};
pub(crate) use max_pool::max_pool;
pub(crate) use mul::{mul, mul_in_place};
