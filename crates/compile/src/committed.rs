//! Pruned networks that a model keeps in its folder: half an hour of training is done once.

use crate::hash::{graph_sha256, hex, samples_sha256};
use crate::street::{self, PRUNED_GRAPH};
use crate::{CompileError, Context, Project, Recipe};
use burn::module::Module;
use niwaki_graph::Graph;
use niwaki_pack::artefact::{EvalSet, write_atomically};
use niwaki_pack::history::{DataHash, FOLDER, Golden, History, WEIGHTS};
use niwaki_prune::live_macs;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// How many outputs a record spells out.
const FIRST: usize = 4;

/// The pruned network in the model's folder, if it has one that this recipe makes of these weights.
pub(crate) fn committed<M: Module>(
    project: &Project<M>,
    context: &Context,
    unpruned: &Graph,
) -> Result<Option<(Graph, History)>, CompileError> {
    let folder = Path::new(project.folder);
    let Some(history) = History::of_model(folder)? else {
        return Ok(None);
    };
    // Where the command line asks for something else, the file is not what is wanted.
    let changed = Recipe { train: None, ..context.recipe.clone() } != Recipe { train: None, ..Recipe::load(folder)? };
    if changed || history.recipe != recipe_value(folder)? || history.unpruned_sha256 != graph_sha256(unpruned) {
        eprintln!("{FOLDER}/ of {} is of another recipe or other weights: pruning anew", project.name);
        return Ok(None);
    }
    Ok(Some((Graph::load(&folder.join(FOLDER).join(WEIGHTS))?, history)))
}

/// `recipe.toml` key by key, without comments.
fn recipe_value(folder: &Path) -> Result<serde_json::Value, CompileError> {
    let path = folder.join("recipe.toml");
    let text = std::fs::read_to_string(&path).map_err(|source| CompileError::file(&path, source))?;
    toml::from_str(&text).map_err(|error| CompileError::Recipe { path, reason: error.to_string() })
}

/// Prunes by the recipe, packs, and puts the pruned network, its blob and the record into the model's folder. Returns the
/// files written.
///
/// # Errors
/// As [`crate::prune`] and [`crate::pack`].
pub fn install<M: Module>(project: &Project<M>, context: &mut Context) -> Result<Vec<PathBuf>, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let (record, mut written) = street::pruned(project, context, &data, false)?;
    let (report, more) = street::pack(project, context)?;
    written.extend(more);
    let graphs = [street::UNPRUNED_GRAPH, PRUNED_GRAPH].map(|file| Graph::load(&context.out.join(file)));
    let [unpruned, pruned] = graphs;
    let (unpruned, pruned) = (unpruned?, pruned?);
    let sets = [("train", &data.train), ("test", &data.test)].into_iter();
    let more = data.more.iter().map(|(name, samples)| (name.as_str(), samples));
    let hash = |(name, samples): (&str, &crate::Samples)| DataHash {
        name: name.into(),
        samples: samples.len(),
        sha256: samples_sha256(samples),
    };
    let folder = Path::new(project.folder);
    let history = History {
        model: project.name.into(),
        command: format!("cargo xtask prune {} --install", project.name),
        seed: context.recipe.seed,
        recipe: recipe_value(folder)?,
        unpruned_sha256: graph_sha256(&unpruned),
        data: sets.chain(more).map(hash).collect(),
        seconds: record.steps.iter().map(|step| step.seconds).sum(),
        steps: record.steps,
        metric: report.metric,
        live_macs: [live_macs(&unpruned), live_macs(&pruned)],
        golden: golden(&EvalSet::load(&context.out.join(&report.pruned.eval))?),
        unpruned: report.unpruned,
        pruned: report.pruned,
    };
    let blob = &history.pruned.blob;
    for (from, to) in [(PRUNED_GRAPH, WEIGHTS), (blob.as_str(), blob.as_str())] {
        let target = folder.join(FOLDER).join(to);
        write_atomically(&target, &street::read(&context.out.join(from))?)?;
        written.push(target);
    }
    history.save(folder)?;
    written.push(folder.join(FOLDER).join(niwaki_pack::history::RECORD));
    Ok(written)
}

fn golden(eval: &EvalSet) -> Golden {
    let bytes = |data: &[i8]| data.iter().map(|x| *x as u8).collect::<Vec<u8>>();
    let hash = |data: &[i8]| hex(&Sha256::digest(bytes(data)));
    let first = (0..FIRST.min(eval.len())).map(|index| hex(&bytes(eval.sample(index).2))).collect();
    Golden { inputs_sha256: hash(&eval.inputs), outputs_sha256: hash(&eval.outputs), first }
}
