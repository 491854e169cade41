//! The operations a graph can hold, with their attributes.

use crate::ParamId;
use serde::{Deserialize, Serialize};

/// Convolution over one or two spatial dimensions (the length of `stride` tells which).
///
/// Input `[in, spatial...]`, output `[out, spatial...]`, weight `[out, in / groups, kernel...]`, bias `[out]`.
/// Depthwise when `groups` equals the number of input channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv {
    /// Filters.
    pub weight: ParamId,
    /// One addend per output channel.
    pub bias: Option<ParamId>,
    /// Step per spatial dimension.
    pub stride: Vec<usize>,
    /// Zeros before and after, per spatial dimension.
    pub padding: Vec<[usize; 2]>,
    /// Distance between taps per spatial dimension; 1 is a plain convolution.
    pub dilation: Vec<usize>,
    /// Number of groups that channels are split into.
    pub groups: usize,
}

/// Fully connected layer over the last dimension: weight `[in, out]`, bias `[out]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// Matrix `[in, out]`.
    pub weight: ParamId,
    /// One addend per output.
    pub bias: Option<ParamId>,
}

/// Batch normalisation over dimension 0 (channels): `gamma * (x - mean) / sqrt(var + epsilon) + beta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNorm {
    /// Scale per channel.
    pub gamma: ParamId,
    /// Offset per channel.
    pub beta: ParamId,
    /// Running mean per channel.
    pub mean: ParamId,
    /// Running variance per channel.
    pub var: ParamId,
    /// Added to the variance.
    pub epsilon: f64,
    /// Weight of the newest batch in the running statistics, in training.
    pub momentum: f64,
}

/// Layer normalisation over the last dimension: `gamma * (x - mean) / sqrt(var + epsilon) + beta`, with mean and biased
/// variance of that dimension (Ba et al. 2016, arXiv:1607.06450).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerNorm {
    /// Scale per element.
    pub gamma: ParamId,
    /// Offset per element.
    pub beta: Option<ParamId>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// Product of two values over their last two dimensions, times a number: `[.., m, k]` and `[.., k, n]` give `[.., m,
/// n]`. Other dimensions are the same in both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatMul {
    /// Whether the second operand is `[.., n, k]`.
    pub transposed: bool,
    /// What every product is multiplied by: `1 / sqrt(k)` in attention.
    pub scale: f32,
}

