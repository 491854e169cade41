//! Sensitivity: what pruning each layer alone does to the loss.

use super::bench::Bench;
use crate::{CompileError, stages::BATCH};
use niwaki_graph::Graph;
use niwaki_prune::{Allocation, Curves, Limits, Scores, Sites, remove};
use niwaki_train::{GraphModule, Samples, evaluate_by};
use std::collections::BTreeMap;

/// Ratios that are tried.
const RATIOS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
/// Samples that the loss is taken of, at most.
const SAMPLES: usize = 512;

/// Prunes every site alone at several ratios, without training, and measures the loss on training samples.
pub fn sensitivity(graph: &Graph, sites: &Sites, scores: &Scores, bench: &Bench<'_>) -> Result<Curves, CompileError> {
    let samples = bench.labelled()?;
    let samples = samples.slice(0..SAMPLES.min(samples.len()));
    let mut curves = Curves { loss: loss(graph, &samples, bench)?, sites: BTreeMap::new() };
    for site in &sites.sites {
        let mut curve = Vec::new();
        for ratio in RATIOS {
            let layers = [(site.name.clone(), ratio)].into();
            let allocation = Allocation::PerLayer { ratio: 0.0, layers };
            let decision = allocation.decide_sites(sites, scores, Limits::default(), &BTreeMap::new())?;
            let reached = decision.groups.iter().find(|removal| removal.group == site.name);
            let reached = reached.map_or(0.0, |removal| removal.remove.len() as f64 / removal.units.max(1) as f64);
            // Few units: several ratios may come to the same number of them.
            if curve.last().is_none_or(|(last, _)| reached > *last) && reached > 0.0 {
                curve.push((reached, loss(&remove(graph, sites.structure, &decision)?, &samples, bench)?));
            }
        }
        curves.sites.insert(site.name.clone(), curve);
    }
    Ok(curves)
}

fn loss(graph: &Graph, samples: &Samples, bench: &Bench<'_>) -> Result<f64, CompileError> {
    let module = GraphModule::new(graph, bench.device)?;
    Ok(evaluate_by(bench.task.loss, &module, samples, BATCH)?.loss)
}
