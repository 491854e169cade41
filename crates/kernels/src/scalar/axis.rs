//! One axis of a sliding window: which positions of the input its taps read.

use core::ops::Range;
use niwaki_blob::{Shape, Window};

#[derive(Clone, Copy)]
pub(crate) struct Axis {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    /// Positions of the input.
    size: usize,
}

impl Axis {
    pub(crate) fn rows(window: &Window, input: Shape) -> Self {
        Self::new(window, 0, input.height)
    }

    pub(crate) fn columns(window: &Window, input: Shape) -> Self {
        Self::new(window, 1, input.width)
    }

    #[inline(always)]
    fn new(window: &Window, axis: usize, size: usize) -> Self {
        let Window { kernel, stride, dilation, padding } = window;
        Self { kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis], padding: padding[axis], size }
    }

    /// What a tap reads for one output; `None` in the padding.
    #[inline(always)]
    pub(crate) fn position(&self, output: usize, tap: usize) -> Option<usize> {
        let position = (output * self.stride + tap * self.dilation).checked_sub(self.padding)?;
        (position < self.size).then_some(position)
    }

    /// The position that is as far behind the padding's first as this one says; `None` in the padding.
    #[cfg_attr(
        not(any(target_arch = "aarch64", target_arch = "x86_64")),
        allow(dead_code, reason = "for instruction sets that copy rows")
    )]
    #[inline(always)]
    pub(crate) fn undilated(&self, padded: usize) -> Option<usize> {
        let position = padded.checked_sub(self.padding)?;
        (position < self.size).then_some(position)
    }

    /// What the first tap reads, where the taps are neighbours and none is in the padding.
    #[inline(always)]
    pub(crate) fn inside(&self, output: usize) -> Option<usize> {
        let first = (output * self.stride).checked_sub(self.padding)?;
        (self.dilation == 1 && first + self.kernel <= self.size).then_some(first)
    }

    /// Outputs of so many for which no tap is in the padding.
    #[allow(dead_code, reason = "only some instruction sets use it")]
    pub(crate) fn all_inside(&self, outputs: usize) -> Range<usize> {
        let extent = self.dilation * self.kernel.saturating_sub(1) + 1;
        let stride = self.stride.max(1);
        let Some(room) = (self.size + self.padding).checked_sub(extent) else { return 0..0 };
        let end = (room / stride + 1).min(outputs);
        let start = self.padding.div_ceil(stride);
        if start < end { start..end } else { 0..0 }
    }

    /// The taps that are not in the padding.
    #[allow(dead_code, reason = "only some instruction sets use it")]
    #[inline(always)]
    pub(crate) fn taps(&self, output: usize) -> Range<usize> {
        let (first, step) = (output * self.stride, self.dilation.max(1));
        let inside = |position: usize| position.saturating_sub(first).div_ceil(step).min(self.kernel);
        inside(self.padding)..inside(self.size + self.padding)
    }

    /// What an undilated window covers of the input.
    #[inline(always)]
    pub(crate) fn covered(&self, output: usize) -> Range<usize> {
        let first = output * self.stride;
        first.saturating_sub(self.padding)..(first + self.kernel).saturating_sub(self.padding).min(self.size)
    }
}
