//! Kernels for Armv6-M: Cortex-M0 and M0+. Two pixels to a word; see [`crate::pairs`].

mod depthwise_conv2d;
mod filters;
mod fully_connected;
mod requantise;

pub(crate) use depthwise_conv2d::depthwise_conv2d;
pub(crate) use fully_connected::fully_connected;

use niwaki_blob::Conv2d;

/// See [`crate::scalar::conv2d`].
pub(crate) fn conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    crate::pairs::conv2d::<filters::Four, 4>(op, input, output, scratch);
}
