//! Training with the rounding of int8 in the forward pass: the tail of a schedule.

use super::bench::Bench;
use crate::{CompileError, DataSet, Quantise, stages::calibrated};
use niwaki_graph::{Graph, Op};
use niwaki_quantise::{QuantisedGraph, fused_clamp};
use niwaki_train::{FakeQuantisation, FakeWeight, Progress, Steps, TrainConfig, fit};
use std::{collections::BTreeSet, time::Instant};

/// What a quantised graph rounds, for training: its values where it stores them, and the weights of its layers.
pub fn fake_quantisation(quantised: &QuantisedGraph) -> FakeQuantisation {
    let graph = &quantised.graph;
    let steps = |index: usize| {
        let value = quantised.values[index];
        Some(Steps { scale: value.scale, zero_point: value.zero_point })
    };
    let mut values: Vec<Option<Steps>> = (0..graph.values.len()).map(steps).collect();
    for (index, node) in graph.nodes.iter().enumerate() {
        // What a clamp is fused into leaves the accumulator only after it.
        if fused_clamp(graph, index).is_some() {
            values[node.output.0] = None;
        }
    }
    let weight = |op: &Op| match op {
        Op::Conv(conv) => Some(FakeWeight { param: conv.weight, axis: 0 }),
        Op::Linear(linear) => Some(FakeWeight { param: linear.weight, axis: 1 }),
        _ => None,
    };
    FakeQuantisation { values, weights: graph.nodes.iter().filter_map(|node| weight(&node.op)).collect() }
}

/// A network after training, and how that went.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The network.
    pub graph: Graph,
    /// Mean loss and accuracy of each epoch.
    pub curve: Vec<(f64, f64)>,
    /// How long it took.
    pub seconds: f64,
}

/// Prepares a network as for quantising and trains on for `recipe.epochs`, rounding as int8 will; zeros of masked weights
/// stay. The bench's teacher is distilled from, as before.
pub fn train_quantised(
    graph: &Graph,
    masked: &BTreeSet<String>,
    data: &DataSet,
    recipe: &Quantise,
    bench: &mut Bench<'_>,
) -> Result<Trained, CompileError> {
    let quantised = calibrated(graph, data, recipe, bench.device)?;
    let config = TrainConfig {
        learning_rate: recipe.learning_rate,
        fake_quantisation: Some(fake_quantisation(&quantised)),
        ..bench.config(&quantised.graph, masked, recipe.epochs)?
    };
    let (samples, device, progress) = (bench.data, bench.device, &mut bench.progress);
    let (mut curve, start) = (Vec::new(), Instant::now());
    let mut watch = |at: &Progress| {
        if at.step == at.steps {
            curve.push((at.loss, at.accuracy));
        }
        progress("int8", at);
    };
    let graph = fit(&quantised.graph, samples, &config, device, &mut watch)?;
    Ok(Trained { graph, curve, seconds: start.elapsed().as_secs_f64() })
}
