//! The steps: start from the trained network, cut, train on. Each leaves a folder.

use super::{
    estimate::{Target, packed, ranges},
    losses::Losses,
    search::{Budget, By, Grid, Search},
    shape::Shape,
};
use crate::{
    CompileError, Context, DataSet, Project, engine, hash,
    stages::{Int8, float_quality, quantise_and_pack},
    street,
};
use burn::module::Module;
use niwaki_graph::Graph;
use niwaki_pack::artefact::{Quality, Variant, write_atomically};
use niwaki_prune::{BlockShape, Decision, Limits, Structure, hidden_channels, lossless};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::Path};

/// File name of a trained network.
pub const GRAPH: &str = "graph.safetensors";
/// File name of a network that was cut and not trained yet.
pub const CUT: &str = "cut.safetensors";
/// File name of the network as it was before anything left.
const UNPRUNED: &str = "unpruned.safetensors";
/// What its channels and branches, and what its blocks were measured to cost, once a cut asked for it.
const CHANNELS: &str = "channels.json";
const BLOCKS: &str = "blocks.json";
/// What belongs to a network, beside it.
const NOTES: &str = "notes.json";

/// `notes.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    /// What it was made from; empty but at the start.
    key: String,
    /// Weights whose zeros have to stay.
    masked: BTreeSet<String>,
    /// The unpruned network in figures, at the start.
    unpruned: Option<Variant>,
}

/// What a step knows of the model.
struct Given<'a, M: Module> {
    project: &'a Project<M>,
    context: &'a Context,
    data: DataSet,
}

/// Where everything starts: the trained network, packed, and the same without dead channels. Does nothing where it is
/// up to date.
pub fn start<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    folder: &Path,
) -> Result<serde_json::Value, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let (unpruned, _) = street::trained(project, context, &data)?;
    let recipe_hash = hash::recipe_hash(project, context, &unpruned, &data);
    let key = hash::keyed(&recipe_hash);
    let fine_tune = context.recipe.fine_tune.epochs;
    let step_epochs = context.recipe.prune.step_epochs;
    let metric = project.task.metric.name;
    let answer = |variant: &Variant| {
        serde_json::json!({
            "key": key,
            "recipe_hash": recipe_hash,
            "metric": metric,
            "epochs": fine_tune,
            "step_epochs": step_epochs,
            "unpruned": variant,
        })
    };
    if let Ok(Notes { key: stored, unpruned: Some(variant), .. }) = notes(folder)
        && stored == key
        && [UNPRUNED, GRAPH, &variant.blob, &variant.eval].iter().all(|file| folder.join(file).is_file())
    {
        return Ok(answer(&variant));
    }
    let name = format!("{}-unpruned", project.name);
    let given = Given { project, context, data };
    let (variant, int8) = given.packed(&unpruned, &name, true)?;
    let start = lossless(&unpruned)?.0;
    write_pack(folder, &variant, &int8)?;
    unpruned.save(&folder.join(UNPRUNED))?;
    start.save(&folder.join(GRAPH))?;
    let masked = niwaki_prune::sparse_params(&start, 0.1);
    let notes = Notes { key: key.clone(), masked, unpruned: Some(variant.clone()) };
    save(&folder.join(NOTES), &notes)?;
    Ok(answer(&variant))
}

/// What a cut is to reach, and how.
#[derive(Clone, Debug)]
pub struct Cutting<'a> {
    /// The folder of the network that is cut.
    pub from: &'a Path,
    /// The folder that the result goes to.
    pub to: &'a Path,
    /// For which core.
    pub target: Target,
    /// What the result may take.
    pub budget: Budget,
    /// Whether blocks may leave, too, or whole channels and branches alone.
    pub blocks: bool,
    /// What decides how much leaves where.
    pub by: By,
}

