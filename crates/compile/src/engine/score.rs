//! Scores of a network's units, whatever has to be run for them.

use super::bench::Bench;
use crate::CompileError;
use niwaki_graph::Graph;
use niwaki_prune::{Evidence, Importance, NO_UNIT, Needs, Scores, Sites, Structure};
use niwaki_train::{Gates, Loss, Penalty, Samples, TrainConfig, TrainingData, UNGATED};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Samples that gradients are taken of, at most.
const SAMPLES: usize = 1024;
/// Samples per batch of these: small, so that what differs between samples does not cancel out.
const BATCH: usize = 16;
/// Passes over the samples that gates learn in.
const GATE_EPOCHS: usize = 6;

/// Scores in a file: to be looked at, and used again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedScores {
    /// What they measure.
    pub importance: Importance,
    /// What their units are.
    pub structure: Structure,
    /// In the order of the graph.
    pub sites: Vec<SiteScores>,
}

/// One site's scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteScores {
    /// The site's name.
    pub name: String,
    /// One per unit.
    pub scores: Vec<f32>,
}

impl SavedScores {
    /// Names scores after their sites.
    pub fn new(importance: Importance, sites: &Sites, scores: &Scores) -> Self {
        let named = sites.sites.iter().zip(&scores.groups);
        let named = named.map(|(site, scores)| SiteScores { name: site.name.clone(), scores: scores.clone() });
        Self { importance, structure: sites.structure, sites: named.collect() }
    }

    /// Writes them as JSON.
    pub fn save(&self, path: &Path) -> Result<(), CompileError> {
        let json = serde_json::to_vec_pretty(self).expect("scores have string keys only");
        Ok(niwaki_pack::artefact::write_atomically(path, &json)?)
    }

    /// Reads what [`SavedScores::save`] wrote.
    pub fn load(path: &Path) -> Result<Self, CompileError> {
        let bytes = std::fs::read(path).map_err(|source| CompileError::file(path, source))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| CompileError::Scores { path: path.into(), reason: error.to_string() })
    }

    /// The scores for these sites, which they must have been made for.
    pub fn for_sites(&self, sites: &Sites) -> Result<Scores, CompileError> {
        let scores = Scores { groups: self.sites.iter().map(|site| site.scores.clone()).collect() };
        let names = self.sites.iter().map(|site| &site.name).eq(sites.sites.iter().map(|site| &site.name));
        match names && self.structure == sites.structure {
            true => Ok(scores.check_sites(sites).map(|()| scores)?),
            false => Err(niwaki_prune::PruneError::UnknownGroup {
                group: self.sites.first().map_or(String::new(), |site| site.name.clone()),
            }
            .into()),
        }
    }
}

/// The gates of some sites: one per unit, site after site.
pub fn gates(sites: &Sites) -> Gates {
    let mut gates = Gates::default();
    for site in &sites.sites {
        let first = gates.count as u32;
        for (id, map) in &site.gates {
            let shifted = |unit: &u32| if *unit == NO_UNIT { UNGATED } else { unit + first };
            match gates.params.iter_mut().find(|(known, _)| known == id) {
                // Two groups read two axes' worth of one parameter at different elements, or one of them wins.
                Some((_, known)) => {
                    let free = known.iter_mut().zip(map).filter(|(known, _)| **known == UNGATED);
                    free.for_each(|(known, unit)| *known = shifted(unit));
                }
                None => gates.params.push((*id, map.iter().map(shifted).collect())),
            }
        }
        gates.values.extend(site.values.iter().enumerate().map(|(unit, value)| (*value, gates.count + unit)));
        gates.count += site.units;
    }
    gates
}

/// What closing each gate changes in the loss, by [`niwaki_train::gate_curvatures`].
pub(crate) fn curvatures(
    graph: &Graph,
    gates: &Gates,
    labelled: &Samples,
    bench: &Bench<'_>,
) -> Result<Vec<f64>, CompileError> {
    /// Few, so that what differs between samples does not cancel out.
    const BATCH: usize = 8;
    let some = labelled.slice(0..SAMPLES.min(labelled.len()));
    let found = niwaki_train::gate_curvatures(graph, gates, &some, bench.task.loss, BATCH, bench.device)?;
    Ok(found.into_iter().map(f64::from).collect())
}

/// Scores every unit of these sites; `density` is the share that is to stay, which learned masks are steered to.
pub fn score(
    graph: &Graph,
    sites: &Sites,
    importance: Importance,
    density: f64,
    bench: &mut Bench<'_>,
) -> Result<Scores, CompileError> {
    let loss = bench.task.loss;
    let samples = match importance.needs() {
        Needs::Weights => return Ok(importance.scores(graph, sites, Evidence::None, bench.seed)?),
        _ => bench.labelled()?,
    };
    let some = samples.slice(0..SAMPLES.min(samples.len()));
    if importance.needs() == Needs::Gradients {
        // Sizes are averaged, batch by batch: of a trained network the gradients themselves average out to nothing.
        let mut sizes: Vec<Vec<f32>> = graph.params.iter().map(|param| vec![0.0; param.data.len()]).collect();
        niwaki_train::gradients_each(graph, &some, loss, BATCH, bench.device, &mut |part, count| {
            let share = count as f32 / some.len() as f32;
            for (sizes, part) in sizes.iter_mut().zip(&part.params) {
                sizes.iter_mut().zip(part).for_each(|(size, x)| *size += x.abs() * share);
            }
        })?;
        return Ok(importance.scores(graph, sites, Evidence::Gradients(&sizes), bench.seed)?);
    }
    if importance == Importance::Obs {
        let units = super::reconstruct::surgeon(graph, sites, &some, bench)?;
        return Ok(importance.scores(graph, sites, Evidence::Units(&units), bench.seed)?);
    }
    let gates = gates(sites);
    let units = match importance {
        Importance::Taylor => niwaki_train::gate_gradients(graph, &gates, &some, loss, BATCH, bench.device)?,
        _ => {
            let penalty = if importance == Importance::LearnedL0 { Penalty::L0 } else { Penalty::L1 };
            let config = TrainConfig {
                loss,
                epochs: GATE_EPOCHS,
                batch: 32,
                learning_rate: 0.1,
                seed: bench.seed,
                ..TrainConfig::default()
            };
            let data = TrainingData { samples: &samples, validation: None, augment: bench.data.augment };
            let (device, progress) = (bench.device, &mut bench.progress);
            let watch = &mut |at: &niwaki_train::Progress| progress("gates", at);
            niwaki_train::learn_gates(graph, &gates, data, (penalty, density), &config, device, watch)?.open
        }
    };
    debug_assert!(loss == Loss::MeanSquared || !samples.labels.is_empty(), "gradients need a goal");
    Ok(importance.scores(graph, sites, Evidence::Units(&units), bench.seed)?)
}
