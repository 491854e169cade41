//! The street: train, prune, pack, each from the files that the one before left.

use crate::advice::{self, Outcome};
use crate::engine::{self, Bench, Keep, SavedScores, Stage};
use crate::hash::{hash_bytes, keyed, recipe_hash, training_key};
use crate::stages::{float_quality, quantise_and_pack};
use crate::{CompileError, DataSet, Project, Recipe};
use burn::{module::Module, tensor::Device};
use niwaki_graph::Graph;
use niwaki_pack::artefact::{Quality, Report, Variant, write_atomically};
use niwaki_pack::history::Passage;
use niwaki_prune::{Structure, hidden_channels, live_macs, lossless};
use niwaki_train::{Metric, Progress, Teacher, TrainConfig, TrainingData};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Trained weights, in the model's folder or under `target/`.
const WEIGHTS: &str = "weights.safetensors";
/// What training was and how it went, beside the weights.
const TRAINING: &str = "training.json";
/// The network before and after pruning, as graphs.
pub(crate) const UNPRUNED_GRAPH: &str = "unpruned.safetensors";
pub(crate) const PRUNED_GRAPH: &str = "pruned.safetensors";
/// What the graphs were made from, and their float quality.
const PRUNING: &str = "pruning.json";

/// Finished steps of a pruning that is under way.
const STEPS: &str = "steps";
/// The scores that the first step went by.
const SCORES: &str = "scores.json";

/// What every stage works with.
pub struct Context {
    /// The recipe, with what the command line changed.
    pub recipe: Recipe,
    /// Where results go.
    pub out: PathBuf,
    /// Where networks run.
    pub device: Device,
    /// Called with the stage's name and how far it is.
    pub progress: Box<Watch>,
}

/// Takes a stage's name and its progress.
pub type Watch = dyn FnMut(&str, &Progress);

/// `training.json`: enough to do it again and to see whether it came out the same.
#[derive(Serialize, Deserialize)]
struct TrainingRecord {
    key: String,
    seed: u64,
    epochs: usize,
    test_top1: f64,
    /// Mean loss and accuracy on the training samples, per epoch.
    curve: Vec<(f64, f64)>,
}

/// `pruning.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct PruningRecord {
    key: String,
    recipe_hash: String,
    unpruned_quality: f64,
    pruned_quality: f64,
    channels: [usize; 2],
    /// Steps that an interrupted run had finished.
    resumed: usize,
    /// How the training after each step went.
    pub(crate) steps: Vec<Passage>,
    /// Whether the network is the one in the model's folder.
    committed: bool,
    /// What a user should hear about it.
    advice: Vec<String>,
}

/// Trains the model from fresh weights and writes them, with a record of how it went. With `install`, the weights also
/// replace those in the model's folder. Returns the files written.
pub fn train<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    install: bool,
) -> Result<Vec<PathBuf>, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let graph = fresh(project, context)?;
    let (_, mut written) = train_graph(project, context, &graph, &data)?;
    if install {
        for name in [WEIGHTS, TRAINING] {
            let target = Path::new(project.folder).join(name);
            write_atomically(&target, &read(&context.out.join(name))?)?;
            written.push(target);
        }
    }
    Ok(written)
}

fn train_graph<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    graph: &Graph,
    data: &DataSet,
) -> Result<(Graph, Vec<PathBuf>), CompileError> {
    let recipe = context.recipe.train.as_ref().ok_or_else(|| CompileError::NotTrainable(project.name.into()))?;
    let distillation = match &recipe.teacher {
        None => None,
        Some(file) => {
            let teacher = Graph::load(&Path::new(project.folder).join(file))?;
            Some(Teacher::new(teacher, recipe.temperature, recipe.teacher_weight))
        }
    };
    let config = TrainConfig { loss: project.task.loss, distillation, ..recipe.config(context.recipe.seed) };
    let mut curve = Vec::new();
    let report = &mut context.progress;
    let mut progress = |at: &Progress| {
        if at.step == at.steps {
            curve.push((at.loss, at.accuracy));
        }
        report("train", at);
    };
    let trained = niwaki_train::fit(graph, samples(project, data), &config, &context.device, &mut progress)?;
    let record = TrainingRecord {
        key: training_key(project, context, graph, data),
        seed: context.recipe.seed,
        epochs: config.epochs,
        test_top1: float_quality(&trained, project.task.metric, &data.test, &context.device)?,
        curve,
    };
    let files = [context.out.join(WEIGHTS), context.out.join(TRAINING)];
    create(&context.out)?;
    trained.save(&files[0])?;
    write_atomically(&files[1], &json(&record))?;
    Ok((trained, files.into()))
}

