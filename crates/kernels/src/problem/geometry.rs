//! Shapes of sliding windows.

use niwaki_blob::{Shape, Window};

/// A sliding window over an input, from which the output's shape follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Height, width, channels of the input.
    pub input: [usize; 3],
    /// Channels of the output.
    pub channels: usize,
    /// Groups; 1 for pools.
    pub groups: usize,
    /// Height and width of the window in taps.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Vertical and horizontal distance between taps.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub before: [usize; 2],
    /// Padding below and to the right.
    pub after: [usize; 2],
}

impl Geometry {
    /// A square-stepped window with neither padding nor dilation.
    pub fn new(input: [usize; 3], channels: usize, kernel: [usize; 2], stride: usize) -> Self {
        Self {
            input,
            channels,
            groups: 1,
            kernel,
            stride: [stride; 2],
            dilation: [1; 2],
            before: [0; 2],
            after: [0; 2],
        }
    }

    /// The same with padding (above, left), (below, right).
    pub fn padded(self, before: [usize; 2], after: [usize; 2]) -> Self {
        Self { before, after, ..self }
    }

    /// The input's shape.
    pub fn input(&self) -> Shape {
        let [height, width, channels] = self.input;
        Shape { height, width, channels }
    }

    /// The output's shape; `None` where a blob could not hold it: the window does not fit, or padding reaches a whole
    /// window.
    pub fn output(&self) -> Option<Shape> {
        let count = |axis: usize| {
            let extent = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let padded = self.input[axis] + self.before[axis] + self.after[axis];
            let good = self.before[axis] < extent && self.after[axis] < extent && padded >= extent;
            good.then(|| (padded - extent) / self.stride[axis] + 1)
        };
        Some(Shape { height: count(0)?, width: count(1)?, channels: self.channels })
    }

    /// The window.
    pub fn window(&self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, dilation: self.dilation, padding: self.before }
    }
}
