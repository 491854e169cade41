//! Reference weights: from a TensorFlow Lite file to safetensors.

use crate::{
    Array, Original, Step,
    tflite::{self, Kind, Tensor},
};
use anyhow::{Context, ensure};
use safetensors::tensor::{Dtype, TensorView};

/// The weights of a `.tflite` file as `models/MODEL_float.safetensors`: `NN_KIND.weight` and `.bias` in the order in
/// which layers run; convolutions `(O, I, kh, kw)`, depthwise `(C, 1, kh, kw)`, fully connected `(out, in)`, all `f32`.
pub fn weights(original: Original, model: &str) -> Step {
    Step {
        original,
        arrays: vec![Array { file: format!("models/{model}_float.safetensors"), bytes: None, sha256: None }],
        note: None,
        convert: Box::new(|path| {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            Ok(vec![safetensors(&bytes)?])
        }),
    }
}

fn safetensors(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut tensors = Vec::new();
    for (index, layer) in tflite::layers(bytes)?.into_iter().enumerate() {
        let kind = match layer.kind {
            Kind::Conv => "conv_2d",
            Kind::Depthwise => "depthwise_conv_2d",
            Kind::FullyConnected => "fully_connected",
        };
        tensors.push((format!("{index:02}_{kind}.weight"), channels_first(layer.kind, layer.weight)?));
        tensors.extend(layer.bias.map(|bias| (format!("{index:02}_{kind}.bias"), bias)));
    }
    ensure!(!tensors.is_empty(), "it has no layer with weights");
    let bytes = |tensor: &Tensor| tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let tensors: Vec<_> = tensors.into_iter().map(|(name, x)| (name, bytes(&x), x.shape)).collect();
    let views =
        tensors.iter().map(|(name, bytes, shape)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize(views, None)?)
}

/// From `(O, kh, kw, I)`, for depthwise convolutions `(1, kh, kw, C)`, to `(O, I, kh, kw)` and `(C, 1, kh, kw)`.
fn channels_first(kind: Kind, tensor: Tensor) -> anyhow::Result<Tensor> {
    let &[first, height, width, last] = tensor.shape.as_slice() else {
        ensure!(kind == Kind::FullyConnected && tensor.shape.len() == 2, "weights of shape {:?}", tensor.shape);
        return Ok(tensor);
    };
    let window = height * width;
    let mut values = Vec::with_capacity(tensor.values.len());
    for o in 0..first {
        for i in 0..last {
            values.extend((0..window).map(|place| tensor.values[(o * window + place) * last + i]));
        }
    }
    let [outer, inner] = if kind == Kind::Depthwise { [last, first] } else { [first, last] };
    Ok(Tensor { shape: vec![outer, inner, height, width], values })
}
