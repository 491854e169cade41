//! DS-CNN (Zhang et al. 2017, arXiv:1711.07128, in MLPerf Tiny's size), batch normalisation folded.

use burn::{
    module::Module,
    nn::{
        Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig},
    },
    tensor::{
        Device, Tensor,
        activation::{relu, softmax},
    },
};

/// Channels of every layer.
const WIDTH: usize = 64;

/// A convolution of every channel by itself, then one across channels.
#[derive(Module, Debug)]
struct Separable {
    depthwise: Conv2d,
    pointwise: Conv2d,
}

impl Separable {
    fn new(device: &Device) -> Self {
        let depthwise =
            Conv2dConfig::new([WIDTH, WIDTH], [3, 3]).with_groups(WIDTH).with_padding(PaddingConfig2d::Same);
        Self { depthwise: depthwise.init(device), pointwise: Conv2dConfig::new([WIDTH, WIDTH], [1, 1]).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.pointwise.forward(relu(self.depthwise.forward(x))))
    }
}

/// A second of speech, as 49 frames of ten cepstral coefficients, to twelve classes.
#[derive(Module, Debug)]
pub struct DsCnn {
    stem: Conv2d,
    blocks: [Separable; 4],
    average: AdaptiveAvgPool2d,
    classifier: Linear,
}

impl DsCnn {
    /// Fresh weights.
    pub fn new(device: &Device) -> Self {
        let stem = Conv2dConfig::new([1, WIDTH], [10, 4]).with_stride([2, 2]).with_padding(PaddingConfig2d::Same);
        Self {
            stem: stem.init(device),
            blocks: std::array::from_fn(|_| Separable::new(device)),
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            classifier: LinearConfig::new(WIDTH, crate::CLASSES.len()).init(device),
        }
    }

    /// Coefficients `[batch, 1, 49, 10]`; probabilities `[batch, 12]`.
    pub fn forward(&self, frames: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.stem.forward(frames));
        for block in &self.blocks {
            x = block.forward(x);
        }
        softmax(self.classifier.forward(self.average.forward(x).flatten(1, 3)), 1)
    }
}