/// Prunes the trained model and fine-tunes it. Writes both networks as graphs; does nothing where they are up to date.
pub fn prune<M: Module>(project: &Project<M>, context: &mut Context) -> Result<Vec<PathBuf>, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let (_, written) = pruned(project, context, &data, false)?;
    Ok(written)
}

/// With `committed`, a pruned network in the model's folder will do, where it is of the same recipe and weights.
pub(crate) fn pruned<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    data: &DataSet,
    committed: bool,
) -> Result<(PruningRecord, Vec<PathBuf>), CompileError> {
    let (unpruned, mut written) = trained(project, context, data)?;
    let recipe_hash = recipe_hash(project, context, &unpruned, data);
    let key = keyed(&recipe_hash);
    let files = [context.out.join(UNPRUNED_GRAPH), context.out.join(PRUNED_GRAPH), context.out.join(PRUNING)];
    let stored = read(&files[2]).ok().and_then(|bytes| serde_json::from_slice::<PruningRecord>(&bytes).ok());
    let fits = |record: &PruningRecord| record.key == key && (committed || !record.committed);
    if let Some(record) = stored.filter(|record| fits(record) && files.iter().all(|file| file.exists())) {
        return Ok((record, written));
    }
    let kept = if committed { crate::committed::committed(project, context, &unpruned)? } else { None };
    let stages = context.recipe.prune.stages();
    let metric = project.task.metric;
    let committed = kept.is_some();
    let (pruned, scored) = match kept {
        Some((graph, history)) => (Made { graph, steps: history.steps, stopped: None, resumed: 0 }, Vec::new()),
        None => make(project, context, data, &unpruned, (&stages, &key))?,
    };
    let Made { graph: pruned, steps, stopped, resumed } = pruned;
    let (before, after) =
        [&unpruned, &pruned].map(|graph| float_quality(graph, metric, &data.test, &context.device)).into();
    let (before, after): (f64, f64) = (before?, after?);
    let (floor, samples, epochs) = (context.recipe.prune.floor, data.train.len(), context.recipe.fine_tune.epochs);
    let scattered = stages.iter().any(|stage| matches!(stage.structure, Structure::Weights | Structure::NOfM { .. }));
    let compact = context.recipe.quantise.compact;
    let outcome =
        Outcome { scattered, compact, unpruned: &unpruned, pruned: &pruned, before, after, floor, samples, epochs };
    let stopped = stopped.map(|reason| format!("advice: pruning ended early: {reason}"));
    let record = PruningRecord {
        key,
        recipe_hash,
        unpruned_quality: before,
        pruned_quality: after,
        channels: [hidden_channels(&unpruned), hidden_channels(&pruned)],
        resumed,
        steps,
        committed,
        advice: stopped.into_iter().chain(advice::advice(&outcome)).collect(),
    };
    // The record goes last: without it the graphs count as stale.
    let _ = std::fs::remove_file(&files[2]);
    create(&context.out)?;
    unpruned.save(&files[0])?;
    pruned.save(&files[1])?;
    if let Some(scores) = scored.first() {
        scores.save(&context.out.join(SCORES))?;
        written.push(context.out.join(SCORES));
    }
    write_atomically(&files[2], &json(&record))?;
    written.extend(files);
    // The result is whole: what an interruption would have gone on from is not needed any more.
    let _ = std::fs::remove_dir_all(context.out.join(STEPS));
    Ok((record, written))
}

/// A pruned network, and how it came about.
struct Made {
    graph: Graph,
    steps: Vec<Passage>,
    stopped: Option<String>,
    resumed: usize,
}

