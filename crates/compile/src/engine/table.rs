//! Quality against work, for several importances, structures and shares of the multiply-accumulates left.
//!
//! What is asked for is a tree: a network with half of its work left is pruned further to one with a quarter. So each
//! importance has one path, from the whole network down, with a stop wherever a row wants one; each stop goes on from the
//! one before, and is trained on for `[fine-tune]`'s epochs. Further structures branch off where the first one's part is
//! done.

use super::{
    bench::Bench,
    resume::{Keep, adopt},
    run::{Pruned, prune},
    stage::{Amount, Stage},
};
use crate::{
    CompileError, DataSet, Quantise,
    stages::{float_quality, quantise_and_pack},
};
use niwaki_graph::Graph;
use niwaki_pack::artefact::{Quality, write_atomically};
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
    /// Passes over the training samples since the whole network.
    pub epochs: usize,
    /// Quality in float, on the test samples.
    pub float: f64,
    /// Quality in int8, on the test samples, on the host's runtime.
    pub int8: f64,
    /// The same on each of [`DataSet::more`].
    pub more: Vec<Quality>,
    /// How long it took, beside what it shares with the cells before it.
    pub seconds: f64,
}

/// What a cell is reached by: structures, and the share that is left after each.
type Route = Vec<(Structure, f64)>;

/// Stops whose shares are in a smaller ratio than this count as one.
const NEAR: f64 = 1.2;

/// Measures every row at every share, with the template's other settings, and tells `done` of every cell.
///
/// Cells that the file holds already, for the same key, are not computed again, nor are stops on the way that an
/// interrupted run had finished.
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
    for (row, wanted) in order(rows, shares) {
        if let Some(cell) = cells.iter().find(|cell| cell.row == *row && cell.wanted == wanted) {
            done(cell);
            continue;
        }
        let start = Instant::now();
        let route = route(rows, shares, row, wanted);
        let pruned = walk(unpruned, row.importance, &route, template, bench, keep)?;
        let epochs = route.len() * (bench.fine_tune.epochs + (template.step_count() - 1) * template.step_epochs);
        let graph = match recipe.epochs {
            0 => pruned.graph,
            _ => super::train_quantised(&pruned.graph, &pruned.masked, data, recipe, bench)?.graph,
        };
        let (metric, device) = (bench.task.metric, bench.device);
        let int8 = quantise_and_pack("table", &graph, data, metric, recipe, [0; 32], device)?;
        let more = data.more.iter().zip(&int8.more).map(|((name, samples), int8)| {
            let float = float_quality(&graph, metric, samples, device)?;
            Ok(Quality { name: name.clone(), samples: samples.len(), float, int8: *int8 })
        });
        let more = more.collect::<Result<_, CompileError>>()?;
        let cell = Cell {
            key: keep.key.into(),
            row: row.clone(),
            wanted,
            left: live_macs(&graph) as f64 / whole,
            epochs: epochs + recipe.epochs,
            float: float_quality(&graph, metric, &data.test, device)?,
            int8: int8.int8_quality,
            more,
            seconds: start.elapsed().as_secs_f64(),
        };
        done(&cell);
        cells.push(cell);
        write(&file, &cells)?;
    }
    Ok(cells)
}

/// Every cell; those of one importance one after the other, by falling share.
fn order<'r>(rows: &'r [Row], shares: &[f64]) -> Vec<(&'r Row, f64)> {
    let mut importances: Vec<Importance> = Vec::new();
    for row in rows {
        if !importances.contains(&row.importance) {
            importances.push(row.importance);
        }
    }
    let mut shares = shares.to_vec();
    shares.sort_by(|a, b| b.total_cmp(a));
    let mut cells = Vec::new();
    for importance in importances {
        let rows = || rows.iter().filter(|row| row.importance == importance);
        cells.extend(shares.iter().flat_map(|share| rows().map(move |row| (row, *share))));
    }
    cells
}

/// The share that is left after the structure at a place, of the whole.
fn part(row: &Row, place: usize, wanted: f64) -> f64 {
    // The last one's is what was asked for, not what rounding makes of it.
    let last = place + 1 == row.structures.len();
    if last { wanted } else { wanted.powf((place + 1) as f64 / row.structures.len() as f64) }
}

