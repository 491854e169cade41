//! Networks that together use every operation: what is captured here is compared on Burn, on the host and on boards.

use crate::random_samples;
use burn::{
    module::{Module, Param},
    nn::{
        BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear,
        LinearConfig, PaddingConfig1d, PaddingConfig2d,
        conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig},
        pool::{AvgPool2d, AvgPool2dConfig, MaxPool1d, MaxPool1dConfig, MaxPool2d, MaxPool2dConfig},
        transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput},
    },
    tensor::{
        Device, Tensor,
        activation::{gelu_approximate, hard_swish, leaky_relu, relu, sigmoid, softmax},
    },
};
use niwaki_graph::Graph;
use niwaki_train::{DynTensor, Samples};

/// A network as Burn runs it and as it was captured, and the shape of one input with a batch of one.
pub struct Specimen {
    /// What it is called in messages.
    pub name: &'static str,
    /// As captured.
    pub graph: Graph,
    /// `[1, ...]`.
    pub shape: Vec<usize>,
    /// Inputs are indices below this number.
    pub indices: Option<usize>,
    /// The module's own forward pass.
    pub forward: Box<dyn Fn(DynTensor) -> DynTensor>,
}

macro_rules! specimen {
    ($name:literal, $model:expr, $shape:expr, $forward:path) => {{
        let model = $model;
        let graph = niwaki_capture::capture(&model, $shape, $forward).unwrap_or_else(|e| panic!("{}: {e}", $name));
        let forward = move |x: DynTensor| {
            let x = x.try_into().expect("the rank is that of the shape");
            DynTensor::from($forward(&model, x))
        };
        Specimen { name: $name, graph, shape: $shape.to_vec(), indices: None, forward: Box::new(forward) }
    }};
}

impl Specimen {
    /// Reproducible inputs: between -1 and 1, or indices.
    pub fn samples(&self, count: usize) -> Samples {
        let mut samples = random_samples(&self.shape[1..], count);
        if let Some(indices) = self.indices {
            samples.inputs.iter_mut().for_each(|x| *x = ((*x + 1.0) / 2.001 * indices as f32).floor());
        }
        samples
    }
}

/// All of them, with weights from a fixed seed.
pub fn all() -> Vec<Specimen> {
    let device = Device::flex();
    device.seed(11);
    vec![
        specimen!("windows", Windows::new(&device), [1, 3, 11, 9], Windows::forward),
        specimen!("gates", Gates::new(&device), [1, 4, 6, 6], Gates::forward),
        specimen!("branches", Branches::new(&device), [1, 2, 8, 8], Branches::forward),
        specimen!("sequence", Sequence::new(&device), [1, 5, 24], Sequence::forward),
        specimen!("perceptron", Perceptron::new(&device), [1, 16], Perceptron::forward),
        specimen!("patches", Patches::new(&device), [1, 1, 6, 8], Patches::forward),
        Specimen { indices: Some(8), ..specimen!("words", Words::new(&device), [1, 7], Words::forward) },
        specimen!("stretched", Stretched::new(&device), [1, 3, 4, 5], Stretched::forward),
        specimen!("split", Split::new(&device), [1, 2, 7, 6], Split::forward),
        specimen!("shuffled", Shuffled::new(&device), [1, 3, 4, 5], Shuffled::forward),
    ]
}

fn explicit([top, left, bottom, right]: [usize; 4]) -> PaddingConfig2d {
    PaddingConfig2d::Explicit(top, left, bottom, right)
}

/// Convolutions and pools of every geometry: strides, asymmetric padding, dilation, groups, depth multipliers.
#[derive(Module, Debug)]
struct Windows {
    stem: Conv2d,
    norm: BatchNorm,
    grouped: Conv2d,
    multiplied: Conv2d,
    max: MaxPool2d,
    wide: Conv2d,
    average: AvgPool2d,
    head: Linear,
}

impl Windows {
    fn new(device: &Device) -> Self {
        let conv = |channels: [usize; 2], kernel: [usize; 2]| Conv2dConfig::new(channels, kernel);
        Self {
            stem: conv([3, 6], [3, 3]).with_stride([2, 1]).with_padding(explicit([0, 1, 1, 2])).init(device),
            norm: BatchNormConfig::new(6).init(device),
            grouped: conv([6, 4], [1, 3]).with_groups(2).with_padding(explicit([0, 1, 0, 1])).init(device),
            multiplied: conv([4, 8], [3, 3]).with_groups(4).with_padding(explicit([1, 1, 1, 1])).init(device),
            max: MaxPool2dConfig::new([3, 2]).with_strides([2, 1]).with_padding(explicit([1, 0, 1, 0])).init(),
            wide: conv([8, 8], [2, 2]).with_dilation([1, 2]).with_padding(explicit([2, 3, 0, 1])).init(device),
            average: AvgPool2dConfig::new([2, 2])
                .with_strides([2, 2])
                .with_padding(explicit([1, 1, 1, 1]))
                .with_count_include_pad(false)
                .init(),
            head: LinearConfig::new(144, 7).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.stem.forward(x)));
        let x = self.multiplied.forward(self.grouped.forward(x));
        let x = self.wide.forward(self.max.forward(x)).clamp(0.0, 6.0);
        self.head.forward(self.average.forward(x).flatten(1, 3))
    }
}