/// Cuts a network so that it is predicted to be within a budget, and packs it so that it can be measured.
pub fn cut<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    wanted: &Cutting<'_>,
) -> Result<serde_json::Value, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    // Dead channels would leave losslessly, but come alive in training: they leave for good.
    let graph = lossless(&Graph::load(&wanted.from.join(GRAPH))?)?.0;
    let before = notes(wanted.from)?;
    let recipe = context.recipe.clone();
    let limits = Limits { tile: recipe.prune.tile, min_width: recipe.prune.minimum };
    let ranges = ranges(&graph, &data, &recipe.quantise, &context.device)?;
    let (found, cut, start) = {
        let (_, mut bench) = street::bench(project, context, &data, &graph)?;
        // Samples without labels get the network's own.
        bench.teacher = Some(graph.clone());
        let losses = match wanted.by {
            By::Loss => {
                let channels = || Losses::of_channels(&graph, &bench, &before.masked, limits);
                let losses = measured(&wanted.from.join(CHANNELS), channels)?;
                let blocks = || Losses::of_blocks(&graph, &bench, &before.masked);
                if wanted.blocks { losses.with_blocks(measured(&wanted.from.join(BLOCKS), blocks)?) } else { losses }
            }
            By::Uniform | By::GlobalMagnitude => Losses::magnitudes(&graph)?,
        };
        let grid = Grid { limits, blocks: wanted.blocks };
        let search = Search { graph: &graph, losses: &losses, ranges: &ranges, target: &wanted.target, grid };
        let start = search.look(&Shape::default())?;
        let found = match wanted.by {
            By::Loss => search.within(&wanted.budget)?,
            By::Uniform => search.by_magnitude(&wanted.budget, false)?,
            By::GlobalMagnitude => search.by_magnitude(&wanted.budget, true)?,
        };
        let fitted =
            |before: &Graph, after: Graph, removed: (Structure, &Decision), masked: &BTreeSet<String>| match recipe
                .fine_tune
                .reconstruct
            {
                true => engine::reconstruct((before, &after), removed, masked, bench.data.samples, bench.device),
                false => Ok(after),
            };
        let smaller = found.shape.shrunk_with(&graph, &losses, &mut |whole, after, structure, decision| {
            fitted(whole, after, (structure, decision), &before.masked)
        })?;
        // Which blocks matter in what is left is not what mattered before.
        let known = if found.shape.blocks.is_empty() {
            Losses::default()
        } else {
            Losses::curvature_of_blocks(&smaller, &bench)?
        };
        let mut cut = found.shape.blocked(smaller.clone(), &known)?;
        if !found.shape.blocks.is_empty() {
            let masked: BTreeSet<String> =
                before.masked.union(&cut.masked.iter().cloned().collect()).cloned().collect();
            let blocks = Structure::Blocks(BlockShape::OneByFour);
            cut.graph = fitted(&smaller, cut.graph, (blocks, &Decision::default()), &masked)?;
        }
        (found.clone(), cut, start)
    };
    let (blob, _, _) = packed(project.name, &cut.graph, &ranges)?;
    let mut masked = before.masked;
    masked.extend(cut.masked);
    create(wanted.to)?;
    cut.graph.save(&wanted.to.join(CUT))?;
    write_atomically(&wanted.to.join("cut.nwk"), &blob)?;
    save(&wanted.to.join(NOTES), &Notes { masked, ..Notes::default() })?;
    let [cost, flash, ram] = wanted.budget.over(&found.estimate);
    let estimate = |found: &super::Found| {
        let estimate = &found.estimate;
        serde_json::json!({ "cost": estimate.cost, "blob_bytes": estimate.blob_bytes, "arena_bytes": estimate.arena_bytes })
    };
    Ok(serde_json::json!({
        "met": cost + flash + ram <= 0.0,
        "over": { "cost": cost, "flash": flash, "ram": ram },
        "from": estimate(&start),
        "to": estimate(&found),
        "loss": found.loss,
        "shape": found.shape,
    }))
}

