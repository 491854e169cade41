//! Typed views of operations: what a kernel is given.

use crate::{
    BlockConv2d, BlockFullyConnected, CompactConv2d, CompactFullyConnected, Constant, Embedding, LayerNorm, MatMul,
};

/// Height, width, channels of one sample, in memory order (NHWC with N = 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels, contiguous in memory.
    pub channels: usize,
}

impl Shape {
    /// Number of elements, which is also the number of bytes.
    pub const fn elements(self) -> usize {
        self.height * self.width * self.channels
    }
}

/// The range that outputs are clamped to: all of int8, or less where an activation is fused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Smallest output.
    pub min: i8,
    /// Largest output.
    pub max: i8,
}

impl Activation {
    /// `value` limited to the range.
    #[inline(always)]
    pub fn clamp(self, value: i32) -> i8 {
        value.max(i32::from(self.min)).min(i32::from(self.max)) as i8
    }
}

/// How accumulators become outputs; see [`crate::requantise`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requantise<'a> {
    /// Even, non-negative, one per output channel.
    pub multipliers: &'a [i32],
    /// Left shift of the accumulator before the multiplication, less than 31; 0 in nearly every layer.
    pub shift: u32,
    /// Output value that stands for zero.
    pub zero_point: i8,
    /// Output range.
    pub activation: Activation,
}

/// Geometry of a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width in taps, each at least 1.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step, each at least 1.
    pub stride: [usize; 2],
    /// Vertical and horizontal distance between taps, each at least 1.
    pub dilation: [usize; 2],
    /// Padding above and to the left. What is missing below and to the right follows from the output's shape.
    pub padding: [usize; 2],
}

/// Convolution with weights `[out][kernel height][kernel width][in / groups]`.
///
/// `acc[o] = bias[o] + sum(x * w)`, where a tap outside the input reads `input_zero_point`. The bias already holds
/// `-input_zero_point * sum(w)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d<'a> {
    /// Input shape.
    pub input: Shape,
    /// Output shape.
    pub output: Shape,
    /// Taps.
    pub window: Window,
    /// Groups that channels are split into; divides both channel counts.
    pub groups: usize,
    /// What padding reads.
    pub input_zero_point: i8,
    /// Weights, in the order above.
    pub weights: &'a [i8],
    /// One per output channel.
    pub bias: &'a [i32],
    /// Output rule.
    pub requantise: Requantise<'a>,
}

/// Fully connected layer on the flattened input: weights `[out][in]`, `acc[o] = bias[o] + sum(x * w)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FullyConnected<'a> {
    /// Elements of the input.
    pub inputs: usize,
    /// Elements of the output.
    pub outputs: usize,
    /// Weights, in the order above.
    pub weights: &'a [i8],
    /// One per output.
    pub bias: &'a [i32],
    /// Output rule.
    pub requantise: Requantise<'a>,
}

/// Element-wise sum or product of two tensors. The second may be shorter: its elements are then taken again and again.
///
/// Add: `clamp((a * q[0] + b * q[1] + q[2]) >> 16)`. Mul: `clamp(zero_point + multiply_round(((a - za) * (b - zb)) <<
/// shift, q[0]))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binary {
    /// Elements of the first operand and of the output.
    pub elements: usize,
    /// Constants of the formula.
    pub q: [i32; 3],
    /// Zero points of the operands; for Mul.
    pub input_zero_points: [i8; 2],
    /// Zero point of the output; for Mul.
    pub zero_point: i8,
    /// Left shift; for Mul.
    pub shift: u32,
    /// Output range.
    pub activation: Activation,
}

/// Maximum over windows, channel by channel. Padding never wins. Input and output share scale and zero point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPool {
    /// Input shape.
    pub input: Shape,
    /// Output shape.
    pub output: Shape,
    /// Window; dilation is 1.
    pub window: Window,
}

/// Average over windows, channel by channel: `requantise(sum(x - input_zero_point over the window), ...)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvgPool<'a> {
    /// Input shape.
    pub input: Shape,
    /// Output shape.
    pub output: Shape,
    /// Window; dilation is 1.
    pub window: Window,
    /// What is subtracted from every element.
    pub input_zero_point: i8,
    /// Output rule. Its multipliers are one for all windows, or one per number of elements inside the input
    /// (`multipliers[count - 1]`, up to kernel height x kernel width).
    pub requantise: Requantise<'a>,
}

/// A function of one element as a table: `out = table[(x + 128) as usize]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lut<'a> {
    /// Elements.
    pub elements: usize,
    /// 256 entries.
    pub table: &'a [i8],
}

/// Softmax over the channels of every pixel.
///
/// With `e[i] = table[max - x[i]]`: `out[i] = clamp((256 * e[i] + sum / 2) / sum - 128)`, unsigned division.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Softmax<'a> {
    /// Shape of input and output.
    pub shape: Shape,
    /// 256 entries: `round(2^15 * exp(-d * scale))`.
    pub table: &'a [u16],
}

/// Copies its input into a part of its output: one operand of a concatenation. Both share scale and zero point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Concat {
    /// Input shape.
    pub input: Shape,
    /// Output shape.
    pub output: Shape,
    /// Row, column and channel of the output where the input's first element goes.
    pub origin: [usize; 3],
}

/// Fills its output and then copies its input into a part of it. Both share scale and zero point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad {
    /// Where the input goes.
    pub place: Concat,
    /// What the border holds.
    pub value: i8,
}

/// Dimensions in another order: output dimension `i` of (height, width, channels) is input dimension `perm[i]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transpose {
    /// Input shape.
    pub input: Shape,
    /// The permutation.
    pub perm: [usize; 3],
}

