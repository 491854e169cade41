//! Where int8 loses precision: each layer's own error, and what has added up by then.

use super::qat::fake_quantisation;
use crate::{CompileError, DataSet, Quantise, stages::calibrated};
use burn::tensor::Device;
use niwaki_graph::Graph;
use niwaki_quantise::fused_output;
use niwaki_train::{FakeQuantisation, GraphModule, observe_rounded};
use serde::{Deserialize, Serialize};

/// Samples that errors are measured on, at most.
const SAMPLES: usize = 64;

/// The error of one layer's output, relative to the output itself: root of the mean squares' ratio, over all elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerError {
    /// The node's name.
    pub layer: String,
    /// The operation.
    pub kind: String,
    /// With this layer's weights and output alone rounded.
    pub own: f64,
    /// With everything up to here rounded.
    pub accumulated: f64,
}

/// The errors of every layer that computes, in execution order: convolutions, linear layers, sums, products, functions.
pub fn explain(
    graph: &Graph,
    data: &DataSet,
    recipe: &Quantise,
    device: &Device,
) -> Result<Vec<LayerError>, CompileError> {
    let quantised = calibrated(graph, data, recipe, device)?;
    let folded = &quantised.graph;
    let fake = fake_quantisation(&quantised);
    let module = GraphModule::new(folded, device)?;
    let seen = data.train.slice(0..SAMPLES.min(data.train.len()));
    let values = |fake: &FakeQuantisation| -> Result<Vec<Vec<f32>>, CompileError> {
        let mut values = vec![Vec::new(); folded.values.len()];
        observe_rounded(&module, fake, &seen, SAMPLES, &mut |id, _, data| values[id.0] = data.to_vec())?;
        Ok(values)
    };
    let exact = values(&FakeQuantisation::default())?;
    let rounded = values(&fake)?;
    let mut errors = Vec::new();
    for (index, node) in folded.nodes.iter().enumerate() {
        let output = fused_output(folded, index);
        let fused = index > 0 && node.inputs.iter().any(|input| fake.values[input.0].is_none());
        if fused
            || quantised.weights[index].is_none()
                && node.inputs.len() < 2
                && !matches!(node.op, niwaki_graph::Op::Unary(_))
        {
            continue;
        }
        let mut own = FakeQuantisation { values: vec![None; folded.values.len()], weights: Vec::new() };
        own.values[output.0] = fake.values[output.0];
        own.weights = fake.weights.iter().filter(|weight| node.op.params().contains(&weight.param)).copied().collect();
        let alone = values(&own)?;
        errors.push(LayerError {
            layer: node.name.clone(),
            kind: node.op.kind().into(),
            own: relative(&exact[output.0], &alone[output.0]),
            accumulated: relative(&exact[output.0], &rounded[output.0]),
        });
    }
    Ok(errors)
}

fn relative(exact: &[f32], other: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let error: f64 = exact.iter().zip(other).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let size: f64 = exact.iter().map(|x| square(f64::from(*x))).sum();
    if size > 0.0 { (error / size).sqrt() } else { 0.0 }
}
