//! Whole networks: what their graphs look like, and that capture leaves them alone.

mod common;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use common::{Asymmetric, Classifier, Perceptron, Sequence, check, parameters};
use insta::assert_snapshot;
use niwaki_capture::capture;

#[test]
fn classifier() {
    let model = Classifier::new(&Device::flex());
    let graph = capture(&model, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [1, 8, 8]
    stem.conv = conv(input0) weight=stem.conv.weight[4, 1, 3, 3] stride=[1, 1] padding=[[1, 1], [1, 1]] dilation=[1, 1] groups=1 [4, 8, 8]
    stem.norm = batch_norm(stem.conv) gamma=stem.norm.gamma[4] epsilon=0.00001 [4, 8, 8]
    relu_0 = relu(stem.norm) Relu [4, 8, 8]
    max_pool_0 = max_pool(relu_0) kernel=[2, 2] stride=[2, 2] padding=[[0, 0], [0, 0]] [4, 4, 4]
    blocks.0.conv = conv(max_pool_0) weight=blocks.0.conv.weight[4, 1, 3, 3] stride=[1, 1] padding=[[1, 1], [1, 1]] dilation=[1, 1] groups=4 [4, 4, 4]
    blocks.0.norm = batch_norm(blocks.0.conv) gamma=blocks.0.norm.gamma[4] epsilon=0.00001 [4, 4, 4]
    relu_1 = relu(blocks.0.norm) Relu [4, 4, 4]
    blocks.1.conv = conv(relu_1) weight=blocks.1.conv.weight[4, 4, 1, 1] stride=[1, 1] padding=[[0, 0], [0, 0]] dilation=[1, 1] groups=1 [4, 4, 4]
    blocks.1.norm = batch_norm(blocks.1.conv) gamma=blocks.1.norm.gamma[4] epsilon=0.00001 [4, 4, 4]
    relu_2 = relu(blocks.1.norm) Relu [4, 4, 4]
    add_0 = add(max_pool_0, relu_2) [4, 4, 4]
    relu_3 = relu(add_0) Relu [4, 4, 4]
    concat_0 = concat(max_pool_0, relu_3) axis=0 [8, 4, 4]
    avg_pool_0 = avg_pool(concat_0) kernel=[2, 2] stride=[2, 2] padding=[[0, 0], [0, 0]] count_include_pad=true [8, 2, 2]
    global_avg_pool_0 = global_avg_pool(avg_pool_0) keep_dims=false [8]
    head = linear(global_avg_pool_0) weight=head.weight[8, 10] bias=head.bias[10] [10]
    output head
    ");
}

#[test]
fn perceptron() {
    let model = Perceptron::new(&Device::flex());
    let graph = capture(&model, [1, 6], |m, x: Tensor<2>| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [6]
    first = linear(input0) weight=first.weight[6, 5] bias=first.bias[5] [5]
    tanh_0 = tanh(first) Tanh [5]
    second = linear(tanh_0) weight=second.weight[5, 3] [3]
    softmax_0 = softmax(second) axis=0 [3]
    output softmax_0
    ");
}

#[test]
fn perceptron_over_rows() {
    let model = Perceptron::new(&Device::flex());
    let graph = capture(&model, [1, 7, 6], |m, x: Tensor<3>| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [7, 6]
    first = linear(input0) weight=first.weight[6, 5] bias=first.bias[5] [7, 5]
    tanh_0 = tanh(first) Tanh [7, 5]
    second = linear(tanh_0) weight=second.weight[5, 3] [7, 3]
    softmax_0 = softmax(second) axis=1 [7, 3]
    output softmax_0
    ");
    let graph = capture(&model, [1, 4, 7, 6], |m, x: Tensor<4>| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [4, 7, 6]
    first = linear(input0) weight=first.weight[6, 5] bias=first.bias[5] [4, 7, 5]
    tanh_0 = tanh(first) Tanh [4, 7, 5]
    second = linear(tanh_0) weight=second.weight[5, 3] [4, 7, 3]
    softmax_0 = softmax(second) axis=2 [4, 7, 3]
    output softmax_0
    ");
}

#[test]
fn sequence() {
    let model = Sequence::new(&Device::flex());
    let graph = capture(&model, [1, 4, 16], |m, x| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [4, 16]
    conv = conv(input0) weight=conv.weight[8, 4, 3] bias=conv.bias[8] stride=[2] padding=[[1, 2]] dilation=[2] groups=1 [8, 8]
    norm = batch_norm(conv) gamma=norm.gamma[8] epsilon=0.00001 [8, 8]
    global_avg_pool_0 = global_avg_pool(norm) keep_dims=false [8]
    head = linear(global_avg_pool_0) weight=head.weight[8, 2] bias=head.bias[2] [2]
    output head
    ");
}

#[test]
fn asymmetric_padding_joins_its_layer() {
    let model = Asymmetric::new(true, &Device::flex());
    let graph = capture(&model, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [1, 8, 8]
    conv = conv(input0) weight=conv.weight[2, 1, 3, 3] bias=conv.bias[2] stride=[2, 2] padding=[[0, 1], [0, 1]] dilation=[1, 1] groups=1 [2, 4, 4]
    max_pool_0 = max_pool(conv) kernel=[3, 3] stride=[1, 1] padding=[[0, 1], [1, 2]] [2, 3, 5]
    avg_pool_0 = avg_pool(max_pool_0) kernel=[3, 3] stride=[1, 1] padding=[[0, 1], [1, 2]] count_include_pad=true [2, 2, 6]
    output avg_pool_0
    ");
    let model = Asymmetric::new(false, &Device::flex());
    let graph = capture(&model, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @r"
    input input0 [1, 8, 8]
    conv = conv(input0) weight=conv.weight[2, 1, 3, 3] bias=conv.bias[2] stride=[2, 2] padding=[[0, 1], [0, 1]] dilation=[1, 1] groups=1 [2, 4, 4]
    max_pool_0 = max_pool(conv) kernel=[3, 3] stride=[1, 1] padding=[[0, 1], [1, 2]] [2, 3, 5]
    avg_pool_0 = avg_pool(max_pool_0) kernel=[3, 3] stride=[1, 1] padding=[[0, 1], [1, 2]] count_include_pad=false [2, 2, 6]
    output avg_pool_0
    ");
}

/// Clones of a batch normalisation share their running statistics, so a careless copy would take them along.
#[test]
fn the_model_is_not_changed() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let model = Classifier::new(&device);
        let x = || Tensor::<4>::ones([2, 1, 8, 8], &device);
        // On an autodiff device this moves the running statistics away from their initial values, once they are read.
        model.forward(x());
        let output = model.valid().forward(x().without_autodiff()).into_data();
        let (before, devices) = (parameters(&model), model.devices());
        let graph = capture(&model, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap();
        check(&graph, &model);
        assert_eq!(parameters(&model), before);
        assert_eq!(model.devices(), devices);
        assert_eq!(model.valid().forward(x().without_autodiff()).into_data(), output);
        assert_eq!(model.forward(x()).is_autodiff(), device.is_autodiff());
    }
}

#[test]
fn training_frozen_and_plain_models_give_one_graph() {
    let plain = Classifier::new(&Device::flex());
    let graph = capture(&plain, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap();
    let training = plain.clone().train();
    assert_eq!(capture(&training, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap(), graph);
    let frozen = training.freeze();
    assert_eq!(capture(&frozen, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap(), graph);
}
