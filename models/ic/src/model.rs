//! ResNet-8 (He et al. 2016, arXiv:1512.03385, in MLPerf Tiny's reduction), batch normalisation folded.

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

/// Channels of the three stacks.
const WIDTHS: [usize; 3] = [16, 32, 64];

fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([inputs, outputs], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Same)
        .init(device)
}

/// Two convolutions beside a shortcut, which is a convolution where the shape changes.
#[derive(Module, Debug)]
struct Stack {
    first: Conv2d,
    second: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Stack {
    fn new(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Self {
        Self {
            first: conv(inputs, outputs, 3, stride, device),
            second: conv(outputs, outputs, 3, 1, device),
            shortcut: (inputs != outputs).then(|| conv(inputs, outputs, 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.second.forward(relu(self.first.forward(x.clone())));
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(x + y)
    }
}

/// 32x32 colour images to ten classes.
#[derive(Module, Debug)]
pub struct ResNet8 {
    stem: Conv2d,
    stacks: [Stack; 3],
    average: AdaptiveAvgPool2d,
    classifier: Linear,
}

impl ResNet8 {
    /// Fresh weights.
    pub fn new(device: &Device) -> Self {
        let [a, b, c] = WIDTHS;
        Self {
            stem: conv(3, a, 3, 1, device),
            stacks: [Stack::new(a, a, 1, device), Stack::new(a, b, 2, device), Stack::new(b, c, 2, device)],
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            classifier: LinearConfig::new(c, crate::CLASSES).init(device),
        }
    }

    /// Images `[batch, 3, 32, 32]` in 0 to 255; probabilities `[batch, 10]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.stem.forward(images));
        for stack in &self.stacks {
            x = stack.forward(x);
        }
        softmax(self.classifier.forward(self.average.forward(x).flatten(1, 3)), 1)
    }
}
