//! What the commands left of a model, gathered for the page.

use crate::{bench::rig::Rig, benched::Bench, board, model::Model, report::Deployment, workplace::Workplace};
use anyhow::Context;
use niwaki_pack::artefact::{Quality, REPORT, Report, Variant};
use serde::{Deserialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// In the folder of a model that keeps its pruned network.
const RECORD: &str = "pruned/record.json";

/// What `prune --table` computes; a model may keep it in its folder `records/`.
const TABLE: &str = "table.json";

/// A model, and everything that is known of it.
pub(crate) struct Results {
    pub(crate) name: String,
    /// How the user names it in commands.
    pub(crate) argument: String,
    /// What the host measured; absent where nothing was packed and no pruned network is stored.
    pub(crate) report: Option<From<Report>>,
    /// The command that leaves the file that `report` is from.
    pub(crate) made_by: String,
    /// How the pruned network in the model's folder came about.
    pub(crate) record: Option<From<Record>>,
    /// In the order of names.
    pub(crate) boards: Vec<OnBoard>,
    /// Quality against work, where it was computed.
    pub(crate) table: Option<From<Vec<Cell>>>,
    /// Training records that lie in the model's folder.
    pub(crate) records: Vec<String>,
}

/// A model on a board.
pub(crate) struct OnBoard {
    pub(crate) board: String,
    pub(crate) bench: Option<From<Bench>>,
    pub(crate) deployment: Option<From<Deployment>>,
    /// What is there, but of other networks than those that are packed now.
    pub(crate) stale: Vec<String>,
}

/// Something, and the file that it was read from.
pub(crate) struct From<T> {
    pub(crate) value: T,
    /// Relative to the repository.
    pub(crate) file: String,
}

/// What a model keeps beside its stored pruned network, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    model: String,
    pub(crate) command: String,
    pub(crate) seed: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) seconds: f64,
    metric: String,
    unpruned: Variant,
    pruned: Variant,
    live_macs: [u64; 2],
}

/// A step of pruning, and the training that followed.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) live_macs: u64,
    /// Loss and accuracy of each epoch.
    pub(crate) curve: Vec<(f64, f64)>,
}

/// A cell of the table that `prune --table` computes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Cell {
    pub(crate) row: Row,
    pub(crate) wanted: f64,
    pub(crate) left: f64,
    pub(crate) float: f64,
    pub(crate) int8: f64,
    /// The same of further test samples.
    pub(crate) more: Vec<Quality>,
}

/// What a cell belongs to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Row {
    importance: serde_json::Value,
    structures: Vec<serde_json::Value>,
}

impl Record {
    /// Multiply-accumulates by weights that are not zero, before and after, if this is the record of these networks.
    pub(crate) fn live_macs(&self, report: &Report) -> Option<[u64; 2]> {
        (self.pruned == report.pruned).then_some(self.live_macs)
    }

    /// As if it had just been packed; the hash of what it was made of is another.
    fn report(&self) -> Report {
        Report {
            model: self.model.clone(),
            recipe_hash: String::new(),
            metric: self.metric.clone(),
            unpruned: self.unpruned.clone(),
            pruned: self.pruned.clone(),
        }
    }
}

impl Row {
    /// `l1, channels + blocks`.
    pub(crate) fn name(&self) -> String {
        let text = |value: &serde_json::Value| {
            value.as_str().map_or_else(|| value.to_string().replace(['{', '}', '"'], ""), String::from)
        };
        format!("{}, {}", text(&self.importance), self.structures.iter().map(text).collect::<Vec<_>>().join(" + "))
    }
}

/// Reads what there is. A file that is there and cannot be read is an error.
pub(crate) fn collect(work: &Workplace, argument: &str) -> anyhow::Result<Results> {
    let model = Model::find(work, argument)?;
    let folder = model.results(work);
    let record: Option<From<Record>> = read(work, &model.folder.join(RECORD))?;
    let packed: Option<From<Report>> = read(work, &folder.join(REPORT))?;
    let made_by = match (&packed, &record) {
        (None, Some(record)) => record.value.command.clone(),
        _ => format!("cargo xtask pack {argument}"),
    };
    let report =
        packed.or(record.as_ref().map(|record| From { value: record.value.report(), file: record.file.clone() }));
    let mut boards = Vec::new();
    for path in folders(&folder) {
        let board = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut on = OnBoard {
            board,
            bench: read(work, &path.join(crate::benched::FILE))?,
            deployment: read(work, &path.join(REPORT))?,
            stale: Vec::new(),
        };
        on.forget_others(report.as_ref().map(|report| report.value.recipe_hash.as_str()));
        boards.push(on);
    }
    boards.retain(|on| on.bench.is_some() || on.deployment.is_some() || !on.stale.is_empty());
    let table = match read(work, &folder.join(TABLE))? {
        None => read(work, &model.folder.join("records").join(TABLE))?,
        computed => computed,
    };
    let records = records(work, &model.folder);
    Ok(Results { name: model.name, argument: argument.into(), report, made_by, record, boards, table, records })
}

impl OnBoard {
    /// Leaves out what belongs to networks that were packed before.
    fn forget_others(&mut self, hash: Option<&str>) {
        let Some(hash) = hash else { return };
        if let Some(old) = self.bench.take_if(|bench| bench.value.recipe_hash != hash) {
            self.stale.push(old.file);
        }
        if let Some(old) = self.deployment.take_if(|deployment| deployment.value.recipe_hash != hash) {
            self.stale.push(old.file);
        }
    }
}

/// Boards in the repository that count instructions and that a model was not benched on.
pub(crate) fn unbenched(work: &Workplace, results: &Results) -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    for name in board::all(work) {
        let board = board::Board::find(work, &name)?;
        let benched = results.boards.iter().any(|on| on.board == name && on.bench.is_some());
        let counts = !board.is_process() || Rig::without_system(&board).is_some();
        if board.emulated() && counts && !benched {
            missing.push(name);
        }
    }
    Ok(missing)
}

fn read<T: DeserializeOwned>(work: &Workplace, path: &Path) -> anyhow::Result<Option<From<T>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let file = shown(work, path);
    let bytes = std::fs::read(path).with_context(|| file.clone())?;
    let old = || format!("{file}: it was written by another version; remove it, or write it anew");
    let value = serde_json::from_slice(&bytes).with_context(old)?;
    Ok(Some(From { value, file }))
}

/// The page may be read anywhere: no paths of this computer beyond the repository.
fn shown(work: &Workplace, path: &Path) -> String {
    path.strip_prefix(&work.root).unwrap_or(path).display().to_string()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// JSON files in the model's folder.
fn records(work: &Workplace, folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
    let paths = paths.filter(|path| !path.ends_with(niwaki_pack::golden::FILE));
    let mut records: Vec<String> = paths.map(|path| shown(work, &path)).collect();
    records.sort();
    records
}
