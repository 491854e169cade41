//! A deep autoencoder (Koizumi et al. 2020, arXiv:2006.05822, the baseline of DCASE 2020 task 2), batch normalisation
//! folded.

use crate::{BANDS, FRAMES};
use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation::relu},
};

/// Neurons between input and output.
const WIDTHS: [usize; 9] = [128, 128, 128, 128, 8, 128, 128, 128, 128];

/// Five frames of a sound to themselves, through eight neurons.
#[derive(Module, Debug)]
pub struct Autoencoder {
    hidden: Vec<Linear>,
    output: Linear,
}

impl Autoencoder {
    /// Fresh weights.
    pub fn new(device: &Device) -> Self {
        let window = FRAMES * BANDS;
        let inputs = std::iter::once(window).chain(WIDTHS);
        Self {
            hidden: inputs
                .zip(WIDTHS)
                .map(|(inputs, outputs)| LinearConfig::new(inputs, outputs).init(device))
                .collect(),
            output: LinearConfig::new(WIDTHS[WIDTHS.len() - 1], window).init(device),
        }
    }

    /// Windows `[batch, 640]` of decibels; the same, as far as the network knows such sounds.
    pub fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for layer in &self.hidden {
            x = relu(layer.forward(x));
        }
        self.output.forward(x)
    }
}
