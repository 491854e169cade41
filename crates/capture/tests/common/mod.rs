//! Small modules to capture, and what every capture has to satisfy.

#![allow(dead_code, unreachable_pub, reason = "each test file uses some of the modules; other crates may copy them")]

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig};
use burn::nn::pool::{
    AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig,
};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig1d, PaddingConfig2d, Relu,
};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use niwaki_graph::Graph;
use std::collections::BTreeMap;

/// Convolution, batch normalisation, ReLU.
#[derive(Module, Debug)]
pub struct Block {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Block {
    pub fn new(channels: [usize; 2], kernel: usize, stride: usize, groups: usize, device: &Device) -> Self {
        let pad = kernel / 2;
        let conv = Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_groups(groups)
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false)
            .init(device);
        Self { conv, norm: BatchNormConfig::new(channels[1]).init(device) }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.norm.forward(self.conv.forward(x)))
    }
}

/// A small residual network with everything that image classifiers use.
#[derive(Module, Debug)]
pub struct Classifier {
    stem: Block,
    pool: MaxPool2d,
    blocks: Vec<Block>,
    average: AvgPool2d,
    global: AdaptiveAvgPool2d,
    activation: Relu,
    dropout: Dropout,
    head: Linear,
}

impl Classifier {
    pub fn new(device: &Device) -> Self {
        Self {
            stem: Block::new([1, 4], 3, 1, 1, device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            blocks: vec![Block::new([4, 4], 3, 1, 4, device), Block::new([4, 4], 1, 1, 1, device)],
            average: AvgPool2dConfig::new([2, 2]).init(),
            global: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            activation: Relu::new(),
            dropout: DropoutConfig::new(0.5).init(),
            head: LinearConfig::new(8, 10).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(self.stem.forward(x));
        let y = self.blocks[1].forward(self.blocks[0].forward(x.clone()));
        let sum = self.activation.forward(x.clone() + y);
        let x = self.average.forward(Tensor::cat(vec![x, sum], 1));
        let x = self.global.forward(x).flatten(1, 3);
        self.head.forward(self.dropout.forward(x))
    }
}

/// Two linear layers, the second without a bias, and a softmax.
#[derive(Module, Debug)]
pub struct Perceptron {
    first: Linear,
    second: Linear,
}

impl Perceptron {
    pub fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(6, 5).init(device),
            second: LinearConfig::new(5, 3).with_bias(false).init(device),
        }
    }

    /// On vectors, or on each row of anything larger.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        softmax(self.second.forward(self.first.forward(x).tanh()), D - 1)
    }
}

/// A convolution over time, averaged over time.
#[derive(Module, Debug)]
pub struct Sequence {
    conv: Conv1d,
    norm: BatchNorm,
    head: Linear,
}

impl Sequence {
    pub fn new(device: &Device) -> Self {
        let conv = Conv1dConfig::new(4, 8, 3)
            .with_stride(2)
            .with_dilation(2)
            .with_padding(PaddingConfig1d::Explicit(1, 2))
            .init(device);
        Self { conv, norm: BatchNormConfig::new(8).init(device), head: LinearConfig::new(8, 2).init(device) }
    }

    pub fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let x = self.norm.forward(self.conv.forward(x));
        self.head.forward(x.mean_dim(2).squeeze_dim(2))
    }
}

/// Padding `Same` at stride 2, for a convolution and both kinds of pools.
#[derive(Module, Debug)]
pub struct Asymmetric {
    conv: Conv2d,
    max: MaxPool2d,
    average: AvgPool2d,
}

impl Asymmetric {
    pub fn new(count_include_pad: bool, device: &Device) -> Self {
        let explicit = PaddingConfig2d::Explicit(0, 1, 1, 2);
        Self {
            conv: Conv2dConfig::new([1, 2], [3, 3])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Same)
                .init(device),
            max: MaxPool2dConfig::new([3, 3]).with_strides([1, 1]).with_padding(explicit.clone()).init(),
            average: AvgPool2dConfig::new([3, 3])
                .with_strides([1, 1])
                .with_padding(explicit)
                .with_count_include_pad(count_include_pad)
                .init(),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.average.forward(self.max.forward(self.conv.forward(x)))
    }
}

/// A module of one linear layer, for tests whose operations are in the closure.
#[derive(Module, Debug)]
pub struct Single {
    pub layer: Linear,
}

impl Single {
    pub fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self { layer: LinearConfig::new(inputs, outputs).init(device) }
    }
}

/// A module of one convolution without a bias.
#[derive(Module, Debug)]
pub struct Filter {
    pub conv: Conv2d,
}

impl Filter {
    pub fn new(channels: [usize; 2], device: &Device) -> Self {
        Self { conv: Conv2dConfig::new(channels, [3, 3]).with_bias(false).init(device) }
    }
}

/// Every float parameter of a module, by path.
pub fn parameters<M: Module>(model: &M) -> BTreeMap<String, Vec<f32>> {
    #[derive(Default)]
    struct Reader(Vec<String>, BTreeMap<String, Vec<f32>>);

    impl ModuleVisitor for Reader {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.into());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), param.val().into_data().iter().collect());
        }
    }

    let mut reader = Reader::default();
    model.visit(&mut reader);
    reader.1
}

/// What holds for every captured graph: it is valid, its names are unique, its parameters are the module's, it survives
/// a file.
pub fn check<M: Module>(graph: &Graph, model: &M) {
    graph.validate().unwrap();
    let mut names: Vec<&str> = graph.values.iter().map(|value| value.name.as_str()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two values have one name");
    let parameters = parameters(model);
    for param in graph.params.iter().filter(|param| !param.name.starts_with("constant_")) {
        assert_eq!(parameters.get(&param.name), Some(&param.data), "{}", param.name);
    }
}
