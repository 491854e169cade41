//! The network: patches of 2x2 pixels, a position for each, Burn's encoder with normalisation first, the tokens' mean
//! (Dosovitskiy et al. 2021, arXiv:2010.11929, without a class token).

use burn::{
    module::{Module, Param},
    nn::{
        Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig,
        conv::{Conv2d, Conv2dConfig},
        transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput},
    },
    tensor::{Device, Tensor},
};

/// Pixels along a side of a patch.
const PATCH: usize = 2;

/// Patches of an image.
const TOKENS: usize = (digits::SIDE / PATCH) * (digits::SIDE / PATCH);

/// Width of a token.
const WIDTH: usize = 32;

/// 8x8 grey images to ten digits.
#[derive(Module, Debug)]
pub struct DigitsVit {
    patch: Conv2d,
    position: Param<Tensor<3>>,
    encoder: TransformerEncoder,
    norm: LayerNorm,
    classifier: Linear,
}

impl DigitsVit {
    /// Fresh weights.
    pub fn new(device: &Device) -> Self {
        // Four heads of eight, and two layers.
        let encoder = TransformerEncoderConfig::new(WIDTH, 2 * WIDTH, 4, 2).with_norm_first(true).with_dropout(0.0);
        Self {
            patch: Conv2dConfig::new([1, WIDTH], [PATCH, PATCH]).with_stride([PATCH, PATCH]).init(device),
            position: Initializer::Normal { mean: 0.0, std: 0.2 }.init([1, TOKENS, WIDTH], device),
            encoder: encoder.init(device),
            norm: LayerNormConfig::new(WIDTH).init(device),
            classifier: LinearConfig::new(WIDTH, digits::CLASSES).init(device),
        }
    }

    /// Images `[batch, 1, 8, 8]` in 0 to 1; logits `[batch, 10]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let patches = self.patch.forward(images).flatten::<3>(2, 3).swap_dims(1, 2);
        let x = patches + self.position.val();
        let x = self.norm.forward(self.encoder.forward(TransformerEncoderInput::new(x)));
        self.classifier.forward(x.mean_dim(1).squeeze_dim::<2>(1))
    }
}