/// The share that is left where a cell's first structure is done: its part of the work, or what a row of that structure
/// alone stops at close by, which is then shared.
fn first_stop(siblings: &[&Row], shares: &[f64], row: &Row, wanted: f64) -> f64 {
    let own = part(row, 0, wanted);
    if row.structures.len() == 1 || !siblings.iter().any(|row| row.structures.len() == 1) {
        return own;
    }
    let distance = |stop: f64| (stop / own).ln().abs();
    let near = shares.iter().copied().filter(|stop| *stop > wanted && distance(*stop) < NEAR.ln());
    near.min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap_or(own)
}

/// The way to a cell: every stop of the first structure that any row of the same importance makes on the way, then the
/// other structures.
fn route(rows: &[Row], shares: &[f64], row: &Row, wanted: f64) -> Route {
    let Some(first) = row.structures.first() else {
        return Vec::new();
    };
    let siblings = rows.iter().filter(|other| other.importance == row.importance);
    let siblings: Vec<&Row> = siblings.filter(|other| other.structures.first() == Some(first)).collect();
    let stop = |row: &Row, share: f64| first_stop(&siblings, shares, row, share);
    let end = stop(row, wanted);
    let mut stops: Vec<f64> =
        siblings.iter().flat_map(|other| shares.iter().map(|share| stop(other, *share))).collect();
    stops.retain(|stop| *stop > end);
    stops.push(end);
    stops.sort_by(|a, b| b.total_cmp(a));
    stops.dedup();
    let path = stops.into_iter().map(|stop| (*first, stop));
    let rest = row.structures.iter().enumerate().skip(1);
    path.chain(rest.map(|(place, structure)| (*structure, part(row, place, wanted)))).collect()
}

/// Prunes along a route, each stop from the one before; stops that are kept are not made again.
fn walk(
    unpruned: &Graph,
    importance: Importance,
    route: &Route,
    template: &Stage,
    bench: &mut Bench<'_>,
    keep: Keep<'_>,
) -> Result<Pruned, CompileError> {
    let stage = |(structure, left): &(Structure, f64)| Stage {
        structure: *structure,
        importance,
        amount: Amount::MacsLeft(*left),
        ..template.clone()
    };
    let stages: Vec<Stage> = route.iter().map(stage).collect();
    let key = format!("{} {importance}", keep.key);
    let folders: Vec<_> =
        (1..=route.len()).map(|count| keep.folder.join("table").join(name(importance, &route[..count]))).collect();
    let mut found = None;
    for count in 1..=stages.len() {
        let here = Keep { folder: &folders[count - 1], key: &key };
        if count > 1 {
            adopt(Keep { folder: &folders[count - 2], key: &key }, here)?;
        }
        found = Some(prune(unpruned, &stages[..count], bench, Some(here))?);
    }
    Ok(found.expect("a row has a structure"))
}

/// A stop's name, which is also its folder's: `taylor-channels-75-50`, `taylor-channels-71-2x4-50`.
fn name(importance: Importance, route: &[(Structure, f64)]) -> String {
    let mut name = importance.to_string();
    let mut last = None;
    for (structure, left) in route {
        if last != Some(structure) {
            name += &format!("-{}", structure.to_string().replace(':', "of"));
        }
        last = Some(structure);
        name += &format!("-{:.0}", 100.0 * left);
    }
    name
}

fn write(file: &Path, cells: &[Cell]) -> Result<(), CompileError> {
    let json = serde_json::to_vec_pretty(cells).expect("cells have string keys only");
    Ok(write_atomically(file, &json)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(structures: &[&str]) -> Row {
        let structures = structures.iter().map(|name| name.parse().expect("a structure")).collect();
        Row { importance: Importance::L1, structures }
    }

    #[test]
    fn cells_share_their_way() {
        let rows = [row(&["channels"]), row(&["channels", "2x4"])];
        let shares = [0.25, 0.75, 0.5];
        let routes: Vec<String> = order(&rows, &shares)
            .into_iter()
            .map(|(row, share)| name(Importance::L1, &route(&rows, &shares, row, share)))
            .collect();
        assert_eq!(
            routes,
            [
                "l1-channels-87-75",
                "l1-channels-87-2x4-75",
                "l1-channels-87-75-50",
                "l1-channels-87-75-2x4-50",
                "l1-channels-87-75-50-25",
                "l1-channels-87-75-50-2x4-25"
            ]
        );
    }
}
