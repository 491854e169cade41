//! Finished steps in files, so that an interruption costs one step at most.

use super::run::{Pruned, Step};
use crate::CompileError;
use niwaki_graph::Graph;
use niwaki_pack::artefact::write_atomically;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Where finished steps are kept, and what they belong to.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// A folder of their own.
    pub folder: &'a Path,
    /// Steps of another key are not gone on from: it stands for the network, the stages and the data.
    pub key: &'a str,
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

const PROGRESS: &str = "steps.json";

pub(super) fn save(keep: Keep<'_>, state: &Pruned, full: &BTreeMap<String, usize>) -> Result<(), CompileError> {
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
pub(super) fn resume(keep: Keep<'_>) -> Option<(Pruned, BTreeMap<String, usize>)> {
    let bytes = std::fs::read(keep.folder.join(PROGRESS)).ok()?;
    let saved = serde_json::from_slice::<Saved>(&bytes).ok().filter(|saved| saved.key == keep.key)?;
    let graph = Graph::load(&keep.folder.join(&saved.graph)).ok()?;
    let resumed = saved.steps.len();
    let state = Pruned { graph, masked: saved.masked, steps: saved.steps, stopped: saved.stopped, resumed };
    Some((state, saved.full))
}
