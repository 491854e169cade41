//! A plan's steps as the layers of a report.

use crate::{artefact::Layer, record::kind};
use niwaki_plan::{Kernel, Plan, Step};

/// The operations of a plan, in order.
pub fn layers(plan: &Plan) -> Vec<Layer> {
    let layer = |step: &Step| Layer {
        name: step.name.clone(),
        kind: kind(&step.kernel).name().into(),
        output: plan.tensors[step.output.0].shape,
        macs: step.macs,
        parameter_bytes: parameter_bytes(&step.kernel),
    };
    plan.steps.iter().map(layer).collect()
}

fn parameter_bytes(kernel: &Kernel) -> usize {
    match kernel {
        Kernel::Conv2d { weights, bias, requantise, .. }
        | Kernel::DepthwiseConv2d { weights, bias, requantise, .. }
        | Kernel::FullyConnected { weights, bias, requantise } => {
            weights.len() + 4 * bias.len() + 4 * requantise.scales.len()
        }
        Kernel::AvgPool { requantise, .. } => 4 * requantise.scales.len(),
        Kernel::Lut { table } => table.len(),
        Kernel::Softmax { table } => 2 * table.len(),
        Kernel::LayerNorm { gamma, beta, .. } => 4 * (gamma.len() + beta.len()),
        Kernel::Embedding { table: data, .. } | Kernel::Constant { data } => data.len(),
        _ => 0,
    }
}
