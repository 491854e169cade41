//! Why an operation cannot be lowered, and what to write instead.

use crate::Unsupported;
use crate::trace::operation_name;
use burn_ir::OperationIr;

/// Why an operation cannot be lowered.
#[derive(Debug)]
pub(super) enum Problem {
    /// An operand comes from an unsupported operation, which has been reported.
    Upstream,
    /// The graph has no such operation.
    NoCounterpart,
    /// It moves, reduces or mixes the batch dimension.
    MixesBatch,
    /// Shapes differ, and Burn stretches one.
    Broadcast(Vec<usize>, Vec<usize>),
    /// A constant stands where the graph takes activations.
    ConstantOperand(String),
    /// Attention with a mask or a bias.
    Mask,
    /// A weight is the result of arithmetic in the forward pass.
    ComputedParameter(String),
    /// A weight depends on the inputs.
    ActivationAsParameter,
    /// It reduces a dimension that is not spatial.
    NotSpatial(usize),
    /// Windows that are further apart than one element.
    DilatedPool,
    /// Windows that reach past the padded input.
    CeilMode,
    /// Adaptive pooling whose windows differ in size.
    UnevenPool,
    /// Padding by something other than a constant.
    PadMode(&'static str),
    /// The graph computes another shape.
    Shape {
        /// What the graph computes, per sample.
        ours: Vec<usize>,
        /// What Burn recorded, per sample.
        recorded: Vec<usize>,
    },
    /// Anything else.
    Other(String),
}

impl Problem {
    /// The entry in the list of unsupported operations; `None` where the cause is there already.
    pub(super) fn report(self, operation: &OperationIr, near: impl FnOnce() -> Option<String>) -> Option<Unsupported> {
        let name = operation_name(operation);
        let (reason, suggestion) = match self {
            Problem::Upstream => return None,
            Problem::NoCounterpart => ("niwaki has no such operation".into(), alternative(&name).into()),
            Problem::MixesBatch => (
                "it touches the batch dimension: a device runs one sample at a time".into(),
                "leave dimension 0 alone, as in `x.flatten(1, -1)`, `x.reshape([batch, -1])` or `x.swap_dims(1, 2)`"
                    .into(),
            ),
            Problem::Broadcast(a, b) => (
                format!("its operands {a:?} and {b:?} differ in shape"),
                "one operand of the full shape, the other with dimensions of size 1 where it is repeated".into(),
            ),
            Problem::ConstantOperand(what) => (
                format!("it takes {what} as an activation"),
                "a `Param`, or a tensor that the model holds, with a first dimension of size 1; or a plain number"
                    .into(),
            ),
            Problem::ComputedParameter(by) => (
                format!("its weight is computed by `{by}` in the forward pass"),
                "compute the weight once, before capture, and hold it as a `Param`".into(),
            ),
            Problem::Mask => ("it masks or biases attention".into(), "sequences of one length, without a mask".into()),
            Problem::ActivationAsParameter => (
                "its weight depends on the model's input".into(),
                "layers whose weights are parameters; `matmul` with the parameter on the right".into(),
            ),
            Problem::NotSpatial(axis) => (
                format!("it averages dimension {axis} of more than four"),
                "`flatten` before, so that a sample has at most three dimensions".into(),
            ),
            Problem::DilatedPool => {
                ("its window is dilated".into(), "a dilation of 1, or a larger window or stride".into())
            }
            Problem::CeilMode => (
                "its last window reaches past the padded input (`ceil_mode`)".into(),
                "`with_ceil_mode(false)`, with explicit padding where the size matters".into(),
            ),
            Problem::UnevenPool => {
                ("its windows differ in size".into(), "an output size of 1, or one that divides the input size".into())
            }
            Problem::PadMode(mode) => (format!("it pads by {mode}"), "`PadMode::Constant`".into()),
            Problem::Shape { ours, recorded } => {
                (format!("niwaki computes shape {ours:?} where Burn computes {recorded:?}"), alternative(&name).into())
            }
            Problem::Other(reason) => (reason, alternative(&name).into()),
        };
        let shape = operation.outputs().next().map(|tensor| tensor.shape.to_vec()).unwrap_or_default();
        Some(Unsupported { operation: name, shape, near: near(), reason, suggestion })
    }
}

/// What to write instead of an operation that the graph does not have.
fn alternative(operation: &str) -> &'static str {
    match operation {
        "Erf" | "PRelu" | "LogSigmoid" => "`relu`, `leaky_relu`, `gelu`, `hard_swish` or `silu`",
        "Abs" => "`relu(x.clone()) + relu(x.neg())`",
        "LayerNorm" => "normalisation of the last dimension of a sample",
        "LogSoftmax" | "Softmin" => {
            "`softmax`, or the bare logits: the largest is the same, and the loss can do the rest"
        }
        "Conv3d" | "DeformableConv2d" => "`Conv2d` or `Conv1d`",
        "ConvTranspose1d" | "ConvTranspose2d" | "ConvTranspose3d" | "Interpolate" | "GridSample2d" => {
            "no upsampling: `Conv1d`/`Conv2d`, pooling and `Linear` only"
        }
        "Embedding" => "indices that are an input of the model: `Ids` in the example shapes, or `x.int()`",
        "Gather" | "Select" | "GatherNd" | "ArgMax" | "ArgMin" | "TopK" | "OneHot" => {
            "float inputs and outputs: look up or rank outside of the model"
        }
        "Attention" | "Matmul" => "`MultiHeadAttention`, or `Linear` with the weight on the right",
        "Slice" | "Unfold" | "Unfold4d" => "a slice with steps of 1; a strided convolution or pooling",
        "Flip" | "RepeatDim" | "Expand" | "Scatter" | "SliceAssign" => "`cat`, `reshape` or `swap_dims`",
        "MaxPool1dWithIndices" | "MaxPool2dWithIndices" => "`MaxPool1d` or `MaxPool2d`, without indices",
        "MaskFill" => "sequences of one length, without a mask; or `relu`, `leaky_relu` or `clamp` in its place",
        "MaxDim" | "MinDim" | "Max" | "Min" => "`MaxPool1d` or `MaxPool2d` over the whole input",
        "SumDims" | "Sum" => "`sum_dim` over each dimension",
        "Mean" => "`mean_dim` over each dimension",
        "Div" | "Recip" => "division by a plain number, or `mul`",
        "Exp" | "Log" | "Log1p" | "Sqrt" | "Powf" | "PowfScalar" | "Powi" | "PowiScalar" => {
            "`sigmoid`, `tanh` or `softmax`; `x.clone() * x` for a square"
        }
        "MaskWhere" | "Greater" | "GreaterElem" | "Lower" | "LowerElem" | "Equal" | "EqualElem" => {
            "`relu`, `leaky_relu` or `clamp` in place of a mask"
        }
        "IntoInt" => "`x.int()` on an input of the model itself, or `Ids` in the example shapes",
        "Cast" => "`f32` throughout: quantisation to int8 comes after capture",
        _ => {
            "conv1d, conv2d, linear, batch and layer norm, attention, embedding, relu, clamp, sigmoid, tanh, gelu, \
             leaky_relu, hard_sigmoid, hard_swish, add, sub, mul, matmul, cat, max, average and adaptive pooling, \
             mean_dim, reshape, permute, slice, pad, softmax"
        }
    }
}
