//! What capture's own tests capture, run back on Burn: every operation and every pattern that is put together again.

#[path = "../../crates/capture/tests/common/mod.rs"]
mod common;

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::pool::{AdaptiveAvgPool2dConfig, AvgPool2dConfig, MaxPool2dConfig};
use burn::tensor::activation::{hard_swish, leaky_relu, relu, silu, softmax};
use burn::tensor::{Device, Distribution, Tensor, ops::PadMode};
use common::{Asymmetric, Classifier, Filter, Perceptron, Sequence, Single};
use niwaki_capture::capture;
use niwaki_train::{DynTensor, GraphModule};

/// Captures at batch 1, runs module and graph at batch 3.
fn parity<M: Module, const D: usize, const E: usize>(
    model: &M,
    mut shape: [usize; D],
    forward: impl Fn(&M, Tensor<D>) -> Tensor<E>,
) where
    DynTensor: From<Tensor<D>> + From<Tensor<E>>,
{
    let device = Device::flex();
    let graph = capture(model, shape, &forward).unwrap_or_else(|error| panic!("{error}"));
    shape[0] = 3;
    let x = Tensor::<D>::random(shape, Distribution::Normal(0.0, 3.0), &device);
    let native = DynTensor::from(forward(model, x.clone()));
    let module = GraphModule::new(&graph, &device).expect("a valid graph");
    let captured = module.forward(vec![x.into()]).expect("runs").remove(0);
    assert_eq!(captured.shape(), native.shape(), "{graph}");
    for (a, b) in captured.into_vec().iter().zip(native.into_vec()) {
        // Sums are taken in another order: a rounding or two of the operands' size.
        assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{a} and {b}:\n{graph}");
    }
}

/// After a convolution that yields `[batch, 3, 6, 8]`.
fn image<const E: usize>(f: impl Fn(Tensor<4>) -> Tensor<E>)
where
    DynTensor: From<Tensor<E>>,
{
    // Written out: with the bound above, inference would take the input's rank for the output's.
    parity::<_, 4, E>(&Filter::new([2, 3], &Device::flex()), [1, 2, 8, 10], |m, x: Tensor<4>| f(m.conv.forward(x)));
}

#[test]
fn networks() {
    let device = Device::flex();
    parity(&Classifier::new(&device), [1, 1, 8, 8], |m, x| m.forward(x));
    parity(&Perceptron::new(&device), [1, 6], |m, x: Tensor<2>| m.forward(x));
    parity(&Perceptron::new(&device), [1, 5, 6], |m, x: Tensor<3>| m.forward(x));
    parity(&Perceptron::new(&device), [1, 2, 5, 6], |m, x: Tensor<4>| m.forward(x));
    parity(&Sequence::new(&device), [1, 4, 16], |m, x| m.forward(x));
    for c in [true, false] {
        parity(&Asymmetric::new(c, &device), [1, 1, 8, 8], |m, x| m.forward(x));
    }
    parity(&Filter::new([2, 3], &device), [1, 2, 8, 10], |m, x: Tensor<4>| {
        m.conv.forward(x.pad([(1, 2), (0, 1)], PadMode::Constant(0.0)))
    });
    parity(&Filter::new([1, 2], &device), [1, 1, 4, 4], |m, x: Tensor<4>| {
        let bias = Tensor::<1>::from_floats([1.0, 2.0], &x.device());
        m.conv.forward(x).add(bias.reshape([1, 2, 1, 1]))
    });
    parity(&Single::new(2, 3, &device), [1, 4, 3], |m, x: Tensor<3>| {
        x.matmul(m.layer.weight.val().transpose().unsqueeze())
    });
}

#[test]
fn element_wise() {
    image(hard_swish);
    image(|x| x.clone() * (x + 3.0).clamp(0.0, 6.0) / 6.0);
    image(|x| (x.clone() / 6.0) * relu(x + 3.0).clamp_max(6.0));
    image(|x| (x + 3.0).clamp(0.0, 6.0) / 6.0);
    image(|x| (x * 0.3 + 0.2).clamp(0.0, 1.0));
    image(|x| x.clamp_max(1.0).clamp_min(-0.5));
    image(|x| x.clamp_min(-0.5).clamp_max(-2.0));
    image(|x| 1.0 - (x.neg() * 3.0 - 2.0) / 5.0);
    image(|x| Tensor::full([1, 1, 1, 1], 2.0, &x.device()) - x);
    image(|x| silu(leaky_relu(x, 0.2)));
}

#[test]
fn windows_and_movement() {
    image(|x| x.mean_dims(&[2, 3]));
    image(|x| x.mean_dim(3));
    image(|x| x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2));
    image(|x| x.permute([0, 3, 1, 2]).swap_dims(1, 2));
    image(|x| x.flatten::<3>(2, 3).unsqueeze_dim::<4>(1).swap_dims(1, 2));
    image(|x| AdaptiveAvgPool2dConfig::new([3, 2]).init().forward(x));
    image(|x| MaxPool2dConfig::new([3, 2]).with_strides([2, 1]).with_padding(PaddingConfig2d::Same).init().forward(x));
    for include in [true, false] {
        for pad in [PaddingConfig2d::Same, PaddingConfig2d::Explicit(1, 1, 1, 1), PaddingConfig2d::Explicit(0, 1, 2, 0)]
        {
            image(|x| {
                AvgPool2dConfig::new([3, 4])
                    .with_strides([2, 1])
                    .with_padding(pad.clone())
                    .with_count_include_pad(include)
                    .init()
                    .forward(x)
            });
            image(|x| MaxPool2dConfig::new([3, 4]).with_strides([2, 1]).with_padding(pad.clone()).init().forward(x));
        }
    }
    image(|x| AvgPool2dConfig::new([2, 2]).init().forward(x.pad([(1, 0), (0, 2)], PadMode::Constant(0.0))));
    image(|x| MaxPool2dConfig::new([2, 2]).init().forward(x.pad([(1, 1), (0, 0)], PadMode::Constant(0.0))));
    image(|x| x.clone().powi_scalar(2) - x);
    image(|x| softmax(x, 1));
}