/// Prunes by the stages, trained on with the rounding of int8 where the recipe asks for it.
fn make<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    data: &DataSet,
    unpruned: &Graph,
    (stages, key): (&[Stage], &str),
) -> Result<(Made, Vec<SavedScores>), CompileError> {
    let (folder, quantise) = (context.out.join(STEPS), context.recipe.quantise.clone());
    let (start, mut bench) = bench(project, context, data, unpruned)?;
    let pruned = engine::prune(&start, stages, &mut bench, Some(Keep { folder: &folder, key }))?;
    let passage = |step: engine::Step| Passage {
        name: step.name,
        live_macs: step.live_macs,
        curve: step.curve,
        seconds: step.seconds,
    };
    let mut steps: Vec<Passage> = pruned.steps.into_iter().map(passage).collect();
    let mut graph = pruned.graph;
    if quantise.epochs > 0 {
        let engine::Trained { graph: trained, curve, seconds } =
            engine::train_quantised(&graph, &pruned.masked, data, &quantise, &mut bench)?;
        graph = trained;
        steps.push(Passage { name: "int8".into(), live_macs: live_macs(&graph), curve, seconds });
    }
    let made = Made { graph, steps, stopped: pruned.stopped, resumed: pruned.resumed };
    Ok((made, std::mem::take(&mut bench.scored)))
}

/// The graph that pruning starts from, without dead channels, and what it is run with.
pub(crate) fn bench<'a, M: Module>(
    project: &'a Project<M>,
    context: &'a mut Context,
    data: &'a DataSet,
    unpruned: &Graph,
) -> Result<(Graph, Bench<'a>), CompileError> {
    let Context { recipe, device, progress, .. } = context;
    let recipe = &*recipe;
    let start = if recipe.prune.lossless { lossless(unpruned)?.0 } else { unpruned.clone() };
    let mut data = samples(project, data);
    data.augment = data.augment.filter(|_| recipe.fine_tune.augment);
    let bench = Bench {
        data,
        seed: recipe.seed,
        floor: recipe.prune.floor,
        scores: recipe.prune.scores.as_deref().map(SavedScores::load).transpose()?,
        progress: Box::new(move |name, at| progress(name, at)),
        ..Bench::new(data.samples, project.task, &recipe.fine_tune, device)
    };
    Ok((start, bench))
}

/// What the last pruning has to say about itself.
pub(crate) fn advice_of(context: &Context) -> Vec<String> {
    let record = read(&context.out.join(PRUNING)).ok();
    let record = record.and_then(|bytes| serde_json::from_slice::<PruningRecord>(&bytes).ok());
    record.map_or_else(Vec::new, |record| record.advice)
}

/// Quantises and packs the network before and after pruning, which is done first where its result is stale. Writes two
/// blobs, their evaluation sets and the report.
pub fn pack<M: Module>(project: &Project<M>, context: &mut Context) -> Result<(Report, Vec<PathBuf>), CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let (record, mut written) = pruned(project, context, &data, true)?;
    let hash = hash_bytes(&record.recipe_hash);
    let mut variants = Vec::new();
    let qualities = [record.unpruned_quality, record.pruned_quality];
    let names = [format!("{}-unpruned", project.name), project.name.to_string()];
    // Everything is computed before anything is written: a failure leaves the earlier results whole.
    for (index, file) in [UNPRUNED_GRAPH, PRUNED_GRAPH].into_iter().enumerate() {
        let graph = Graph::load(&context.out.join(file))?;
        let (recipe, device) = (&context.recipe.quantise, &context.device);
        let int8 = quantise_and_pack(project.name, &graph, &data, project.task.metric, recipe, hash, device)?;
        let more = more_qualities(&graph, &data, project.task.metric, &int8.more, device)?;
        let (blob, eval) = (format!("{}.nwk", names[index]), format!("{}.eval.safetensors", names[index]));
        let variant = Variant {
            blob: blob.clone(),
            eval: eval.clone(),
            samples: int8.eval.len(),
            float_quality: qualities[index],
            int8_quality: int8.int8_quality,
            more,
            parameters: int8.parameters,
            macs: int8.macs,
            blob_bytes: int8.blob.len(),
            arena_bytes: int8.arena_bytes,
            channels: record.channels[index],
            layers: int8.layers.clone(),
        };
        variants.push((variant, int8, blob, eval));
    }
    for (_, int8, blob, eval) in &variants {
        write_atomically(&context.out.join(blob), &int8.blob)?;
        int8.eval.save(&context.out.join(eval))?;
        written.extend([context.out.join(blob), context.out.join(eval)]);
    }
    let mut variants = variants.into_iter().map(|(variant, ..)| variant);
    let (Some(unpruned), Some(pruned)) = (variants.next(), variants.next()) else {
        unreachable!("two graphs were packed");
    };
    let (model, metric) = (project.name.to_string(), project.task.metric.name.to_string());
    let report = Report { model, recipe_hash: record.recipe_hash, metric, unpruned, pruned };
    report.save(&context.out)?;
    written.push(context.out.join(niwaki_pack::artefact::REPORT));
    Ok((report, written))
}

