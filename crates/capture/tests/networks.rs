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
    assert_snapshot!(graph, @"");
}

#[test]
fn perceptron() {
    let model = Perceptron::new(&Device::flex());
    let graph = capture(&model, [1, 6], |m, x: Tensor<2>| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @"");
}

#[test]
fn perceptron_over_rows() {
    let model = Perceptron::new(&Device::flex());
    let graph = capture(&model, [1, 7, 6], |m, x: Tensor<3>| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @"");
    let graph = capture(&model, [1, 4, 7, 6], |m, x: Tensor<4>| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @"");
}

#[test]
fn sequence() {
    let model = Sequence::new(&Device::flex());
    let graph = capture(&model, [1, 4, 16], |m, x| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @"");
}

#[test]
fn asymmetric_padding_joins_its_layer() {
    let model = Asymmetric::new(true, &Device::flex());
    let graph = capture(&model, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @"");
    let model = Asymmetric::new(false, &Device::flex());
    let graph = capture(&model, [1, 1, 8, 8], |m, x| m.forward(x)).unwrap();
    check(&graph, &model);
    assert_snapshot!(graph, @"");
}

/// Clones of a batch normalisation share their running statistics, so a careless copy would take them along.
#[test]
fn the_model_is_not_changed() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let model = Classifier::new(&device);
        let x = || Tensor::<4>::ones([2, 1, 8, 8], &device);
        // On an autodiff device this moves the running statistics away from their initial values.
        model.forward(x());
        let (before, devices) = (parameters(&model), model.devices());
        let output = model.valid().forward(x().without_autodiff()).into_data();
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
