//! Single operations and patterns, each in a closure around a module of one layer.

mod common;

use burn::module::{Module, Param};
use burn::nn::pool::{AdaptiveAvgPool2dConfig, AvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, LinearLayout};
use burn::tensor::activation::{hard_sigmoid, hard_swish, leaky_relu, relu, sigmoid, silu};
use burn::tensor::module::{conv2d, linear};
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Tensor};
use common::{Filter, Single, check};
use insta::assert_snapshot;
use niwaki_capture::{CaptureOptions, capture, capture_with};
use niwaki_graph::{Graph, Op};

/// The lines of a graph that come after the one layer of the module.
fn rest(graph: &Graph) -> String {
    graph
        .to_string()
        .lines()
        .filter(|line| !line.starts_with("input") && !line.contains("weight="))
        .collect::<Vec<_>>()
        .join("\n")
}

fn vector(forward: impl Fn(Tensor<2>) -> Tensor<2>) -> String {
    let model = Single::new(4, 4, &Device::flex());
    let graph = capture(&model, [1, 4], |m, x: Tensor<2>| forward(m.layer.forward(x))).unwrap();
    check(&graph, &model);
    rest(&graph)
}

fn image<const D: usize>(forward: impl Fn(Tensor<4>) -> Tensor<D>) -> String {
    let model = Filter::new([1, 2], &Device::flex());
    let graph = capture(&model, [1, 1, 8, 10], |m, x| forward(m.conv.forward(x))).unwrap();
    check(&graph, &model);
    rest(&graph)
}

