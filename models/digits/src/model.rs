//! The network: convolution, depthwise-separable convolution with a residual, pooling, a linear classifier.

use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d, Relu,
        conv::{Conv2d, Conv2dConfig},
        pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor},
};

/// A convolution without bias, batch normalisation, ReLU.
#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
    relu: Relu,
}

impl ConvNorm {
    fn new([inputs, outputs]: [usize; 2], kernel: usize, groups: usize, device: &Device) -> Self {
        let side = kernel / 2;
        let conv = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
            .with_padding(PaddingConfig2d::Explicit(side, side, side, side))
            .with_groups(groups)
            .with_bias(false);
        let norm = BatchNormConfig::new(outputs);
        Self { conv: conv.init(device), norm: norm.init(device), relu: Relu::new() }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.relu.forward(self.norm.forward(self.conv.forward(x)))
    }
}

/// 8x8 grey images to ten digits.
#[derive(Module, Debug)]
pub struct Digits {
    stem: ConvNorm,
    depthwise: ConvNorm,
    pointwise: ConvNorm,
    pool: MaxPool2d,
    wide: ConvNorm,
    average: AdaptiveAvgPool2d,
    classifier: Linear,
}

impl Digits {
    /// Fresh weights.
    pub fn new(device: &Device) -> Self {
        Self {
            stem: ConvNorm::new([1, 24], 3, 1, device),
            depthwise: ConvNorm::new([24, 24], 3, 24, device),
            pointwise: ConvNorm::new([24, 24], 1, 1, device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            wide: ConvNorm::new([24, 48], 3, 1, device),
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            classifier: LinearConfig::new(48, 10).init(device),
        }
    }

    /// Images `[batch, 1, 8, 8]` in 0 to 1; logits `[batch, 10]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.stem.forward(images);
        let y = self.pointwise.forward(self.depthwise.forward(x.clone()));
        let x = self.pool.forward(x + y);
        let x = self.average.forward(self.wide.forward(x));
        self.classifier.forward(x.flatten(1, 3))
    }
}
