//! Stages and their steps: score, remove, train on; saved after each, so that an interruption costs one step at most.

use super::{
    bench::Bench,
    follow,
    resume::{Keep, resume, save},
    score::{SavedScores, score},
    sensitivity::sensitivity,
    stage::{Amount, Share, Stage},
};
use crate::{CompileError, stages::float_quality};
use niwaki_graph::Graph;
use niwaki_prune::{Allocation, Decision, Sites, Structure, live_macs, remove, sites, sparse_params, zeroed_params};
use niwaki_train::{Progress, Samples, TrainingData};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it did, in words.
    pub name: String,
    /// What left.
    pub decision: Decision,
    /// Multiply-accumulates by weights that are not zero, after it.
    pub live_macs: usize,
    /// Quality on held-out samples, where a floor was given.
    pub quality: Option<f64>,
    /// Mean loss and accuracy of each epoch that followed.
    pub curve: Vec<(f64, f64)>,
    /// How long these took.
    pub seconds: f64,
}

/// A network after pruning.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// Smaller, and trained on.
    pub graph: Graph,
    /// Names of the weights whose zeros stay zeros.
    pub masked: BTreeSet<String>,
    /// What was done.
    pub steps: Vec<Step>,
    /// Why it ended before all stages were done.
    pub stopped: Option<String>,
    /// How many of the steps an earlier run had finished before it was interrupted.
    pub resumed: usize,
}

/// A weight with this share of zeros has a mask: of a network that is pruned again, and was not in the same run.
const SPARSE: f64 = 0.1;

/// Prunes a graph stage by stage, training on after each step, with the graph as it was as teacher.
///
/// With `keep`, every finished step is saved, and a run that was interrupted goes on after the last one.
pub fn prune(
    unpruned: &Graph,
    stages: &[Stage],
    bench: &mut Bench<'_>,
    keep: Option<Keep<'_>>,
) -> Result<Pruned, CompileError> {
    if bench.teacher.as_ref() != Some(unpruned) {
        (bench.teacher, bench.known) = (Some(unpruned.clone()), None);
    }
    let all = bench.data;
    let held = bench.floor.map(|_| split(all.samples));
    if let Some((train, _)) = &held {
        // The floor is judged on samples that nothing was learnt from.
        let data = TrainingData { samples: train, validation: None, augment: all.augment };
        let mut inner = Bench {
            data,
            task: bench.task,
            fine_tune: bench.fine_tune,
            device: bench.device,
            seed: bench.seed,
            floor: bench.floor,
            scores: bench.scores.clone(),
            scored: Vec::new(),
            teacher: bench.teacher.clone(),
            numbered: None,
            known: None,
            progress: Box::new(|name, at| (bench.progress)(name, at)),
        };
        let pruned = steps(unpruned, stages, &mut inner, keep, held.as_ref().map(|(_, held)| held));
        let (scored, numbered) = (std::mem::take(&mut inner.scored), inner.numbered.take());
        drop(inner);
        (bench.scored, bench.numbered) = (scored, numbered);
        return pruned;
    }
    steps(unpruned, stages, bench, keep, None)
}

/// Nine tenths and one tenth: every tenth sample is held out.
fn split(samples: &Samples) -> (Samples, Samples) {
    let (held, rest): (Vec<usize>, Vec<usize>) = (0..samples.len()).partition(|place| place % 10 == 9);
    (samples.select(&rest), samples.select(&held))
}

