//! Stages and their steps: score, remove, train on; saved after each, so that an interruption costs one step at most.

use super::{
    score::{SavedScores, score},
    sensitivity::sensitivity,
    stage::{Amount, Share, Stage},
};
use crate::{CompileError, FineTune, Task, stages::float_quality};
use burn::tensor::Device;
use niwaki_graph::Graph;
use niwaki_pack::artefact::write_atomically;
use niwaki_prune::{
    Allocation, Decision, Sites, Structure, live_macs, masks, remove, sites, sparse_params, zeroed_params,
};
use niwaki_train::{
    Features, GraphModule, Loss, Mask, Progress, Samples, Teacher, TrainConfig, TrainingData, feature_pairs, predict,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Takes the name of what is being done, and how far it is.
pub type Watch<'a> = dyn FnMut(&str, &Progress) + 'a;

/// What stages are run with.
pub struct Bench<'a> {
    /// What is learnt from.
    pub data: TrainingData<'a>,
    /// What the network is for.
    pub task: Task,
    /// How it is trained on.
    pub fine_tune: &'a FineTune,
    /// Where it runs.
    pub device: &'a Device,
    /// Seed of everything random.
    pub seed: u64,
    /// The most that the quality may fall, on a tenth of the samples that is held out for it: a step that costs more is
    /// undone and ends the pruning. `None` for no limit.
    pub floor: Option<f64>,
    /// Scores to use in the first step instead of computing them.
    pub scores: Option<SavedScores>,
    /// The scores that each step went by.
    pub scored: Vec<SavedScores>,
    /// The network before pruning: what is distilled from. [`prune`] sets it.
    pub teacher: Option<Graph>,
    /// The teacher's outputs for all samples, once they were needed; reset with the teacher.
    pub known: Option<Arc<Vec<f32>>>,
    /// Called with what is being done, and how far it is.
    pub progress: Box<Watch<'a>>,
}

impl<'a> Bench<'a> {
    /// Seed 0, no limit, nobody told.
    pub fn new(samples: &'a Samples, task: Task, fine_tune: &'a FineTune, device: &'a Device) -> Self {
        Self {
            data: TrainingData::from(samples),
            task,
            fine_tune,
            device,
            seed: 0,
            floor: None,
            scores: None,
            scored: Vec::new(),
            teacher: None,
            known: None,
            progress: Box::new(|_, _| {}),
        }
    }

    /// The samples, with labels: samples without any get the teacher's.
    pub(crate) fn labelled(&self) -> Result<Samples, CompileError> {
        let mut samples = self.data.samples.clone();
        let (Loss::CrossEntropy, true, Some(teacher)) = (self.task.loss, samples.labels.is_empty(), &self.teacher)
        else {
            return Ok(samples);
        };
        let logits = predict(&GraphModule::new(teacher, self.device)?, &samples, crate::stages::BATCH)?;
        let rows = logits.chunks_exact(logits.len() / samples.len().max(1));
        let top = |row: &[f32]| (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        samples.labels = rows.map(top).collect();
        Ok(samples)
    }

    /// How a graph is trained, with some weights held at zero.
    pub(crate) fn config(
        &mut self,
        graph: &Graph,
        masked: &BTreeSet<String>,
        epochs: usize,
    ) -> Result<TrainConfig, CompileError> {
        // Where a pass is of some samples only, every network sees others.
        let seed = self.fine_tune.samples.map_or(self.seed, |_| self.seed ^ live_macs(graph) as u64);
        let mut config = TrainConfig { loss: self.task.loss, epochs, ..self.fine_tune.config(seed) };
        let held = masks(graph, masked).into_iter();
        config.masks = held.map(|(param, keep)| Mask { param, keep }).collect();
        if let (Some(teacher), true) = (&self.teacher, self.fine_tune.teacher_weight > 0.0) {
            let features = (self.fine_tune.feature_weight > 0.0)
                .then(|| Features { pairs: feature_pairs(graph, teacher), weight: self.fine_tune.feature_weight });
            let (temperature, weight) = (self.fine_tune.temperature, self.fine_tune.teacher_weight);
            // Samples that do not change are shown to the teacher once for all steps.
            if features.is_none() && self.data.augment.is_none() && epochs > 0 && self.known.is_none() {
                let module = GraphModule::new(teacher, self.device)?;
                self.known = Some(Arc::new(predict(&module, self.data.samples, crate::stages::BATCH)?));
            }
            let known = self.known.clone().filter(|_| features.is_none());
            let teacher = Teacher::new(teacher.clone(), temperature, weight);
            config.distillation = Some(Teacher { features, known, ..teacher });
        }
        Ok(config)
    }
}

/// Where finished steps are kept, and what they belong to.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// A folder of their own.
    pub folder: &'a Path,
    /// Steps of another key are not gone on from: it stands for the network, the stages and the data.
    pub key: &'a str,
}

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

