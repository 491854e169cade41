//! A graph against the same network written in Burn, with the same weights: evaluation, training loss, gradients,
//! running statistics and optimiser steps.

use crate::common::{difference, network, patterns};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Int, Tensor, TensorData, activation, module};
use niwaki_graph::Graph;
use niwaki_train::{
    Device, DynTensor, GraphModule, Loss, Optimiser, Samples, Schedule, TrainConfig, fit, gradients, predict,
};

const CHANNELS: usize = 6;
const CLASSES: usize = 4;

/// `common::network`, without its softmax, as a user would write it.
#[derive(Module, Debug)]
struct Native {
    conv1: Conv2d,
    norm1: BatchNorm,
    depthwise: Conv2d,
    norm2: BatchNorm,
    fc: Linear,
}

impl Native {
    fn new(graph: &Graph, device: &Device) -> Self {
        let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let conv1 = Conv2dConfig::new([1, CHANNELS], [3, 3]).with_padding(same.clone());
        let depthwise = Conv2dConfig::new([CHANNELS; 2], [3, 3]).with_padding(same).with_groups(CHANNELS);
        let mut native = Self {
            conv1: conv1.init(device),
            norm1: BatchNormConfig::new(CHANNELS).init(device),
            depthwise: depthwise.init(device),
            norm2: BatchNormConfig::new(CHANNELS).init(device),
            fc: LinearConfig::new(CHANNELS, CLASSES).init(device),
        };
        native.conv1.weight = param(graph, "conv1.weight", device);
        native.conv1.bias = Some(param(graph, "conv1.bias", device));
        native.depthwise.weight = param(graph, "depthwise.weight", device);
        native.depthwise.bias = Some(param(graph, "depthwise.bias", device));
        native.fc.weight = param(graph, "fc.weight", device);
        native.fc.bias = Some(param(graph, "fc.bias", device));
        for (norm, name) in [(&mut native.norm1, "norm1"), (&mut native.norm2, "norm2")] {
            norm.gamma = param(graph, &format!("{name}.gamma"), device);
            norm.beta = param(graph, &format!("{name}.beta"), device);
            norm.running_mean.update(param::<1>(graph, &format!("{name}.running_mean"), device).val().detach());
            norm.running_var.update(param::<1>(graph, &format!("{name}.running_var"), device).val().detach());
            // Moves the update into the value.
            let _ = (norm.running_mean.value_sync(), norm.running_var.value_sync());
        }
        native
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = activation::relu(self.norm1.forward(self.conv1.forward(x)));
        let trunk = module::max_pool2d(x, burn::tensor::ops::MaxPoolOptions::new([2, 2]));
        let x = self.norm2.forward(self.depthwise.forward(trunk.clone())) + trunk.clone() + trunk;
        let x = module::adaptive_avg_pool2d(activation::relu(x), [1, 1]);
        self.fc.forward(x.reshape([0, CHANNELS as i32]))
    }

    fn loss(&self, samples: &Samples, device: &Device) -> Tensor<1> {
        let labels: Vec<i32> = samples.labels.iter().map(|label| *label as i32).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [samples.len()]), device);
        CrossEntropyLossConfig::new().init(device).forward(self.forward(images(samples, device)), labels)
    }
}

fn param<const D: usize>(graph: &Graph, name: &str, device: &Device) -> Param<Tensor<D>> {
    let param = graph.params.iter().find(|param| param.name == name).expect("named as in the graph");
    Param::from_data(TensorData::new(param.data.clone(), param.shape.clone()), device)
}

fn images(samples: &Samples, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(samples.inputs.clone(), [samples.len(), 1, 8, 8]), device)
}

fn data<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    DynTensor::into_vec(match D {
        1 => DynTensor::R1(tensor.reshape([-1])),
        _ => DynTensor::R1(tensor.flatten(0, D - 1)),
    })
}

fn trained<'a>(graph: &'a Graph, name: &str) -> &'a [f32] {
    &graph.params.iter().find(|param| param.name == name).expect("in the graph").data
}

#[test]
fn evaluation_agrees() {
    let (graph, samples, device) = (network(CHANNELS, CLASSES), patterns(1, 24, CLASSES), Device::flex());
    let native = Native::new(&graph, &device);
    let module = GraphModule::new(&graph, &device).expect("can be run");
    // One batch and uneven batches.
    let expected = data(native.forward(images(&samples, &device)));
    for batch in [24, 7] {
        let got = predict(&module, &samples, batch).expect("fits");
        assert!(difference(&got, &expected) < 1e-6);
    }
    let probabilities = data(activation::softmax(native.forward(images(&samples, &device)), 1));
    let output = module.forward(vec![images(&samples, &device).into()]).expect("fits").remove(0);
    assert!(difference(&output.into_vec(), &probabilities) < 1e-6);
}

#[test]
fn training_loss_gradients_and_running_statistics_agree() {
    let device = Device::flex().autodiff();
    let (graph, samples) = (network(CHANNELS, CLASSES), patterns(2, 16, CLASSES));
    let native = Native::new(&graph, &device);
    let loss = native.loss(&samples, &device);
    let native_gradients = loss.backward();
    let module = GraphModule::new(&graph, &device).expect("can be run");
    let probabilities = module.forward(vec![images(&samples, &device).into()]).expect("fits").remove(0);
    let DynTensor::R2(probabilities) = probabilities else { panic!("one probability per class") };
    let labels: Vec<i32> = samples.labels.iter().map(|label| *label as i32).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [16]), &device).one_hot::<2>(CLASSES).float();
    let own = (probabilities.log() * labels).sum().div_scalar(-16.0);
    assert!(difference(&data(own), &data(loss)) < 1e-6);
    let after = module.to_graph();
    for (norm, name) in [(&native.norm1, "norm1"), (&native.norm2, "norm2")] {
        let (mean, var) =
            (trained(&after, &format!("{name}.running_mean")), trained(&after, &format!("{name}.running_var")));
        assert!(difference(mean, &data(norm.running_mean.value_sync())) < 1e-6);
        assert!(difference(var, &data(norm.running_var.value_sync())) < 1e-6);
        assert_ne!(mean, trained(&graph, &format!("{name}.running_mean")));
    }
    assert!(native.conv1.weight.val().grad(&native_gradients).is_some());
}