#[test]
fn activations() {
    assert_snapshot!(vector(relu), @r"
    relu_0 = relu(layer) Relu [4]
    output relu_0
    ");
    assert_snapshot!(vector(|x| x.clamp(0.0, 6.0)), @r"
    clamp_0 = clamp(layer) Clamp { min: 0.0, max: 6.0 } [4]
    output clamp_0
    ");
    assert_snapshot!(vector(|x| x.clamp_min(-1.0)), @r"
    clamp_0 = clamp(layer) Clamp { min: -1.0, max: 3.4028235e38 } [4]
    output clamp_0
    ");
    assert_snapshot!(vector(|x| x.clamp_max(1.0).clamp_min(0.0)), @r"
    clamp_0 = clamp(layer) Clamp { min: 0.0, max: 1.0 } [4]
    output clamp_0
    ");
    assert_snapshot!(vector(|x| x.clamp_min(0.0)), @r"
    relu_0 = relu(layer) Relu [4]
    output relu_0
    ");
    assert_snapshot!(vector(|x| sigmoid(x).tanh()), @r"
    sigmoid_0 = sigmoid(layer) Sigmoid [4]
    tanh_0 = tanh(sigmoid_0) Tanh [4]
    output tanh_0
    ");
    assert_snapshot!(vector(|x| leaky_relu(x, 0.125)), @r"
    leaky_relu_0 = leaky_relu(layer) LeakyRelu { slope: 0.125 } [4]
    output leaky_relu_0
    ");
    assert_snapshot!(vector(silu), @r"
    sigmoid_0 = sigmoid(layer) Sigmoid [4]
    mul_0 = mul(layer, sigmoid_0) [4]
    output mul_0
    ");
}

#[test]
fn hard_sigmoids() {
    assert_snapshot!(vector(|x| hard_sigmoid(x, 0.25, 0.5)), @r"
    hard_sigmoid_0 = hard_sigmoid(layer) HardSigmoid { alpha: 0.25, beta: 0.5 } [4]
    output hard_sigmoid_0
    ");
    assert_snapshot!(vector(|x| (x * 0.25 + 0.5).clamp(0.0, 1.0)), @r"
    hard_sigmoid_0 = hard_sigmoid(layer) HardSigmoid { alpha: 0.25, beta: 0.5 } [4]
    output hard_sigmoid_0
    ");
    assert_snapshot!(vector(|x| (x + 3.0).clamp(0.0, 6.0) / 6.0), @r"
    hard_sigmoid_0 = hard_sigmoid(layer) HardSigmoid { alpha: 0.16666667, beta: 0.5 } [4]
    output hard_sigmoid_0
    ");
}

#[test]
fn hard_swishes() {
    let expected = "hard_swish_0 = hard_swish(layer) HardSwish [4]\noutput hard_swish_0";
    assert_eq!(vector(hard_swish), expected);
    assert_eq!(vector(|x| hard_sigmoid(x.clone(), 1.0 / 6.0, 0.5) * x), expected);
    assert_eq!(vector(|x| x.clone() * (x + 3.0).clamp(0.0, 6.0) / 6.0), expected);
    assert_eq!(vector(|x| x.clone() * ((x + 3.0).clamp(0.0, 6.0) / 6.0)), expected);
    assert_eq!(vector(|x| (x.clone() / 6.0) * relu(x + 3.0).clamp_max(6.0)), expected);
    assert_eq!(vector(|x| x.clone() * (x / 6.0 + 0.5).clamp(0.0, 1.0)), expected);
    // The gate of another value is not a hard swish.
    assert!(vector(|x| x.clone().tanh() * hard_sigmoid(x, 1.0 / 6.0, 0.5)).contains("mul"));
}

#[test]
fn affine_chains_become_one() {
    assert_snapshot!(vector(|x| (x * 2.0 + 1.0 - 4.0) / 2.0), @r"
    affine_0 = affine(layer) Affine { scale: 1.0, offset: -1.5 } [4]
    output affine_0
    ");
    assert_snapshot!(vector(|x| 1.0 - x.neg()), @r"
    affine_0 = affine(layer) Affine { scale: 1.0, offset: 1.0 } [4]
    output affine_0
    ");
    assert_snapshot!(vector(|x| relu(x.clone() * 2.0 / 2.0) + x * 1.0), @r"
    relu_0 = relu(layer) Relu [4]
    add_0 = add(relu_0, layer) [4]
    output add_0
    ");
    // A tensor made in the forward pass that holds one value is a number too.
    assert_snapshot!(vector(|x| x.clone() * Tensor::full([1, 4], 3.0, &x.device()) - Tensor::<1>::ones([1], &x.device()).unsqueeze()), @r"
    affine_0 = affine(layer) Affine { scale: 3.0, offset: -1.0 } [4]
    output affine_0
    ");
}

#[test]
fn shapes() {
    assert_snapshot!(image(|x| x.flatten::<2>(1, 3)), @r"
    reshape_0 = reshape(conv) [96]
    output reshape_0
    ");
    assert_snapshot!(image(|x| x.reshape([0, 4, -1]).unsqueeze_dim::<4>(1).squeeze_dim::<3>(1)), @r"
    reshape_0 = reshape(conv) [4, 24]
    output reshape_0
    ");
    assert_snapshot!(image(|x| x.permute([0, 2, 3, 1])), @r"
    transpose_0 = transpose(conv) perm=[1, 2, 0] [6, 8, 2]
    output transpose_0
    ");
    assert_snapshot!(image(|x| x.swap_dims(1, 2).swap_dims(1, 2)), @"output conv");
    assert_snapshot!(image(|x| x.flatten::<3>(2, 3).unsqueeze_dim::<4>(1).swap_dims(1, 2)), @r"
    reshape_0 = reshape(conv) [2, 1, 48]
    output reshape_0
    ");
    assert_snapshot!(image(|x| x.clone().slice([0..x.dims()[0], 0..2])), @"output conv");
    assert_snapshot!(image(|x| x.narrow(1, 1, 1)), @r"
    slice_0 = slice(conv) axis=0 indices=1..2 [1, 6, 8]
    output slice_0
    ");
    assert_snapshot!(image(|x| x.clone().slice([0..x.dims()[0], 0..2, 1..4, 2..8])), @r"
    slice_0 = slice(conv) axis=1 indices=1..4 [2, 3, 8]
    slice_1 = slice(slice_0) axis=2 indices=2..8 [2, 3, 6]
    output slice_1
    ");
    assert_snapshot!(image(|x| x.slice_dim(2, -2..)), @r"
    slice_0 = slice(conv) axis=1 indices=4..6 [2, 2, 8]
    output slice_0
    ");
    assert_snapshot!(image(|x| Tensor::cat(x.chunk(2, 1).into_iter().rev().collect(), 1)), @r"
    slice_0 = slice(conv) axis=0 indices=0..1 [1, 6, 8]
    slice_1 = slice(conv) axis=0 indices=1..2 [1, 6, 8]
    concat_0 = concat(slice_1, slice_0) axis=0 [2, 6, 8]
    output concat_0
    ");
    assert_snapshot!(image(|x| Tensor::cat(x.split(5, 3).into_iter().rev().collect(), 3)), @r"
    slice_0 = slice(conv) axis=2 indices=0..5 [2, 6, 5]
    slice_1 = slice(conv) axis=2 indices=5..8 [2, 6, 3]
    concat_0 = concat(slice_1, slice_0) axis=2 [2, 6, 8]
    output concat_0
    ");
    assert_snapshot!(image(|x| Tensor::cat(x.split_with_sizes(vec![1, 2, 3], 2).into_iter().rev().collect(), 2)), @r"
    slice_0 = slice(conv) axis=1 indices=0..1 [2, 1, 8]
    slice_1 = slice(conv) axis=1 indices=1..3 [2, 2, 8]
    slice_2 = slice(conv) axis=1 indices=3..6 [2, 3, 8]
    concat_0 = concat(slice_2, slice_1, slice_0) axis=1 [2, 6, 8]
    output concat_0
    ");
    assert_snapshot!(image(|x| Tensor::cat(vec![x.clone(), relu(x.clone()), x], 2)), @r"
    relu_0 = relu(conv) Relu [2, 6, 8]
    concat_0 = concat(conv, relu_0, conv) axis=1 [2, 18, 8]
    output concat_0
    ");
    assert_snapshot!(image(|x| Tensor::cat(vec![x], 1)), @"output conv");
}

#[test]
fn pools() {
    assert_snapshot!(image(|x| AdaptiveAvgPool2dConfig::new([1, 1]).init().forward(x)), @r"
    global_avg_pool_0 = global_avg_pool(conv) keep_dims=true [2, 1, 1]
    output global_avg_pool_0
    ");
    assert_snapshot!(image(|x| AdaptiveAvgPool2dConfig::new([3, 4]).init().forward(x)), @r"
    avg_pool_0 = avg_pool(conv) kernel=[2, 2] stride=[2, 2] padding=[[0, 0], [0, 0]] count_include_pad=true [2, 3, 4]
    output avg_pool_0
    ");
    assert_snapshot!(image(|x| AdaptiveAvgPool2dConfig::new([6, 8]).init().forward(x)), @"output conv");
    assert_snapshot!(image(|x| x.mean_dims(&[2, 3])), @r"
    global_avg_pool_0 = global_avg_pool(conv) keep_dims=true [2, 1, 1]
    output global_avg_pool_0
    ");
    assert_snapshot!(image(|x| x.mean_dim(3).mean_dim(2).reshape([-1, 2])), @r"
    global_avg_pool_0 = global_avg_pool(conv) keep_dims=false [2]
    output global_avg_pool_0
    ");
    assert_snapshot!(image(|x| x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2)), @r"
    global_avg_pool_0 = global_avg_pool(conv) keep_dims=false [2]
    output global_avg_pool_0
    ");
    assert_snapshot!(image(|x| x.mean_dim(3)), @r"
    avg_pool_0 = avg_pool(conv) kernel=[1, 8] stride=[1, 8] padding=[[0, 0], [0, 0]] count_include_pad=true [2, 6, 1]
    output avg_pool_0
    ");
    assert_snapshot!(image(|x| MaxPool2dConfig::new([2, 2]).with_ceil_mode(true).init().forward(x)), @r"
    max_pool_0 = max_pool(conv) kernel=[2, 2] stride=[2, 2] padding=[[0, 0], [0, 0]] [2, 3, 4]
    output max_pool_0
    ");
    assert_snapshot!(image(|x| AvgPool2dConfig::new([6, 8]).init().forward(x)), @r"
    global_avg_pool_0 = global_avg_pool(conv) keep_dims=true [2, 1, 1]
    output global_avg_pool_0
    ");
}

#[test]
fn padding() {
    let filter = Filter::new([2, 3], &Device::flex());
    let graph = capture(&filter, [1, 2, 4, 4], |m, x: Tensor<4>| {
        m.conv.forward(x.pad([(1, 2), (0, 1)], PadMode::Constant(0.0)))
    });
    assert_snapshot!(graph.unwrap(), @r"
    input input0 [2, 4, 4]
    conv = conv(input0) weight=conv.weight[3, 2, 3, 3] stride=[1, 1] padding=[[1, 2], [0, 1]] dilation=[1, 1] groups=1 [3, 5, 3]
    output conv
    ");
    assert_snapshot!(image(|x| relu(x.pad([(1, 2), (0, 1)], PadMode::Constant(0.5)))), @r"
    pad_0 = pad(conv) padding=[[0, 0], [1, 2], [0, 1]] value=0.5 [2, 9, 9]
    relu_0 = relu(pad_0) Relu [2, 9, 9]
    output relu_0
    ");
    // Zeros may win a maximum, so they stay.
    assert_snapshot!(image(|x| MaxPool2dConfig::new([2, 2]).init().forward(x.pad([(1, 1), (0, 0)], PadMode::Constant(0.0)))), @r"
    pad_0 = pad(conv) padding=[[0, 0], [1, 1], [0, 0]] value=0 [2, 8, 8]
    max_pool_0 = max_pool(pad_0) kernel=[2, 2] stride=[2, 2] padding=[[0, 0], [0, 0]] [2, 4, 4]
    output max_pool_0
    ");
}

#[test]
fn what_nobody_reads_is_dropped() {
    assert_snapshot!(vector(|x| { let _ = x.clone().abs().sqrt(); relu(x) }), @r"
    relu_0 = relu(layer) Relu [4]
    output relu_0
    ");
}

#[test]
fn biases_join_their_layer_only_if_alone() {
    let filter = Filter::new([1, 2], &Device::flex());
    let graph = capture(&filter, [1, 1, 4, 4], |m, x: Tensor<4>| {
        let bias = Tensor::<1>::from_floats([1.0, 2.0], &x.device());
        m.conv.forward(x).add(bias.reshape([1, 2, 1, 1]))
    });
    assert_snapshot!(graph.unwrap(), @r"
    input input0 [1, 4, 4]
    conv = conv(input0) weight=conv.weight[2, 1, 3, 3] bias=constant_0[2] stride=[1, 1] padding=[[0, 0], [0, 0]] dilation=[1, 1] groups=1 [2, 2, 2]
    output conv
    ");
    let graph = capture(&filter, [1, 1, 4, 4], |m, x: Tensor<4>| {
        let bias = Tensor::<1>::from_floats([1.0, 2.0], &x.device());
        let x = m.conv.forward(x);
        x.clone().add(bias.reshape([1, 2, 1, 1])) + x
    });
    assert_snapshot!(rest(&graph.unwrap()), @r"
    constant_0 = constant() data=constant_0[2, 1, 1] [2, 1, 1]
    add_0 = add(conv, constant_0) [2, 2, 2]
    add_1 = add(add_0, conv) [2, 2, 2]
    output add_1
    ");
}

#[test]
fn a_module_called_twice_has_its_weights_once() {
    let model = Single::new(4, 4, &Device::flex());
    let graph = capture(&model, [1, 4], |m, x: Tensor<2>| m.layer.forward(relu(m.layer.forward(x)))).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [4]
    layer = linear(input0) weight=layer.weight[4, 4] bias=layer.bias[4] [4]
    relu_0 = relu(layer) Relu [4]
    layer#2 = linear(relu_0) weight=layer.weight[4, 4] bias=layer.bias[4] [4]
    output layer#2
    ");
    assert_eq!(graph.params.len(), 2);
}

#[derive(Module, Debug)]
struct Tied {
    encoder: Linear,
    decoder: Linear,
    scale: Param<Tensor<2>>,
}

#[test]
fn tied_weights_are_one_parameter() {
    let device = Device::flex();
    let encoder = LinearConfig::new(4, 4).with_bias(false).init(&device);
    let scale = Param::from_tensor(Tensor::ones([4, 3], &device));
    let model = Tied { decoder: encoder.clone(), encoder, scale };
    let graph = capture(&model, [1, 4], |m, x: Tensor<2>| {
        m.decoder.forward(m.encoder.forward(x)).matmul(m.encoder.weight.val().transpose()).matmul(m.scale.val())
    });
    assert_snapshot!(graph.unwrap(), @r"
    input input0 [4]
    encoder = linear(input0) weight=encoder.weight[4, 4] [4]
    encoder#2 = linear(encoder) weight=encoder.weight[4, 4] [4]
    encoder#3 = linear(encoder#2) weight=encoder.weight#2[4, 4] [4]
    scale = linear(encoder#3) weight=scale[4, 3] [3]
    output scale
    ");
}

#[test]
fn column_layout_gives_the_same_matrix() {
    let model = LinearConfig::new(4, 3).with_layout(LinearLayout::Col).init(&Device::flex());
    let graph = capture(&model, [1, 4], |m, x: Tensor<2>| m.forward(x)).unwrap();
    assert_snapshot!(graph, @r"
    input input0 [4]
    linear_0 = linear(input0) weight=weight[4, 3] bias=bias[3] [3]
    output linear_0
    ");
    assert_eq!(graph.params[0].data, model.weight.val().into_data().iter::<f32>().collect::<Vec<_>>());
}

#[test]
fn transposed_parameters_are_moved() {
    let model = Single::new(2, 3, &Device::flex());
    let graph = capture(&model, [1, 3], |m, x: Tensor<2>| x.matmul(m.layer.weight.val().transpose())).unwrap();
    let transposed = model.layer.weight.val().transpose().into_data();
    assert_eq!(graph.params[0].shape, [3, 2]);
    assert_eq!(graph.params[0].data, transposed.iter::<f32>().collect::<Vec<_>>());
}

/// However the batch is folded into rows around a matrix product, the graph has one linear layer over the last dimension.
#[test]
fn matrix_products_over_rows() {
    let model = Single::new(4, 3, &Device::flex());
    let graph = capture(&model, [1, 5, 4], |m, x: Tensor<3>| x.matmul(m.layer.weight.val().unsqueeze())).unwrap();
    check(&graph, &model);
    let expected = graph.to_string();
    assert_snapshot!(expected, @r"
    input input0 [5, 4]
    layer = linear(input0) weight=layer.weight[4, 3] [5, 3]
    output layer
    ");
    let folded = capture(&model, [1, 5, 4], |m, x: Tensor<3>| {
        let [batch, rows, features] = x.dims();
        x.reshape([batch * rows, features]).matmul(m.layer.weight.val()).reshape([batch, rows, 3])
    });
    assert_eq!(folded.unwrap().to_string(), expected);
    let functional = capture(&model, [1, 5, 4], |m, x: Tensor<3>| linear(x, m.layer.weight.val(), None));
    assert_eq!(functional.unwrap().to_string(), expected);
}

/// A plain tensor field is part of the model but no parameter, and has no path.
#[test]
fn plain_tensors_are_numbered() {
    let kernel = Tensor::<4>::ones([2, 1, 3, 3], &Device::flex());
    let model = Filter::new([1, 2], &Device::flex());
    let graph = capture(&model, [1, 1, 4, 4], |_, x: Tensor<4>| {
        let kernel = kernel.clone().to_device(&x.device());
        conv2d(x, kernel, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1))
    });
    assert_snapshot!(graph.unwrap(), @r"
    input input0 [1, 4, 4]
    conv_0 = conv(input0) weight=constant_0[2, 1, 3, 3] stride=[1, 1] padding=[[0, 0], [0, 0]] dilation=[1, 1] groups=1 [2, 2, 2]
    output conv_0
    ");
}

#[test]
fn several_inputs_and_outputs() {
    let model = Single::new(4, 4, &Device::flex());
    let graph = capture(&model, ([1, 4], [1, 2, 2]), |m, (a, b): (Tensor<2>, Tensor<3>)| {
        let x = m.layer.forward(a) + b.flatten(1, 2);
        (x.clone(), relu(x.reshape([-1, 2, 2])))
    });
    assert_snapshot!(graph.unwrap(), @r"
    input input0 [4]
    input input1 [2, 2]
    layer = linear(input0) weight=layer.weight[4, 4] bias=layer.bias[4] [4]
    reshape_0 = reshape(input1) [4]
    add_0 = add(layer, reshape_0) [4]
    reshape_1 = reshape(add_0) [2, 2]
    relu_0 = relu(reshape_1) Relu [2, 2]
    output add_0
    output relu_0
    ");
}

#[test]
fn momentum_comes_from_the_options() {
    let model = common::Sequence::new(&Device::flex());
    let options = CaptureOptions { batch_norm_momentum: 0.25 };
    let graph = capture_with(&model, [1, 4, 16], &options, |m, x| m.forward(x)).unwrap();
    let momentum = graph.nodes.iter().find_map(|node| match &node.op {
        Op::BatchNorm(norm) => Some((norm.momentum, norm.epsilon)),
        _ => None,
    });
    assert_eq!(momentum, Some((0.25, 1e-5)));
}
