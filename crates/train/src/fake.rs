//! Fake quantisation: training sees the rounding that int8 will do.

use crate::tensor::map_rank;
use crate::{DynTensor, GraphModule};
use burn::tensor::Tensor;
use niwaki_graph::{ParamId, ValueId};

/// Where int8 has its steps: `real = scale * (q - zero_point)`, `q` in -128..=127.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Real value of one step.
    pub scale: f32,
    /// The int8 value that stands for zero.
    pub zero_point: i8,
}

/// A weight that is rounded to 127 steps either way, each output channel by its own largest magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeWeight {
    /// The parameter.
    pub param: ParamId,
    /// The axis of its output channels.
    pub axis: usize,
}

/// What is rounded in the forward pass. Gradients pass through the rounding as if it were not there, and stop where a
/// value saturates (the straight-through estimator: Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2018,
/// arXiv:1712.05877). Zeros stay zero, so masks hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FakeQuantisation {
    /// Per value of the graph; `None` for values that int8 never stores, such as those a clamp is fused into.
    pub values: Vec<Option<Steps>>,
    /// Weights of convolutions and linear layers.
    pub weights: Vec<FakeWeight>,
}

impl FakeQuantisation {
    /// A value as int8 would hold it.
    pub(crate) fn value(&self, id: ValueId, x: DynTensor) -> DynTensor {
        match self.values.get(id.0).copied().flatten() {
            Some(steps) => map_rank!(x, x => rounded(x, steps)),
            None => x,
        }
    }

    /// The module with its weights as int8 would hold them.
    pub(crate) fn weights(&self, module: &GraphModule) -> GraphModule {
        module.substituted(&mut |id, weight| {
            let fake = self.weights.iter().find(|fake| fake.param == id)?;
            Some(map_rank!(weight, weight => rounded_weight(weight, fake.axis)))
        })
    }
}

/// Rounds forwards, passes backwards.
fn through<const D: usize>(x: Tensor<D>, rounded: Tensor<D>) -> Tensor<D> {
    (rounded - x.clone()).detach() + x
}

fn rounded<const D: usize>(x: Tensor<D>, steps: Steps) -> Tensor<D> {
    let zero = f32::from(steps.zero_point);
    let inside = x.clamp((-128.0 - zero) * steps.scale, (127.0 - zero) * steps.scale);
    let rounded = inside.clone().div_scalar(steps.scale).round().mul_scalar(steps.scale);
    through(inside, rounded)
}

fn rounded_weight<const D: usize>(weight: Tensor<D>, axis: usize) -> Tensor<D> {
    let mut largest = weight.clone().detach().abs();
    for dim in (0..D).filter(|dim| *dim != axis) {
        largest = largest.max_dim(dim);
    }
    // A channel of zeros still needs a step.
    let step = largest.clamp_min(f32::MIN_POSITIVE * 127.0).div_scalar(127.0);
    let rounded = (weight.clone() / step.clone()).round() * step;
    through(weight, rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn values_round_saturate_and_pass_gradients() {
        let device = Device::flex().autodiff();
        let data = TensorData::new(vec![0.26f32, -0.74, 5.0, -9.0], [4]);
        let x = Tensor::<1>::from_data(data, &device).require_grad();
        let steps = Steps { scale: 0.5, zero_point: -126 };
        let y = rounded(x.clone(), steps);
        assert_eq!(crate::tensor::into_vec(y.clone().inner()), [0.5, -0.5, 5.0, -1.0]);
        let slopes = x.grad(&y.sum().backward()).map(crate::tensor::into_vec);
        assert_eq!(slopes, Some(vec![1.0, 1.0, 1.0, 0.0]), "what saturates learns nothing");
    }

    #[test]
    fn weights_round_by_their_channel_and_zeros_stay() {
        let weight = Tensor::<2>::from_floats([[1.27, 0.0, -0.014], [0.0, 0.0, 0.0]], &Device::flex());
        let rounded = crate::tensor::into_vec(rounded_weight(weight, 0));
        for (x, expected) in rounded.iter().zip([1.27, 0.0, -0.01, 0.0, 0.0, 0.0]) {
            assert!((x - expected).abs() < 1e-6, "{rounded:?}");
        }
    }
}
