//! What a plan is made of.

use crate::layout::{channels_innermost, elements};
use niwaki_quantise::Quantisation;

/// Index of a [`Tensor`] in [`Plan::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub usize);

/// An activation in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The graph value that it holds.
    pub name: String,
    /// Height, width, channels.
    pub shape: [usize; 3],
    /// Scale and zero point.
    pub quantisation: Quantisation,
    /// Tensors of one storage are the same bytes: views after a reshape, and results computed in place.
    pub storage: usize,
    /// First byte in the arena.
    pub offset: usize,
}

impl Tensor {
    /// Number of elements and bytes.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// How accumulators become int8; the formula is in `crates/blob/SPEC.md`.
#[derive(Clone, Debug, PartialEq)]
pub struct Requantise {
    /// One per output channel, each less than 0.5: output steps per accumulator step, divided by `2^shift`.
    pub scales: Vec<f64>,
    /// Left shift of the accumulator.
    pub shift: u32,
}

/// Geometry of a sliding window; vertical first.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub padding: [usize; 2],
}

impl Window {
    /// One tap, without padding.
    pub(crate) const ONE: Self = Self { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0, 0] };
}

/// What a step computes, with its parameters in the order that kernels read.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    /// Weights `[out][kernel height][kernel width][in / groups]`.
    Conv2d {
        /// Geometry.
        window: Window,
        /// Groups of channels.
        groups: usize,
        /// In the order above.
        weights: Vec<i8>,
        /// One per output channel.
        bias: Vec<i32>,
        /// Output rule.
        requantise: Requantise,
    },
    /// Weights `[kernel height][kernel width][channels]`.
    DepthwiseConv2d {
        /// Geometry.
        window: Window,
        /// In the order above.
        weights: Vec<i8>,
        /// One per channel.
        bias: Vec<i32>,
        /// Output rule.
        requantise: Requantise,
    },
    /// Weights `[out][in]`, inputs in memory order.
    FullyConnected {
        /// In the order above.
        weights: Vec<i8>,
        /// One per output.
        bias: Vec<i32>,
        /// Output rule.
        requantise: Requantise,
    },
    /// Sum or difference: `(a * q[0] + b * q[1] + q[2]) >> 16`.
    Add {
        /// The constants.
        q: [i32; 3],
    },
    /// Product.
    Mul {
        /// Output rule with one scale.
        requantise: Requantise,
    },
    /// Maximum over windows.
    MaxPool {
        /// Geometry.
        window: Window,
    },
    /// Average over windows: one scale, or one per number of elements inside the input.
    AvgPool {
        /// Geometry.
        window: Window,
        /// Output rule.
        requantise: Requantise,
    },
    /// A function of one element.
    Lut {
        /// 256 outputs, from that of -128 to that of 127.
        table: Vec<i8>,
    },
    /// Softmax over channels.
    Softmax {
        /// 256 exponentials, `round(2^15 * exp(-d * scale))`.
        table: Vec<u16>,
    },
    /// Copies the input into a part of the output.
    Concat {
        /// Row, column and channel where it starts.
        origin: [usize; 3],
    },
    /// Fills the output, then copies the input into a part of it.
    Pad {
        /// Row, column and channel where it starts.
        origin: [usize; 3],
        /// What the border holds.
        value: i8,
    },
    /// Product of two activations.
    MatMul {
        /// Which of height (0), width (1), channels (2) are matrices, rows and terms of the first operand; matrices,
        /// columns and terms of the second; matrices, rows and columns of the output.
        orders: [[usize; 3]; 3],
        /// Output rule with one scale.
        requantise: Requantise,
    },
    /// Layer normalisation over channels, in the fixed point of `crates/blob/SPEC.md`.
    LayerNorm {
        /// One factor per channel.
        gamma: Vec<i32>,
        /// One addend per channel.
        beta: Vec<i32>,
        /// Mantissa and left shift.
        epsilon: [i32; 2],
    },
    /// A row of a table for every element.
    Embedding {
        /// Rows of the table.
        rows: usize,
        /// `[rows][channels]`.
        table: Vec<i8>,
    },
    /// Constant data; no operand.
    Constant {
        /// The output in memory order.
        data: Vec<i8>,
    },
    /// Output dimension `i` of (height, width, channels) is input dimension `perm[i]`.
    Transpose {
        /// The permutation.
        perm: [usize; 3],
    },
}

/// One kernel call.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The graph node that it computes, or a part of it.
    pub name: String,
    /// Multiply-accumulates, from the shapes.
    pub macs: usize,
    /// What it computes.
    pub kernel: Kernel,
    /// Operands.
    pub inputs: Vec<TensorId>,
    /// Result.
    pub output: TensorId,
    /// Smallest and largest output: all of int8, or what a fused ReLU or clamp leaves.
    pub range: [i8; 2],
}

/// An input or output of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Name of the value.
    pub name: String,
    /// Where it is.
    pub tensor: TensorId,
    /// Per-sample shape in the user's model.
    pub shape: Vec<usize>,
}

/// Steps in execution order and the memory they work in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Activations.
    pub tensors: Vec<Tensor>,
    /// Kernel calls in order.
    pub steps: Vec<Step>,
    /// Tensors that the caller fills. Their bytes may be reused once they were read: fill them before every run.
    pub inputs: Vec<Interface>,
    /// Tensors that the caller reads.
    pub outputs: Vec<Interface>,
    /// Bytes that all tensors need together.
    pub arena_bytes: usize,
}

impl Plan {
    /// For every byte of an input or output, the index of its element in the C order of the model's own shape.
    pub fn memory_order(&self, interface: &Interface) -> Vec<usize> {
        elements(&interface.shape, &channels_innermost(interface.shape.len()))
    }
}