fn steps(
    unpruned: &Graph,
    stages: &[Stage],
    bench: &mut Bench<'_>,
    keep: Option<Keep<'_>>,
    held: Option<&Samples>,
) -> Result<Pruned, CompileError> {
    let start = Pruned {
        graph: unpruned.clone(),
        masked: sparse_params(unpruned, SPARSE),
        steps: Vec::new(),
        stopped: None,
        resumed: 0,
    };
    let (mut state, mut full) = match keep.and_then(resume) {
        Some((state, full)) => (state, full),
        None => (start, BTreeMap::new()),
    };
    let quality =
        |graph: &Graph| held.map(|held| float_quality(graph, bench_metric(bench), held, bench.device)).transpose();
    let base = quality(unpruned)?;
    let whole = live_macs(unpruned);
    let mut done = 0;
    let mut numbered = follow::numbered(unpruned);
    for stage in stages {
        for step in 1..=stage.step_count() {
            done += 1;
            if let Some(earlier) = state.steps.get(done - 1) {
                numbered = remove(&numbered, stage.structure, &earlier.decision)?;
                bench.numbered = Some(numbered.clone());
            }
            if done <= state.steps.len() || state.stopped.is_some() {
                continue;
            }
            if step == 1 {
                let found = sites(&state.graph, stage.structure)?;
                full = sizes(&found);
                full.insert(START.into(), live_macs(&state.graph));
            }
            let next = one(stage, step, &state, (&full, unpruned), whole, bench)?;
            let last = step == stage.step_count();
            numbered = remove(&numbered, stage.structure, &next.decision)?;
            bench.numbered = Some(numbered.clone());
            let epochs = if last { bench.fine_tune.epochs } else { stage.step_epochs };
            let config = bench.config(&next.graph, &next.masked, epochs)?;
            let name = format!("{} {step}/{}", stage.structure, stage.step_count());
            let (data, device, progress) = (bench.data, bench.device, &mut bench.progress);
            let (mut curve, start) = (Vec::new(), Instant::now());
            let mut watch = |at: &Progress| {
                if at.step == at.steps {
                    curve.push((at.loss, at.accuracy));
                }
                progress(&name, at);
            };
            let graph = niwaki_train::fit(&next.graph, data, &config, device, &mut watch)?;
            let reached = held.map(|held| float_quality(&graph, bench.task.metric, held, bench.device)).transpose()?;
            let mut steps = next.steps;
            let live_macs = live_macs(&graph);
            let (name, seconds) = (name.clone(), start.elapsed().as_secs_f64());
            steps.push(Step {
                name: name.clone(),
                decision: next.decision,
                live_macs,
                quality: reached,
                curve,
                seconds,
            });
            let fallen = base.zip(reached).map(|(base, reached)| base - reached);
            match (fallen, bench.floor) {
                (Some(fallen), Some(floor)) if fallen > floor => {
                    let (fallen, floor) = (100.0 * fallen, 100.0 * floor);
                    let reason =
                        format!("{name} cost {fallen:.2} points on held-out samples, {floor:.2} are allowed: undone");
                    state.stopped = Some(reason);
                }
                _ => state = Pruned { graph, masked: next.masked, steps, stopped: None, resumed: state.resumed },
            }
            if let Some(keep) = keep {
                save(keep, &state, &full)?;
            }
        }
    }
    Ok(state)
}

fn bench_metric(bench: &Bench<'_>) -> niwaki_train::Metric {
    bench.task.metric
}

/// In the sizes that a stage began with: its multiply-accumulates.
const START: &str = "(multiply-accumulates)";

/// A graph after removal, before training.
struct Cut {
    graph: Graph,
    masked: BTreeSet<String>,
    steps: Vec<Step>,
    decision: Decision,
}

