//! Reconstruction: after a removal, each layer's weights are fitted so that it yields what it did before (He et al. 2017,
//! arXiv:1707.06168), by ridge regression around the weights that are there.
//!
//! It takes seconds where training takes minutes, and needs no labels: training starts out close to the old network.

mod solve;
mod surgeon;
mod window;

use crate::CompileError;
use burn::tensor::Device;
use niwaki_graph::{Graph, Op};
use niwaki_prune::{Decision, Structure, remove};
use niwaki_train::{GraphModule, Samples, observe};
use solve::Normal;
use std::collections::{BTreeMap, BTreeSet};
pub(super) use surgeon::surgeon;
use window::Window;

/// Samples that layers are fitted on, at most, where they yield something for every place of an image.
const SAMPLES: usize = 512;
/// Places of each sample's output that are fitted, at most.
const PLACES: usize = 32;
const BATCH: usize = 64;

/// Fits the convolutions (of one group) and linear layers of `after` to the outputs they have in `before`, one after the
/// other, each on what the fitted ones before it yield. Weights that a mask holds at zero stay zero.
///
/// `after` is `before` without what the decision removes.
pub fn reconstruct(
    graphs: (&Graph, &Graph),
    removed: (Structure, &Decision),
    masked: &BTreeSet<String>,
    samples: &Samples,
    device: &Device,
) -> Result<Graph, CompileError> {
    fitted(graphs, removed, masked, samples, device, &|_| true)
}

/// Like [`reconstruct`], but only layers that lost inputs or weights: a fraction of the work, and most of the gain where
/// little was removed.
pub(crate) fn reconstruct_near(
    (before, after): (&Graph, &Graph),
    removed: (Structure, &Decision),
    masked: &BTreeSet<String>,
    samples: &Samples,
    device: &Device,
) -> Result<Graph, CompileError> {
    fitted((before, after), removed, masked, samples, device, &|window| {
        let old = before.nodes.iter().find(|node| node.name == window.name);
        old.and_then(|node| Window::of(before, node)).is_some_and(|old| {
            let [was, is] = [before.param(old.weight), after.param(window.weight)];
            old.terms != window.terms || was.shape == is.shape && was.data != is.data
        })
    })
}

fn fitted(
    (before, after): (&Graph, &Graph),
    (structure, decision): (Structure, &Decision),
    masked: &BTreeSet<String>,
    samples: &Samples,
    device: &Device,
    wanted: &dyn Fn(&Window) -> bool,
) -> Result<Graph, CompileError> {
    let kept = kept_outputs(before, structure, decision)?;
    let all = after.nodes.iter().filter_map(|node| Window::of(after, node));
    let windows: Vec<Window> = all.filter(|window| wanted(window)).collect();
    let samples = spread(after, samples);
    // What every layer yielded before, at the places that count.
    let mut goals: Vec<Vec<f32>> = vec![Vec::new(); windows.len()];
    let old = |window: &Window| before.nodes.iter().find(|node| node.name == window.name).map(|node| node.output);
    let outputs: Vec<_> = windows.iter().map(old).collect();
    observe(&GraphModule::new(before, device)?, &samples, BATCH, &mut |id, shape, data| {
        for (place, _) in outputs.iter().enumerate().filter(|(_, output)| **output == Some(id)) {
            windows[place].outputs(shape, data, &kept[&windows[place].name], PLACES, &mut goals[place]);
        }
    })?;
    let mut fitted = after.clone();
    for (window, goal) in windows.iter().zip(&goals) {
        let all: Vec<usize> = (0..window.channels).collect();
        let (mut inputs, mut now) = (Vec::new(), Vec::new());
        observe(&GraphModule::new(&fitted, device)?, &samples, BATCH, &mut |id, shape, data| {
            if id == window.input {
                window.inputs(shape, data, PLACES, &mut inputs);
            }
            if id == window.output {
                window.outputs(shape, data, &all, PLACES, &mut now);
            }
        })?;
        let missing: Vec<f32> = goal.iter().zip(&now).map(|(goal, now)| goal - now).collect();
        let normal = Normal::of(&inputs, &missing, window.terms + 1, window.channels);
        let held = masked.contains(&after.param(window.weight).name);
        window.add(&mut fitted, held, &normal);
    }
    Ok(fitted)
}

/// Samples to fit layers on, from everywhere: data sets are often in some order.
fn spread(graph: &Graph, samples: &Samples) -> Samples {
    // One place of one sample is one equation: without images there have to be more samples.
    let images = graph.nodes.iter().any(|node| matches!(node.op, Op::Conv(_)));
    let count = samples.len().min(if images { SAMPLES } else { SAMPLES * PLACES });
    samples.select(&(0..count).map(|sample| sample * samples.len() / count.max(1)).collect::<Vec<_>>())
}

/// By layer: which of its outputs stay. Found by cutting a graph whose weights say whose they are.
fn kept_outputs(
    before: &Graph,
    structure: Structure,
    decision: &Decision,
) -> Result<BTreeMap<String, Vec<usize>>, CompileError> {
    let mut numbered = before.clone();
    for node in &before.nodes {
        let (weight, filters) = match &node.op {
            Op::Conv(conv) => (conv.weight, true),
            Op::Linear(linear) => (linear.weight, false),
            _ => continue,
        };
        let param = &mut numbered.params[weight.0];
        let (row, columns) = (param.data.len() / param.shape[0].max(1), param.shape[1]);
        let output = |index: usize| if filters { index / row } else { index % columns };
        param.data = (0..param.data.len()).map(|index| output(index) as f32).collect();
    }
    if structure.shrinks() {
        numbered = remove(&numbered, structure, decision)?;
    }
    let stays = numbered.nodes.iter().filter_map(|node| {
        let outputs: Vec<usize> = match &node.op {
            Op::Conv(conv) => {
                let weight = numbered.param(conv.weight);
                weight.data.chunks(weight.data.len() / weight.shape[0].max(1)).map(|row| row[0] as usize).collect()
            }
            Op::Linear(linear) => {
                let weight = numbered.param(linear.weight);
                weight.data[..weight.shape[1]].iter().map(|output| *output as usize).collect()
            }
            _ => return None,
        };
        Some((node.name.clone(), outputs))
    });
    Ok(stays.collect())
}
