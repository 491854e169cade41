//! Quality against work: one pruning per importance, structure and share of the multiply-accumulates left.

use super::{
    run::{Bench, Keep, prune},
    stage::{Amount, Stage},
};
use crate::{
    CompileError, DataSet, Quantise,
    stages::{float_quality, quantise_and_pack},
};
use niwaki_graph::Graph;
use niwaki_pack::artefact::write_atomically;
use niwaki_prune::{Importance, Structure, live_macs};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Instant};

/// One line of experiments: an importance, and structures one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which units matter.
    pub importance: Importance,
    /// What leaves. Each takes an equal part, by ratio, of the work that has to go: halves of the logarithm for two.
    pub structures: Vec<Structure>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// What it belongs to: the network, the data, the settings.
    pub key: String,
    /// The row.
    pub row: Row,
    /// Share of the multiply-accumulates that was to be left.
    pub wanted: f64,
    /// Share that is left, by weights that are not zero.
    pub left: f64,
    /// Quality in float, on the test samples.
    pub float: f64,
    /// Quality in int8, on the test samples, on the host's runtime.
    pub int8: f64,
    /// How long it took.
    pub seconds: f64,
}

/// Prunes once per row and share, with the template's other settings, and tells `done` of every cell. Cells that the file
/// holds already, for the same key, are not computed again; a cell that was interrupted goes on after its last step.
pub fn table(
    unpruned: &Graph,
    (rows, shares): (&[Row], &[f64]),
    template: &Stage,
    (data, recipe): (&DataSet, &Quantise),
    bench: &mut Bench<'_>,
    keep: Keep<'_>,
    done: &mut dyn FnMut(&Cell),
) -> Result<Vec<Cell>, CompileError> {
    let file = keep.folder.join("table.json");
    let stored = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Vec<Cell>>(&bytes).ok());
    let mut cells: Vec<Cell> = stored.unwrap_or_default().into_iter().filter(|cell| cell.key == keep.key).collect();
    let whole = live_macs(unpruned) as f64;
    for row in rows {
        for wanted in shares {
            let known = cells.iter().find(|cell| cell.row == *row && cell.wanted == *wanted);
            if let Some(cell) = known {
                done(cell);
                continue;
            }
            let start = Instant::now();
            let count = row.structures.len() as f64;
            let stage = |(index, structure): (usize, &Structure)| Stage {
                structure: *structure,
                importance: row.importance,
                amount: Amount::MacsLeft(wanted.powf((index + 1) as f64 / count)),
                ..template.clone()
            };
            let stages: Vec<Stage> = row.structures.iter().enumerate().map(stage).collect();
            let folder = keep.folder.join("table");
            let key = format!("{} {row:?} {wanted}", keep.key);
            let pruned = prune(unpruned, &stages, bench, Some(Keep { folder: &folder, key: &key }))?;
            let graph = match recipe.epochs {
                0 => pruned.graph,
                _ => super::train_quantised(&pruned.graph, &pruned.masked, data, recipe, bench)?,
            };
            let metric = bench.task.metric;
            let int8 = quantise_and_pack("table", &graph, data, metric, recipe, [0; 32], bench.device)?;
            let cell = Cell {
                key: keep.key.into(),
                row: row.clone(),
                wanted: *wanted,
                left: live_macs(&graph) as f64 / whole,
                float: float_quality(&graph, metric, &data.test, bench.device)?,
                int8: int8.int8_quality,
                seconds: start.elapsed().as_secs_f64(),
            };
            done(&cell);
            cells.push(cell);
            write(&file, &cells)?;
        }
    }
    Ok(cells)
}

fn write(file: &Path, cells: &[Cell]) -> Result<(), CompileError> {
    let json = serde_json::to_vec_pretty(cells).expect("cells have string keys only");
    Ok(write_atomically(file, &json)?)
}