fn one(
    stage: &Stage,
    step: usize,
    state: &Pruned,
    (full, unpruned): (&BTreeMap<String, usize>, &Graph),
    whole: usize,
    bench: &mut Bench<'_>,
) -> Result<Cut, CompileError> {
    let graph = &state.graph;
    let found = sites(graph, stage.structure)?;
    let part = stage.pace.part(step, stage.step_count());
    let given = bench.scores.take().filter(|_| state.steps.is_empty());
    let scores = match given {
        Some(saved) => saved.for_sites(&found)?,
        None => score(graph, &found, stage.importance, density(stage, part, &found, full), bench)?,
    };
    bench.scored.push(SavedScores::new(stage.importance, &found, &scores));
    let curves = match stage.share {
        Share::Sensitivity => Some(sensitivity(graph, &found, &scores, bench)?),
        _ => None,
    };
    let decide = |ratio: f64, full: &BTreeMap<String, usize>| {
        let layers = stage.layers.iter().map(|(name, ratio)| (name.clone(), ratio * part)).collect();
        let allocation = match (stage.share, &curves) {
            (Share::Global, _) => Allocation::Global { ratio },
            (Share::Sensitivity, Some(curves)) => Allocation::Sensitivity { ratio, curves: curves.clone() },
            _ if stage.layers.is_empty() => Allocation::Uniform { ratio },
            _ => Allocation::PerLayer { ratio, layers },
        };
        allocation.decide_sites(&found, &scores, stage.limits(), full)
    };
    let decision = match amount(stage) {
        Amount::Ratio(ratio) => decide(ratio * part, full)?,
        Amount::MacsLeft(left) => {
            let start = full.get(START).copied().unwrap_or(whole) as f64;
            let wanted = start - (start - left * whole as f64).max(0.0) * part;
            // Shares of widths are those of the whole network, so that many small steps come to the widths of one large.
            let widths = match stage.structure.shrinks() {
                true => sizes(&sites(unpruned, stage.structure)?),
                false => BTreeMap::new(),
            };
            nearest(wanted, |ratio| {
                let decision = decide(ratio, &widths)?;
                let macs = live_macs(&remove(graph, stage.structure, &decision)?);
                Ok((decision, macs as f64))
            })?
        }
    };
    let mut masked = state.masked.clone();
    masked.extend(zeroed_params(graph, stage.structure, &decision)?);
    let mut left = remove(graph, stage.structure, &decision)?;
    if bench.fine_tune.reconstruct {
        let (removed, samples) = ((stage.structure, &decision), bench.data.samples);
        left = super::reconstruct((graph, &left), removed, &masked, samples, bench.device)?;
    }
    let graph = left;
    Ok(Cut { graph, masked, steps: state.steps.clone(), decision })
}

/// How many units each site has.
fn sizes(found: &Sites) -> BTreeMap<String, usize> {
    found.sites.iter().map(|site| (site.name.clone(), site.units)).collect()
}

/// N:M says by itself how much leaves.
fn amount(stage: &Stage) -> Amount {
    match stage.structure {
        Structure::NOfM { keep, of } => Amount::Ratio(1.0 - keep as f64 / of as f64),
        _ => stage.amount,
    }
}

/// Share of the units there are now that is to stay in a step.
fn density(stage: &Stage, part: f64, found: &Sites, full: &BTreeMap<String, usize>) -> f64 {
    let gone = match amount(stage) {
        Amount::Ratio(ratio) => ratio,
        // Work falls with the square of the width where whole channels leave.
        Amount::MacsLeft(left) if stage.structure.shrinks() => 1.0 - left.sqrt(),
        Amount::MacsLeft(left) => 1.0 - left,
    };
    let now: usize = found.sites.iter().map(|site| site.units).sum();
    let before: usize = found.sites.iter().map(|site| full.get(&site.name).copied().unwrap_or(site.units)).sum();
    (before as f64 * (1.0 - gone * part) / now.max(1) as f64).clamp(0.01, 1.0)
}

/// The decision whose multiply-accumulates come nearest to those wanted, by halving the ratio's range.
fn nearest(
    wanted: f64,
    mut attempt: impl FnMut(f64) -> Result<(Decision, f64), CompileError>,
) -> Result<Decision, CompileError> {
    let mut best = attempt(0.0)?;
    let (mut low, mut high) = (0.0, 0.999);
    for _ in 0..12 {
        let middle = 0.5 * (low + high);
        let found = attempt(middle)?;
        if found.1 > wanted {
            low = middle
        } else {
            high = middle
        }
        if (found.1 - wanted).abs() < (best.1 - wanted).abs() {
            best = found;
        }
    }
    Ok(best.0)
}