/// How good a network is on the samples that only the host runs.
fn more_qualities(
    graph: &Graph,
    data: &DataSet,
    metric: Metric,
    int8: &[f64],
    device: &Device,
) -> Result<Vec<Quality>, CompileError> {
    let quality = |((name, samples), int8): (&(String, niwaki_train::Samples), &f64)| {
        let float = float_quality(graph, metric, samples, device)?;
        Ok(Quality { name: name.clone(), samples: samples.len(), float, int8: *int8 })
    };
    data.more.iter().zip(int8).map(quality).collect()
}

/// The captured graph with fresh weights, or the model's own.
pub(crate) fn fresh<M: Module>(project: &Project<M>, context: &Context) -> Result<Graph, CompileError> {
    context.device.seed(context.recipe.seed);
    Ok((project.capture)(&(project.model)(&context.device))?)
}

/// The captured graph with trained weights: those in the model's folder, else those of an earlier training, else, where
/// the recipe says how, trained now; a recipe without `[train]` means that the model brings its weights.
pub(crate) fn trained<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    data: &DataSet,
) -> Result<(Graph, Vec<PathBuf>), CompileError> {
    if let Some(from) = &context.recipe.prune.from {
        return Ok((Graph::load(from)?, Vec::new()));
    }
    let graph = fresh(project, context)?;
    let installed = Path::new(project.folder).join(WEIGHTS);
    if installed.exists() {
        return Ok((with_weights(project, graph, &installed)?, Vec::new()));
    }
    if let Some(fill) = project.weights {
        let mut graph = graph;
        fill(&mut graph).map_err(CompileError::Data)?;
        return Ok((graph, Vec::new()));
    }
    if context.recipe.train.is_none() {
        return Ok((graph, Vec::new()));
    }
    let key = training_key(project, context, &graph, data);
    let record = read(&context.out.join(TRAINING)).ok();
    let record = record.and_then(|bytes| serde_json::from_slice::<TrainingRecord>(&bytes).ok());
    if record.is_some_and(|record| record.key == key) {
        let weights = context.out.join(WEIGHTS);
        return Ok((with_weights(project, graph, &weights)?, Vec::new()));
    }
    train_graph(project, context, &graph, data)
}

/// Puts stored parameters into a graph, by name.
fn with_weights<M: Module>(project: &Project<M>, mut graph: Graph, path: &Path) -> Result<Graph, CompileError> {
    let stored = Graph::load(path)?;
    let wrong = |reason: String| CompileError::Weights { path: path.into(), reason, model: project.name.into() };
    for param in &mut graph.params {
        let found = stored.params.iter().find(|other| other.name == param.name);
        let found = found.ok_or_else(|| wrong(format!("it has no `{}`", param.name)))?;
        if found.shape != param.shape {
            let (name, here) = (&param.name, &param.shape);
            return Err(wrong(format!("`{name}` has the shape {:?}, the model wants {here:?}", found.shape)));
        }
        param.data.clone_from(&found.data);
    }
    Ok(graph)
}

fn samples<'a, M: Module>(project: &'a Project<M>, data: &'a DataSet) -> TrainingData<'a> {
    let augment = project.augment.as_ref().map(|augment| augment as &niwaki_train::Augment<'_>);
    TrainingData { samples: &data.train, validation: None, augment }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("records have string keys only")
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CompileError> {
    std::fs::read(path).map_err(|source| CompileError::file(path, source))
}

fn create(folder: &Path) -> Result<(), CompileError> {
    std::fs::create_dir_all(folder).map_err(|source| CompileError::file(folder, source))
}