/// Maximum or average over windows of one or two spatial dimensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Window size per spatial dimension.
    pub kernel: Vec<usize>,
    /// Step per spatial dimension.
    pub stride: Vec<usize>,
    /// Padding before and after, per spatial dimension.
    pub padding: Vec<[usize; 2]>,
    /// For averages: whether padding counts as elements (zeros) of the window. Ignored for maxima, where padding
    /// never wins.
    pub count_include_pad: bool,
}

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Unary {
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, min), max)`; ReLU6 is `Clamp { min: 0, max: 6 }`.
    Clamp {
        /// Lower bound.
        min: f32,
        /// Upper bound.
        max: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x` where positive, else `slope * x`.
    LeakyRelu {
        /// Factor for negative inputs.
        slope: f32,
    },
    /// `min(max(alpha * x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at zero.
        beta: f32,
    },
    /// `x * min(max(x + 3, 0), 6) / 6`.
    HardSwish,
    /// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel 2016, arXiv:1606.08415).
    Gelu,
    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`.
    GeluTanh,
    /// `scale * x + offset`.
    Affine {
        /// Factor.
        scale: f32,
        /// Addend.
        offset: f32,
    },
}

/// A function of two elements at the same place. A dimension that one operand has with size 1 is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
}

/// One operation. Axes and shapes are per sample (no batch dimension).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Convolution.
    Conv(Conv),
    /// Fully connected layer.
    Linear(Linear),
    /// Batch normalisation.
    BatchNorm(BatchNorm),
    /// A function of one element.
    Unary(Unary),
    /// A function of two elements.
    Binary(Binary),
    /// Concatenation of any number of values along an axis.
    Concat {
        /// The axis that grows.
        axis: usize,
    },
    /// The indices from `start` up to `end` of an axis.
    Slice {
        /// The axis that shrinks.
        axis: usize,
        /// The first index that stays.
        start: usize,
        /// The first behind it that does not.
        end: usize,
    },
    /// Maximum over windows.
    MaxPool(Pool),
    /// Average over windows.
    AvgPool(Pool),
    /// Average over all spatial dimensions: `[c, spatial...]` becomes `[c]`, or `[c, 1...]` with `keep_dims`.
    GlobalAvgPool {
        /// Whether the spatial dimensions stay, with size 1.
        keep_dims: bool,
    },
    /// The same elements in C order under another shape.
    Reshape {
        /// The new per-sample shape.
        shape: Vec<usize>,
    },
    /// Dimensions in another order: output dimension `i` is input dimension `perm[i]`.
    Transpose {
        /// The permutation.
        perm: Vec<usize>,
    },
    /// A constant border.
    Pad {
        /// Elements before and after, per dimension.
        padding: Vec<[usize; 2]>,
        /// What the border holds.
        value: f32,
    },
    /// `exp(x) / sum(exp(x))` along an axis.
    Softmax {
        /// The axis that is normalised.
        axis: usize,
    },
    /// Layer normalisation.
    LayerNorm(LayerNorm),
    /// Product of two values.
    MatMul(MatMul),
    /// A row of the table for every element: `[..]` becomes `[.., columns]`. The parameter is `[rows, columns]`; elements
    /// are whole numbers from 0.
    Embedding(ParamId),
    /// A parameter as a value; it has no operand.
    Constant(ParamId),
}

impl Unary {
    /// The function itself.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Unary::Relu => x.max(0.0),
            Unary::Clamp { min, max } => x.max(min).min(max),
            Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Unary::Tanh => x.tanh(),
            Unary::LeakyRelu { slope } => {
                if x > 0.0 {
                    x
                } else {
                    slope * x
                }
            }
            Unary::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Unary::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Unary::Gelu => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
            Unary::GeluTanh => {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Unary::Affine { scale, offset } => scale * x + offset,
        }
    }
}

impl Op {
    /// The field's usual name of the operation.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Conv(_) => "conv",
            Op::Linear(_) => "linear",
            Op::BatchNorm(_) => "batch_norm",
            Op::Unary(Unary::Relu) => "relu",
            Op::Unary(Unary::Clamp { .. }) => "clamp",
            Op::Unary(Unary::Sigmoid) => "sigmoid",
            Op::Unary(Unary::Tanh) => "tanh",
            Op::Unary(Unary::LeakyRelu { .. }) => "leaky_relu",
            Op::Unary(Unary::HardSigmoid { .. }) => "hard_sigmoid",
            Op::Unary(Unary::HardSwish) => "hard_swish",
            Op::Unary(Unary::Gelu) => "gelu",
            Op::Unary(Unary::GeluTanh) => "gelu_tanh",
            Op::Unary(Unary::Affine { .. }) => "affine",
            Op::Binary(Binary::Add) => "add",
            Op::Binary(Binary::Sub) => "sub",
            Op::Binary(Binary::Mul) => "mul",
            Op::Concat { .. } => "concat",
            Op::Slice { .. } => "slice",
            Op::MaxPool(_) => "max_pool",
            Op::AvgPool(_) => "avg_pool",
            Op::GlobalAvgPool { .. } => "global_avg_pool",
            Op::Reshape { .. } => "reshape",
            Op::Transpose { .. } => "transpose",
            Op::Pad { .. } => "pad",
            Op::Softmax { .. } => "softmax",
            Op::LayerNorm(_) => "layer_norm",
            Op::MatMul(_) => "matmul",
            Op::Embedding(_) => "embedding",
            Op::Constant(_) => "constant",
        }
    }

    /// The parameters it uses.
    pub fn params(&self) -> Vec<ParamId> {
        match self {
            Op::Conv(Conv { weight, bias, .. }) | Op::Linear(Linear { weight, bias }) => {
                [*weight].into_iter().chain(*bias).collect()
            }
            Op::BatchNorm(norm) => vec![norm.gamma, norm.beta, norm.mean, norm.var],
            Op::LayerNorm(norm) => [norm.gamma].into_iter().chain(norm.beta).collect(),
            Op::Embedding(table) => vec![*table],
            Op::Constant(data) => vec![*data],
            _ => Vec::new(),
        }
    }

    /// The parameters it uses, to be renumbered.
    pub fn params_mut(&mut self) -> Vec<&mut ParamId> {
        match self {
            Op::Conv(Conv { weight, bias, .. }) | Op::Linear(Linear { weight, bias }) => {
                [weight].into_iter().chain(bias).collect()
            }
            Op::BatchNorm(norm) => vec![&mut norm.gamma, &mut norm.beta, &mut norm.mean, &mut norm.var],
            Op::LayerNorm(norm) => [&mut norm.gamma].into_iter().chain(&mut norm.beta).collect(),
            Op::Embedding(table) => vec![table],
            Op::Constant(data) => vec![data],
            _ => Vec::new(),
        }
    }
}