/// Weights of some output rows, four terms of each: SPEC.md, "Packed weights", says which byte is whose.
///
/// Rows of a group are computed together. The last group may have fewer; its other weights and rules are zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackedWeights<'a> {
    /// Rows of a group: 1, 2, 4 or 8.
    pub rows: usize,
    /// Whether a group has three streams, as [`PackedWeights::streams`] says, so that its rows can lack blocks two by two.
    pub pairs: bool,
    /// Dense: `[group][quad][4 * rows]`. Sparse: the streams of every group, and [`STREAM_SLACK`] bytes behind the last.
    pub weights: &'a [i8],
    /// `[group][2 * rows]`: the biases of its rows, then their multipliers.
    pub rules: &'a [i32],
    /// Output value that stands for zero.
    pub zero_point: i8,
    /// Output range.
    pub activation: Activation,
}

impl PackedWeights<'_> {
    /// The streams of a group: of each the first row of its blocks, and how many there are.
    #[inline]
    pub fn streams(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let alone: &[(usize, usize)] = if self.pairs { &[(0, 2), (2, 2)] } else { &[] };
        [(0, self.rows)].into_iter().chain(alone.iter().copied())
    }
}

/// Bytes behind the last stream, so that a kernel may load weights before it knows whether there are any.
pub const STREAM_SLACK: usize = 16;

/// What the offsets of a sparse convolution's streams count in: four terms of four pixels, widened to 16 bits.
pub const CONV_STEP: usize = 32;

/// What the offsets of a sparse fully connected layer's streams count in: four inputs.
pub const FULLY_CONNECTED_STEP: usize = 4;

/// What the offsets of a sparse interleaved layer's streams count in: four inputs as words, and what they say together.
pub const INTERLEAVED_STEP: usize = 20;

/// [`Conv2d`] with one group and packed weights; depthwise, one filter of 3x3 taps per channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackedConv2d<'a> {
    /// Input shape.
    pub input: Shape,
    /// Output shape.
    pub output: Shape,
    /// Taps.
    pub window: Window,
    /// What padding reads.
    pub input_zero_point: i8,
    /// Weights and output rules.
    pub packed: PackedWeights<'a>,
}

impl PackedConv2d<'_> {
    /// Products of one output, in fours; the last four may have fewer.
    pub const fn quads(&self) -> usize {
        (self.window.kernel[0] * self.window.kernel[1] * self.input.channels).div_ceil(4)
    }
}

/// [`FullyConnected`] with packed weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackedFullyConnected<'a> {
    /// Elements of the input.
    pub inputs: usize,
    /// Elements of the output.
    pub outputs: usize,
    /// Weights and output rules.
    pub packed: PackedWeights<'a>,
}

impl PackedFullyConnected<'_> {
    /// Products of one output, in fours; the last four may have fewer.
    pub const fn quads(&self) -> usize {
        self.inputs.div_ceil(4)
    }
}

/// One operation with everything its kernel needs but the activations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op<'a> {
    /// Convolution.
    Conv2d(Conv2d<'a>),
    /// Convolution with one input channel per output channel: `groups` equals both channel counts. Weights are
    /// `[kernel height][kernel width][channels]`.
    DepthwiseConv2d(Conv2d<'a>),
    /// Fully connected layer.
    FullyConnected(FullyConnected<'a>),
    /// Element-wise sum.
    Add(Binary),
    /// Element-wise product.
    Mul(Binary),
    /// Maximum over windows.
    MaxPool(MaxPool),
    /// Average over windows.
    AvgPool(AvgPool<'a>),
    /// A function of one element.
    Lut(Lut<'a>),
    /// Softmax over channels.
    Softmax(Softmax<'a>),
    /// One operand of a concatenation.
    Concat(Concat),
    /// A constant border.
    Pad(Pad),
    /// Dimensions in another order.
    Transpose(Transpose),
    /// Convolution, weights in groups of two rows.
    PackedConv2d(PackedConv2d<'a>),
    /// Depthwise convolution with 3x3 taps, one word per column of taps.
    PackedDepthwiseConv2d(PackedConv2d<'a>),
    /// Fully connected layer, weights in groups of four rows.
    PackedFullyConnected(PackedFullyConnected<'a>),
    /// Convolution that skips blocks of zeros.
    SparseConv2d(PackedConv2d<'a>),
    /// Fully connected layer that skips blocks of zeros.
    SparseFullyConnected(PackedFullyConnected<'a>),
    /// Convolution with blocks of plain bytes, all or some.
    BlockConv2d(BlockConv2d<'a>),
    /// Fully connected layer with blocks of plain bytes, all or some.
    BlockFullyConnected(BlockFullyConnected<'a>),
    /// Product of two activations.
    MatMul(MatMul),
    /// Layer normalisation.
    LayerNorm(LayerNorm<'a>),
    /// Constant data.
    Constant(Constant<'a>),
    /// A table of vectors.
    Embedding(Embedding<'a>),
    /// Fully connected layer, the weights of four rows in the bytes of a word.
    InterleavedFullyConnected(PackedFullyConnected<'a>),
    /// The same that skips blocks of zeros.
    SparseInterleavedFullyConnected(PackedFullyConnected<'a>),
    /// Convolution, only the weights that are not zero.
    CompactConv2d(CompactConv2d<'a>),
    /// Fully connected layer, only the weights that are not zero.
    CompactFullyConnected(CompactFullyConnected<'a>),
    /// Fully connected layer, the weights of four rows in the bytes of a word, terms in pairs that one product adds up.
    WinogradFullyConnected(PackedFullyConnected<'a>),
}