/// Trains what was cut, with the network that everything started from as teacher, and packs it. The last training of a
/// network is followed by what the recipe says of int8, and by all sets of samples.
pub fn train<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    (start, folder): (&Path, &Path),
    epochs: usize,
    last: bool,
) -> Result<serde_json::Value, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let teacher = Graph::load(&start.join(GRAPH))?;
    let cut = Graph::load(&folder.join(CUT))?;
    let Notes { masked, .. } = notes(folder)?;
    let quantise = context.recipe.quantise.clone();
    let graph = {
        let (_, mut bench) = street::bench(project, context, &data, &teacher)?;
        bench.teacher = Some(teacher.clone());
        let config = bench.config(&cut, &masked, epochs)?;
        let (samples, device, progress) = (bench.data, bench.device, &mut bench.progress);
        let trained = niwaki_train::fit(&cut, samples, &config, device, &mut |at| progress("fit", at))?;
        match quantise.epochs {
            0 => trained,
            _ if !last => trained,
            _ => engine::train_quantised(&trained, &masked, &data, &quantise, &mut bench)?.graph,
        }
    };
    let given = Given { project, context, data };
    let (variant, int8) = given.packed(&graph, project.name, last)?;
    write_pack(folder, &variant, &int8)?;
    graph.save(&folder.join(GRAPH))?;
    Ok(serde_json::json!({ "variant": variant }))
}

impl<M: Module> Given<'_, M> {
    /// Quantised and packed, in figures and bytes; with all sets of samples, or with the test samples alone.
    fn packed(&self, graph: &Graph, name: &str, all: bool) -> Result<(Variant, Int8), CompileError> {
        let (project, device) = (self.project, &self.context.device);
        let metric = project.task.metric;
        let mut data = self.data.clone();
        if !all {
            data.more.clear();
        }
        let hash = hash::hash_bytes(&hash::recipe_hash(project, self.context, graph, &self.data));
        let int8 = quantise_and_pack(project.name, graph, &data, metric, &self.context.recipe.quantise, hash, device)?;
        let more = data.more.iter().zip(&int8.more).map(|((name, samples), int8)| {
            let float = float_quality(graph, metric, samples, device)?;
            Ok(Quality { name: name.clone(), samples: samples.len(), float, int8: *int8 })
        });
        let variant = Variant {
            blob: format!("{name}.nwk"),
            eval: format!("{name}.eval.safetensors"),
            samples: int8.eval.len(),
            float_quality: float_quality(graph, metric, &data.test, device)?,
            int8_quality: int8.int8_quality,
            more: more.collect::<Result<_, CompileError>>()?,
            parameters: int8.parameters,
            macs: int8.macs,
            blob_bytes: int8.blob.len(),
            arena_bytes: int8.arena_bytes,
            channels: hidden_channels(graph),
            layers: int8.layers.clone(),
        };
        Ok((variant, int8))
    }
}

fn write_pack(folder: &Path, variant: &Variant, int8: &Int8) -> Result<(), CompileError> {
    create(folder)?;
    // Of another network.
    [CHANNELS, BLOCKS].iter().for_each(|file| drop(std::fs::remove_file(folder.join(file))));
    write_atomically(&folder.join(&variant.blob), &int8.blob)?;
    Ok(int8.eval.save(&folder.join(&variant.eval))?)
}

/// What was measured before, or is now. Read from the file in either case, so that both are the same.
fn measured(path: &Path, measure: impl FnOnce() -> Result<Losses, CompileError>) -> Result<Losses, CompileError> {
    let read = || serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    if let Some(losses) = read() {
        return Ok(losses);
    }
    save(path, &measure()?)?;
    read().ok_or_else(|| CompileError::Fit(format!("{} cannot be read again", path.display())))
}

fn create(folder: &Path) -> Result<(), CompileError> {
    std::fs::create_dir_all(folder).map_err(|source| CompileError::file(folder, source))
}

fn notes(folder: &Path) -> Result<Notes, CompileError> {
    let path = folder.join(NOTES);
    let bytes = std::fs::read(&path).map_err(|source| CompileError::file(&path, source))?;
    let wrong = |error: serde_json::Error| CompileError::Fit(format!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).map_err(wrong)
}

fn save(path: &Path, value: &impl Serialize) -> Result<(), CompileError> {
    let json = serde_json::to_vec_pretty(value).expect("notes have string keys only");
    Ok(write_atomically(path, &json)?)
}