/// What is written after each step.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    key: String,
    graph: String,
    masked: BTreeSet<String>,
    steps: Vec<Step>,
    full: BTreeMap<String, usize>,
    stopped: Option<String>,
}

/// A weight with this share of zeros has a mask: of a network that is pruned again, and was not in the same run.
const SPARSE: f64 = 0.1;

const PROGRESS: &str = "steps.json";

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
            known: None,
            progress: Box::new(|name, at| (bench.progress)(name, at)),
        };
        let pruned = steps(unpruned, stages, &mut inner, keep, held.as_ref().map(|(_, held)| held));
        let scored = std::mem::take(&mut inner.scored);
        drop(inner);
        bench.scored = scored;
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
    for stage in stages {
        for step in 1..=stage.step_count() {
            done += 1;
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
            let epochs = if last { bench.fine_tune.epochs } else { stage.step_epochs };
            let config = bench.config(&next.graph, &next.masked, epochs)?;
            let name = format!("{} {step}/{}", stage.structure, stage.step_count());
            let (data, device, progress) = (bench.data, bench.device, &mut bench.progress);
            let mut watch = |at: &Progress| progress(&name, at);
            let graph = niwaki_train::fit(&next.graph, data, &config, device, &mut watch)?;
            let reached = held.map(|held| float_quality(&graph, bench.task.metric, held, bench.device)).transpose()?;
            let mut steps = next.steps;
            let live_macs = live_macs(&graph);
            steps.push(Step { name: name.clone(), decision: next.decision, live_macs, quality: reached });
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

fn save(keep: Keep<'_>, state: &Pruned, full: &BTreeMap<String, usize>) -> Result<(), CompileError> {
    let (folder, count) = (keep.folder, state.steps.len());
    std::fs::create_dir_all(folder).map_err(|source| CompileError::file(folder, source))?;
    let graph = format!("step-{count}.safetensors");
    state.graph.save(&folder.join(&graph))?;
    let saved = Saved {
        key: keep.key.into(),
        graph,
        masked: state.masked.clone(),
        steps: state.steps.clone(),
        full: full.clone(),
        stopped: state.stopped.clone(),
    };
    // The record names the graph, so it goes last: until then the step before counts.
    let json = serde_json::to_vec_pretty(&saved).expect("records have string keys only");
    write_atomically(&folder.join(PROGRESS), &json)?;
    let before: PathBuf = folder.join(format!("step-{}.safetensors", count.saturating_sub(1)));
    if count > 0 && before.exists() {
        // Only to save space: a copy too many harms nothing.
        let _ = std::fs::remove_file(before);
    }
    Ok(())
}

/// Puts the last finished step of one place into another that has none of its own, to go on there.
pub(crate) fn adopt(from: Keep<'_>, to: Keep<'_>) -> Result<(), CompileError> {
    match (resume(to), resume(from)) {
        (None, Some((state, full))) => save(to, &state, &full),
        _ => Ok(()),
    }
}

/// The last finished step of the same pruning, if there is one.
fn resume(keep: Keep<'_>) -> Option<(Pruned, BTreeMap<String, usize>)> {
    let bytes = std::fs::read(keep.folder.join(PROGRESS)).ok()?;
    let saved = serde_json::from_slice::<Saved>(&bytes).ok().filter(|saved| saved.key == keep.key)?;
    let graph = Graph::load(&keep.folder.join(&saved.graph)).ok()?;
    let resumed = saved.steps.len();
    let state = Pruned { graph, masked: saved.masked, steps: saved.steps, stopped: saved.stopped, resumed };
    Some((state, saved.full))
}
