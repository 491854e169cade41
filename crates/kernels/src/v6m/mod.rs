//! Kernels for Armv6-M: Cortex-M0 and M0+. Three pixels to two words; see [`crate::lanes`].

mod depthwise_conv2d;
mod filters;
mod fully_connected;
mod outputs;
mod requantise;
mod rows;
mod winograd;

pub(crate) use depthwise_conv2d::depthwise_conv2d;
pub(crate) use fully_connected::fully_connected;
pub(crate) use winograd::winograd;

use crate::lanes;
use niwaki_blob::{Conv2d, PackedConv2d, PackedFullyConnected};

/// See [`crate::scalar::conv2d`].
pub(crate) fn conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    lanes::conv2d(op, input, output, scratch, &filters::CORE);
}

/// See [`crate::scalar::sparse_conv2d`].
pub(crate) fn sparse_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    lanes::sparse_conv2d(op, input, output, scratch, &filters::CORE);
}

/// See [`crate::scalar::sparse_interleaved_fully_connected`].
pub(crate) fn sparse_interleaved(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    lanes::sparse_interleaved(op, input, output, scratch, rows::niwaki_v6m_group_streams);
}
