//! MobileNetV1 at a quarter of its width (Howard et al. 2017, arXiv:1704.04861), batch normalisation folded.

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

/// Channels that the first convolution yields.
const STEM: usize = 8;

/// Stride of the depthwise convolution and channels of the pointwise one, block by block.
const BLOCKS: [(usize, usize); 13] = [
    (1, 16),
    (2, 32),
    (1, 32),
    (2, 64),
    (1, 64),
    (2, 128),
    (1, 128),
    (1, 128),
    (1, 128),
    (1, 128),
    (1, 128),
    (2, 256),
    (1, 256),
];

/// A convolution of every channel by itself, then one across channels.
#[derive(Module, Debug)]
struct Separable {
    depthwise: Conv2d,
    pointwise: Conv2d,
}

impl Separable {
    fn new(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Self {
        let depthwise = Conv2dConfig::new([inputs, inputs], [3, 3]).with_groups(inputs);
        let depthwise = depthwise.with_stride([stride, stride]).with_padding(PaddingConfig2d::Same);
        Self { depthwise: depthwise.init(device), pointwise: Conv2dConfig::new([inputs, outputs], [1, 1]).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.pointwise.forward(relu(self.depthwise.forward(x))))
    }
}

/// 96x96 colour images: is there a person?
#[derive(Module, Debug)]
pub struct MobileNet {
    stem: Conv2d,
    blocks: Vec<Separable>,
    average: AdaptiveAvgPool2d,
    classifier: Linear,
}

impl MobileNet {
    /// Fresh weights.
    pub fn new(device: &Device) -> Self {
        let stem = Conv2dConfig::new([3, STEM], [3, 3]).with_stride([2, 2]).with_padding(PaddingConfig2d::Same);
        let inputs = std::iter::once(STEM).chain(BLOCKS.map(|(_, outputs)| outputs));
        let blocks =
            inputs.zip(BLOCKS).map(|(inputs, (stride, outputs))| Separable::new(inputs, outputs, stride, device));
        Self {
            stem: stem.init(device),
            blocks: blocks.collect(),
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            classifier: LinearConfig::new(BLOCKS[BLOCKS.len() - 1].1, crate::CLASSES).init(device),
        }
    }

    /// Images `[batch, 3, 96, 96]` in 0 to 1; probabilities `[batch, 2]` of no person and a person.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.stem.forward(images));
        for block in &self.blocks {
            x = block.forward(x);
        }
        softmax(self.classifier.forward(self.average.forward(x).flatten(1, 3)), 1)
    }
}
