//! What cannot be captured: everything is listed at once, with the place and what to write instead.

mod common;

use burn::nn::pool::{AdaptiveAvgPool2dConfig, MaxPool2dConfig};
use burn::tensor::activation::{gelu, relu};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};
use common::{Filter, Single};
use insta::assert_snapshot;
use niwaki_capture::{CaptureError, Unsupported, capture};

fn image<const D: usize>(forward: impl Fn(&Filter, Tensor<4>) -> Tensor<D>) -> CaptureError {
    let model = Filter::new([1, 2], &Device::flex());
    capture(&model, [1, 1, 9, 9], |m, x| forward(m, m.conv.forward(x))).unwrap_err()
}

fn single(error: CaptureError) -> Unsupported {
    match error {
        CaptureError::Unsupported(mut list) if list.len() == 1 => list.remove(0),
        other => panic!("{other}"),
    }
}

#[test]
fn all_are_listed() {
    let error = image(|m, x| {
        let x = gelu(x).abs();
        let scale = x.clone().mean_dims(&[2, 3]);
        let x = x * scale;
        let x = MaxPool2dConfig::new([2, 2]).with_ceil_mode(true).init().forward(x);
        x.pad([(1, 1), (1, 1)], PadMode::Reflect) + m.conv.weight.val().mean().unsqueeze()
    });
    assert_snapshot!(error, @r"
    4 unsupported operations:
    - Abs [1, 2, 7, 7] near `conv.weight`: niwaki has no such operation
      instead: `relu(x.clone()) + relu(x.neg())`
    - MaxPool2d [1, 2, 4, 4] near `conv.weight`: its last window reaches past the padded input (`ceil_mode`)
      instead: `with_ceil_mode(false)`, with explicit padding where the size matters
    - Pad [1, 2, 6, 6] near `conv.weight`: it pads by reflection
      instead: `PadMode::Constant`
    - Add [1, 2, 6, 6] near `conv.weight`: it takes the result of `Mean` on constants as an activation
      instead: a `Param`, or a tensor that the model holds, with a first dimension of size 1; or a plain number
    ");
}

#[test]
fn after_an_unsupported_operation_the_rest_is_still_checked() {
    let model = Single::new(4, 4, &Device::flex());
    let error = capture(&model, [1, 4], |m, x: Tensor<2>| {
        let a = x.clone().abs();
        let b = m.layer.forward(x).exp();
        a + b
    });
    assert_snapshot!(error.unwrap_err(), @r"
    2 unsupported operations:
    - Abs [1, 4]: niwaki has no such operation
      instead: `relu(x.clone()) + relu(x.neg())`
    - Exp [1, 4] near `layer.bias`: niwaki has no such operation
      instead: `sigmoid`, `tanh` or `softmax`; `x.clone() * x` for a square
    ");
}

#[test]
fn broadcasting() {
    assert_snapshot!(image(|_, x| x.clone().mean_dim(2) * x.mean_dim(3)), @r"
    1 unsupported operation:
    - Mul [1, 2, 7, 7] near `conv.weight`: its operands [1, 2, 1, 7] and [1, 2, 7, 1] differ in shape
      instead: one operand of the full shape, the other with dimensions of size 1 where it is repeated
    ");
}

#[test]
fn pools() {
    assert_snapshot!(image(|_, x| MaxPool2dConfig::new([2, 2]).with_ceil_mode(true).init().forward(x)), @r"
    1 unsupported operation:
    - MaxPool2d [1, 2, 4, 4] near `conv.weight`: its last window reaches past the padded input (`ceil_mode`)
      instead: `with_ceil_mode(false)`, with explicit padding where the size matters
    ");
    assert_snapshot!(image(|_, x| MaxPool2dConfig::new([2, 2]).with_dilation([2, 2]).init().forward(x)), @r"
    1 unsupported operation:
    - MaxPool2d [1, 2, 3, 3] near `conv.weight`: its window is dilated
      instead: a dilation of 1, or a larger window or stride
    ");
    assert_snapshot!(image(|_, x| AdaptiveAvgPool2dConfig::new([3, 3]).init().forward(x)), @r"
    1 unsupported operation:
    - AdaptiveAvgPool2d [1, 2, 3, 3] near `conv.weight`: its windows differ in size
      instead: an output size of 1, or one that divides the input size
    ");
}

#[test]
fn the_batch_dimension() {
    let batch = "it touches the batch dimension: a device runs one sample at a time";
    assert_eq!(single(image(|_, x| x.swap_dims(0, 1))).reason, batch);
    assert_eq!(single(image(|_, x| x.mean_dim(0))).reason, batch);
    assert_eq!(single(image(|_, x| x.clone().mean_dim(0) + x)).reason, batch);
    assert_eq!(single(image(|_, x| x.reshape([-1, 7, 7]))).reason, batch);
    assert_eq!(single(image(|_, x| x.flatten::<1>(0, 3))).reason, batch);
    assert_eq!(single(image(|_, x| Tensor::cat(vec![x.clone(), x], 0))).reason, batch);
    // One sample does not show this: its single row could be the batch or the sequence.
    let model = Single::new(4, 4, &Device::flex());
    let error = capture(&model, [1, 1, 4], |_, x: Tensor<3>| x.clone().reshape([1, x.dims()[0], 4]));
    assert_eq!(single(error.unwrap_err()).reason, batch);
}

#[test]
fn a_written_in_batch_size() {
    let error = image(|_, x| x.reshape([1, 98]));
    assert!(matches!(error, CaptureError::Batch { .. }), "{error}");
    let model = Single::new(4, 4, &Device::flex());
    let error = capture(&model, [1, 4], |m, x: Tensor<2>| match x.dims()[0] {
        1 => m.layer.forward(x),
        _ => x,
    });
    assert_snapshot!(error.unwrap_err(), @r#"the model is another network on a batch of 2 than on a batch of 1: operations ["linear"] and []"#);
    let error = capture(&model, [2, 4], |m, x: Tensor<2>| m.layer.forward(x));
    assert_snapshot!(error.unwrap_err(), @"example shape [2, 4] of input 0 does not start with a batch of 1");
}

#[test]
fn constants_as_activations() {
    let model = Single::new(4, 4, &Device::flex());
    // One value for each of a batch of two: which sample is whose on a device?
    let error = capture(&model, [1, 4], |m, x: Tensor<2>| {
        let rows = m.layer.weight.val().slice([0..x.dims()[0], 0..4]);
        relu(x) * rows
    });
    assert_snapshot!(error.unwrap_err(), @r"
    1 unsupported operation:
    - Mul [1, 4] near `layer.weight`: it takes the result of `Slice` on constants as an activation
      instead: a `Param`, or a tensor that the model holds, with a first dimension of size 1; or a plain number
    ");
    let error = capture(&model, [1, 4], |m, x: Tensor<2>| x.matmul(m.layer.weight.val() * 2.0));
    assert_snapshot!(error.unwrap_err(), @r"
    1 unsupported operation:
    - Matmul [1, 4] near `layer.weight`: its weight is computed by `MulScalar` in the forward pass
      instead: compute the weight once, before capture, and hold it as a `Param`
    ");
    let error = capture(&model, [1, 4], |m, _: Tensor<2>| m.layer.weight.val());
    assert_snapshot!(error.unwrap_err(), @r"
    1 unsupported operation:
    - output 0 []: does not depend on the model's inputs sample by sample
      instead: return only what is computed from the inputs, with the batch in dimension 0
    ");
}

#[test]
fn products() {
    let model = Single::new(4, 4, &Device::flex());
    let error = capture(&model, [1, 4, 4], |m, x: Tensor<3>| m.layer.weight.val().unsqueeze().matmul(x));
    assert_snapshot!(error.unwrap_err(), @r"
    1 unsupported operation:
    - Matmul [1, 4, 4] near `layer.weight`: its weight depends on the model's input
      instead: layers whose weights are parameters; `matmul` with the parameter on the right
    ");
    let error = capture(&model, [1, 2, 3, 4], |_, x: Tensor<4>| x.clone().matmul(x.sum_dim(1).swap_dims(2, 3)));
    assert_snapshot!(error.unwrap_err(), @r"
    1 unsupported operation:
    - Matmul [1, 2, 3, 3]: its operands [1, 2, 3, 4] and [1, 1, 4, 3] differ in shape
      instead: one operand of the full shape, the other with dimensions of size 1 where it is repeated
    ");
}

#[test]
fn an_output_from_elsewhere() {
    let model = Single::new(4, 4, &Device::flex());
    let error = capture(&model, [1, 4], |_, _: Tensor<2>| Tensor::<2>::zeros([1, 4], &Device::flex()));
    assert_snapshot!(error.unwrap_err(), @"Burn could not record the forward pass: output 0 is not on the model's device");
}