#[test]
fn gradients_agree_whatever_the_batch() {
    let device = Device::flex().autodiff();
    let (graph, samples) = (network(CHANNELS, CLASSES), patterns(3, 20, CLASSES));
    let mut native = Native::new(&graph, &device);
    // Scores are taken with the running statistics.
    native.norm1.training = native.norm1.training.with_value(false);
    native.norm2.training = native.norm2.training.with_value(false);
    let loss = native.loss(&samples, &device);
    let grads = loss.backward();
    let expected = |name: &str| match name {
        "conv1.weight" => data(native.conv1.weight.val().grad(&grads).expect("trained")),
        "conv1.bias" => data(native.conv1.bias.as_ref().expect("has one").val().grad(&grads).expect("trained")),
        "norm1.gamma" => data(native.norm1.gamma.val().grad(&grads).expect("trained")),
        "norm2.beta" => data(native.norm2.beta.val().grad(&grads).expect("trained")),
        "depthwise.weight" => data(native.depthwise.weight.val().grad(&grads).expect("trained")),
        "fc.weight" => data(native.fc.weight.val().grad(&grads).expect("trained")),
        _ => Vec::new(),
    };
    for batch in [20, 6] {
        let own = gradients(&graph, &samples, Loss::CrossEntropy, batch, &Device::flex()).expect("fits");
        assert!(difference(&[own.loss as f32], &data(loss.clone())) < 1e-6);
        let mut compared = 0;
        for (param, own) in graph.params.iter().zip(&own.params) {
            let expected = expected(&param.name);
            if !expected.is_empty() {
                assert!(difference(own, &expected) < 1e-6, "{}", param.name);
                assert!(own.iter().any(|x| *x != 0.0), "{}", param.name);
                compared += 1;
            }
            if param.name.contains("running") {
                assert!(own.iter().all(|x| *x == 0.0) && own.len() == CHANNELS);
            }
        }
        assert_eq!(compared, 6);
    }
}

#[test]
fn gradients_are_slopes() {
    let (graph, samples) = (network(CHANNELS, CLASSES), patterns(4, 8, CLASSES));
    let own = gradients(&graph, &samples, Loss::CrossEntropy, 8, &Device::flex()).expect("fits");
    let loss_at = |param: usize, element: usize, change: f32| {
        let mut moved = graph.clone();
        moved.params[param].data[element] += change;
        gradients(&moved, &samples, Loss::CrossEntropy, 8, &Device::flex()).expect("fits").loss
    };
    for param in (0..graph.params.len()).filter(|param| !graph.params[*param].name.contains("running")) {
        let slope = (loss_at(param, 1, 1e-2) - loss_at(param, 1, -1e-2)) / 2e-2;
        let error = (slope - f64::from(own.params[param][1])).abs();
        assert!(error < 2e-3, "{}: {slope} and {}", graph.params[param].name, own.params[param][1]);
    }
}

#[test]
fn a_step_of_training_is_burns_step() {
    let device = Device::flex().autodiff();
    let (graph, samples) = (network(CHANNELS, CLASSES), patterns(5, 12, CLASSES));
    let mut native = Native::new(&graph, &device);
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let mut optimiser = SgdConfig::new().with_momentum(Some(momentum)).init();
    for _ in 0..3 {
        let gradients = GradientsParams::from_grads(native.loss(&samples, &device).backward(), &native);
        native = optimiser.step(0.05, native, gradients);
    }
    let config = TrainConfig {
        epochs: 3,
        batch: 12,
        learning_rate: 0.05,
        optimiser: Optimiser::Sgd { momentum: 0.9 },
        schedule: Schedule::Constant,
        weight_decay: 0.0,
        ..TrainConfig::default()
    };
    let fitted = fit(&graph, &samples, &config, &Device::flex(), &mut |_| {}).expect("trains");
    // Samples are in another order, so sums round differently.
    assert!(difference(trained(&fitted, "conv1.weight"), &data(native.conv1.weight.val())) < 1e-5);
    assert!(difference(trained(&fitted, "norm2.gamma"), &data(native.norm2.gamma.val())) < 1e-5);
    assert!(difference(trained(&fitted, "fc.weight"), &data(native.fc.weight.val())) < 1e-5);
    assert!(difference(trained(&fitted, "norm1.running_var"), &data(native.norm1.running_var.value_sync())) < 1e-5);
}

#[test]
fn weights_come_back_unchanged() {
    let graph = network(CHANNELS, CLASSES);
    let autodiff = Device::flex().autodiff();
    for device in [Device::flex(), autodiff] {
        let module = GraphModule::new(&graph, &device).expect("can be run");
        assert_eq!(module.to_graph(), graph);
        assert_eq!(module.valid().to_graph(), graph);
    }
    // A vector may be recorded in any shape; it comes back in that shape.
    let mut graph = graph;
    let bias = graph.params.iter().position(|param| param.name == "fc.bias").expect("has one");
    graph.params[bias].shape = vec![1, CLASSES];
    assert_eq!(GraphModule::new(&graph, &Device::flex()).expect("can be run").to_graph(), graph);
}