/// Element-wise functions, products and sums, squeeze-and-excitation.
#[derive(Module, Debug)]
struct Gates {
    first: Conv2d,
    depthwise: Conv2d,
    squeeze: Conv2d,
    head: Conv2d,
}

impl Gates {
    fn new(device: &Device) -> Self {
        let side = explicit([1, 1, 1, 1]);
        Self {
            first: Conv2dConfig::new([4, 8], [1, 1]).init(device),
            depthwise: Conv2dConfig::new([8, 8], [3, 3]).with_groups(8).with_padding(side).init(device),
            squeeze: Conv2dConfig::new([8, 8], [1, 1]).init(device),
            head: Conv2dConfig::new([8, 3], [1, 1]).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = hard_swish(self.first.forward(x));
        let y = leaky_relu(self.depthwise.forward(x.clone()), 0.1);
        let gate = sigmoid(self.squeeze.forward(x.clone()));
        let x = y.clone() * gate - x * 0.5 + 0.25;
        let y = self.head.forward(x + y.tanh());
        y.clone() * y
    }
}

/// Branches of different widths, concatenated; a residual around them; softmax over classes.
#[derive(Module, Debug)]
struct Branches {
    left: Conv2d,
    right: Conv2d,
    merge: Conv2d,
    head: Linear,
}

impl Branches {
    fn new(device: &Device) -> Self {
        Self {
            left: Conv2dConfig::new([2, 3], [3, 3]).with_padding(explicit([1, 1, 1, 1])).init(device),
            right: Conv2dConfig::new([2, 5], [1, 1]).init(device),
            merge: Conv2dConfig::new([10, 8], [1, 1]).init(device),
            head: LinearConfig::new(8, 4).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let (left, right) = (relu(self.left.forward(x.clone())), self.right.forward(x.clone()));
        let both = Tensor::cat(vec![left, right], 1);
        let y = relu(self.merge.forward(Tensor::cat(vec![both.clone(), x], 1))) + both;
        let pooled = y.mean_dim(3).mean_dim(2).flatten(1, 3);
        softmax(self.head.forward(pooled), 1)
    }
}

/// Convolutions over time.
#[derive(Module, Debug)]
struct Sequence {
    conv: Conv1d,
    norm: BatchNorm,
    pool: MaxPool1d,
    pointwise: Conv1d,
    head: Linear,
}

impl Sequence {
    fn new(device: &Device) -> Self {
        let padding = PaddingConfig1d::Explicit(2, 1);
        Self {
            conv: Conv1dConfig::new(5, 6, 4).with_stride(2).with_padding(padding).init(device),
            norm: BatchNormConfig::new(6).init(device),
            pool: MaxPool1dConfig::new(2).with_stride(2).init(),
            pointwise: Conv1dConfig::new(6, 4, 1).init(device),
            head: LinearConfig::new(24, 5).init(device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.norm.forward(self.conv.forward(x))));
        self.head.forward(relu(self.pointwise.forward(x).flatten(1, 2)))
    }
}

/// Linear layers, batch normalisation between them, no convolution.
#[derive(Module, Debug)]
struct Perceptron {
    first: Linear,
    norm: BatchNorm,
    second: Linear,
}

impl Perceptron {
    fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(16, 12).init(device),
            norm: BatchNormConfig::new(12).init(device),
            second: LinearConfig::new(12, 6).with_bias(false).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.second.forward(relu(self.norm.forward(self.first.forward(x))))
    }
}

/// Dimensions that change places and shapes that change: nothing that a linear layer's weights could absorb.
#[derive(Module, Debug)]
struct Shuffled {
    rows: Linear,
    conv: Conv2d,
}

impl Shuffled {
    fn new(device: &Device) -> Self {
        Self { rows: LinearConfig::new(5, 6).init(device), conv: Conv2dConfig::new([4, 3], [1, 1]).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        // [3, 4, 5] -> [3, 4, 6] -> [4, 3, 6] -> [3, 3, 6] -> [6, 9] as a one-channel image
        let x = relu(self.rows.forward(x)).swap_dims(1, 2);
        let x = self.conv.forward(x);
        let x = softmax(x, 3);
        let [batch, ..] = x.dims();
        x.reshape([batch as i32, 1, 6, 9]).pad((1, 0, 0, 2), 0.25)
    }
}

/// Parts of what a layer yields, of channels and of positions; a gated linear unit.
#[derive(Module, Debug)]
struct Split {
    stem: Conv2d,
    left: Conv2d,
    merge: Conv2d,
    tokens: Linear,
    gated: Linear,
}

impl Split {
    fn new(device: &Device) -> Self {
        Self {
            stem: Conv2dConfig::new([2, 8], [3, 3]).with_padding(explicit([1, 1, 1, 1])).init(device),
            left: Conv2dConfig::new([4, 6], [1, 1]).init(device),
            merge: Conv2dConfig::new([5, 6], [1, 1]).init(device),
            tokens: LinearConfig::new(6, 8).init(device),
            gated: LinearConfig::new(12, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        // The layer yields both halves by itself; of the joined channels, the last five are copied one by one.
        let [left, right] = halves(relu(self.stem.forward(x)), 1);
        let x = Tensor::cat(vec![self.left.forward(left), right], 1).narrow(1, 5, 5);
        let x = relu(self.merge.forward(x));
        // Rows and columns.
        let x = x.slice_dim(2, 1..6).slice_dim(3, 2..);
        let [first, second] = halves(x.flatten::<3>(2, 3).swap_dims(1, 2).narrow(1, 3, 12), 1);
        let [value, gate] = halves(self.tokens.forward(first + second), 2);
        let x = (value * sigmoid(gate)).flatten::<2>(1, 2).narrow(1, 12, 12);
        let [value, gate] = halves(self.gated.forward(x), 1);
        value * sigmoid(gate)
    }
}

/// Both halves along a dimension.
fn halves<const D: usize>(x: Tensor<D>, dim: usize) -> [Tensor<D>; 2] {
    x.chunk(2, dim).try_into().expect("the size is even")
}

/// A vision transformer: patches, positions, two encoder layers that normalise first, the mean of the tokens.
#[derive(Module, Debug)]
struct Patches {
    patch: Conv2d,
    position: Param<Tensor<3>>,
    encoder: TransformerEncoder,
    norm: LayerNorm,
    head: Linear,
}

impl Patches {
    fn new(device: &Device) -> Self {
        Self {
            patch: Conv2dConfig::new([1, 12], [2, 2]).with_stride([2, 2]).init(device),
            position: Initializer::Normal { mean: 0.0, std: 0.5 }.init([1, 12, 12], device),
            encoder: TransformerEncoderConfig::new(12, 20, 3, 2).with_norm_first(true).init(device),
            norm: LayerNormConfig::new(12).init(device),
            head: LinearConfig::new(12, 5).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.patch.forward(x).flatten::<3>(2, 3).swap_dims(1, 2) + self.position.val();
        let x = self.norm.forward(self.encoder.forward(TransformerEncoderInput::new(x)));
        self.head.forward(x.mean_dim(1).squeeze_dim::<2>(1))
    }
}

/// Indices looked up, a class token before them, an encoder layer that normalises last; every token is an output.
#[derive(Module, Debug)]
struct Words {
    table: Embedding,
    class: Param<Tensor<3>>,
    encoder: TransformerEncoder,
    head: Linear,
}

impl Words {
    fn new(device: &Device) -> Self {
        let encoder = TransformerEncoderConfig::new(8, 12, 2, 1).with_norm_first(false);
        Self {
            table: EmbeddingConfig::new(8, 8).init(device),
            class: Initializer::Normal { mean: 0.0, std: 1.0 }.init([1, 1, 8], device),
            encoder: encoder.init(device),
            head: LinearConfig::new(8, 4).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, _] = x.dims();
        let class = self.class.val().expand([batch as i64, -1, -1]);
        let x = Tensor::cat(vec![class, self.table.forward(x.int())], 1);
        self.head.forward(gelu_approximate(self.encoder.forward(TransformerEncoderInput::new(x))))
    }
}

/// Operands with dimensions of size 1: squeeze-and-excitation, one factor per row, one addend per column.
#[derive(Module, Debug)]
struct Stretched {
    excite: Conv2d,
    rows: Param<Tensor<4>>,
}

impl Stretched {
    fn new(device: &Device) -> Self {
        Self {
            excite: Conv2dConfig::new([3, 3], [1, 1]).init(device),
            rows: Initializer::Normal { mean: 0.0, std: 1.0 }.init([1, 1, 4, 1], device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let gate = sigmoid(self.excite.forward(x.clone().mean_dims(&[2, 3])));
        let x = gate * x;
        let x = x.clone() * self.rows.val() + x.clone().mean_dim(2);
        x.clone().mean_dim(1) - x
    }
}
