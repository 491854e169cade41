//! Points: finished networks with a name, each in a folder of its own that every command takes as `MODEL@POINT`.

use super::{
    budget::{Taken, Unit},
    node::{Fit, Node},
};
use crate::{
    model::POINTS,
    trial::Trial,
    variant::{self, Which},
    workplace::Workplace,
};
use anyhow::{Context, ensure};
use niwaki_pack::artefact::{Report, write_atomically};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// File name of a [`Point`].
const POINT: &str = "point.json";

/// A finished network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Its name: `deploy MODEL@NAME`.
    pub(crate) name: String,
    /// The search that it belongs to: points of one sweep have one key.
    pub(crate) key: String,
    pub(crate) board: String,
    pub(crate) unit: Unit,
    /// What it was to take.
    pub(crate) wanted: Option<u64>,
    pub(crate) taken: Taken,
    /// The model's metric: in float, and in int8 as the board computed it on all test samples.
    pub(crate) float: f64,
    pub(crate) quality: f64,
    pub(crate) parameters: u64,
    pub(crate) node: Node,
}

impl Fit<'_> {
    /// Gives a node a name, and runs all of the model's test samples on the board with it.
    pub(crate) fn finish(&self, node: &Node, name: &str, key: &str, wanted: Option<u64>) -> anyhow::Result<Point> {
        let work = self.trial.work;
        let model = format!("{}@{name}", self.model.name);
        let folder = work.results(&model);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let start = work.results(&self.model.name).join("fit/start");
        let unpruned = &self.start.unpruned;
        for (from, files) in [(start, unpruned), (self.folder(&node.id), &node.variant)] {
            for file in [&files.blob, &files.eval] {
                let (from, to) = (from.join(file), folder.join(file));
                write_atomically(&to, &fs::read(&from).with_context(|| from.display().to_string())?)?;
            }
        }
        let report = Report {
            model: model.clone(),
            recipe_hash: self.start.recipe_hash.clone(),
            metric: self.start.metric.clone(),
            unpruned: unpruned.clone(),
            pruned: node.variant.clone(),
        };
        report.save(&folder)?;
        let trial = Trial { work, board: self.trial.board, samples: None, log: None, fault: None };
        let (blob, firmware) = trial.build(&report, Which::Pruned)?;
        let set = variant::eval_set(work, &report, Which::Pruned, &blob)?;
        let ran = trial.measure(&blob, &firmware, &set)?.judged(&report.metric, Some(&node.variant));
        ensure!(
            ran.differing.is_empty(),
            "host and {} differ on {} samples of {model}; `cargo xtask diff {model}` names the layer",
            self.trial.board.full_name(),
            ran.differing.len()
        );
        let point = Point {
            name: name.into(),
            key: key.into(),
            board: self.trial.board.full_name(),
            unit: self.unit,
            wanted,
            taken: node.measured.taken.context("a finished network was measured")?,
            float: node.variant.float_quality,
            quality: ran.quality.unwrap_or(node.variant.int8_quality),
            parameters: node.variant.parameters as u64,
            node: node.clone(),
        };
        write_atomically(&folder.join(POINT), &serde_json::to_vec_pretty(&point)?)?;
        Ok(point)
    }
}

/// The finished points of a model, by name.
pub(crate) fn all(work: &Workplace, model: &str) -> Vec<Point> {
    inside(&work.results(model).join(POINTS))
}

fn inside(folder: &Path) -> Vec<Point> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let read = |entry: fs::DirEntry| serde_json::from_slice(&fs::read(entry.path().join(POINT)).ok()?).ok();
    let mut points: Vec<Point> = entries.filter_map(read).collect();
    points.sort_by(|a, b| a.name.cmp(&b.name));
    points
}

/// Takes the points of another machine's results about the same model; gives how many.
pub(crate) fn merge(work: &Workplace, model: &str, folder: &Path, key: &str) -> anyhow::Result<usize> {
    let from = folder.join(POINTS);
    ensure!(from.is_dir(), "{} has no points: give another machine's target/niwaki/{model}", folder.display());
    let mut taken = 0;
    for point in inside(&from).iter().filter(|point| point.key == key) {
        let to = work.results(&format!("{model}@{}", point.name));
        let files = fs::read_dir(from.join(&point.name)).with_context(|| from.display().to_string())?;
        let mut files: Vec<_> = files.filter_map(Result::ok).filter(|file| file.path().is_file()).collect();
        // What says that a point is finished goes last.
        files.sort_by_key(|file| file.file_name() == POINT);
        for file in files {
            write_atomically(&to.join(file.file_name()), &fs::read(file.path())?)?;
        }
        taken += 1;
    }
    Ok(taken)
}
