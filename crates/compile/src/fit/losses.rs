//! What it costs to let go: the expected rise of the loss for channels, heads, branches and blocks, in one currency.

use super::shape::{Blocks, PARTS, rows, weights};
use crate::{
    CompileError,
    engine::{Bench, gates},
};
use niwaki_graph::Graph;
use niwaki_prune::{BlockShape, Sites, Structure, sites};
use niwaki_train::gate_curvatures;
use std::collections::BTreeMap;

/// Samples that gradients are taken of, at most.
const SAMPLES: usize = 1024;
/// Samples per batch of these: few, so that what differs between samples does not cancel out.
const BATCH: usize = 8;

/// The units of a group.
#[derive(Clone, Debug)]
pub struct Group {
    /// What each costs.
    pub units: Vec<f64>,
    /// What the cheapest cost together: `sums[n]` is for n units.
    sums: Vec<f64>,
}

impl Group {
    fn new(units: Vec<f64>) -> Self {
        let sums = sums(&units);
        Self { units, sums }
    }

    /// What the cheapest units cost together.
    pub fn lost(&self, count: usize) -> f64 {
        self.sums[count.min(self.units.len())]
    }
}

/// A layer's blocks of 1x4.
#[derive(Clone, Debug)]
struct Layer {
    columns: usize,
    ones: Vec<f64>,
    /// For each shape, by [`index`], what the cheapest cost together.
    sums: [Vec<f64>; 3],
}

/// What everything that can leave costs.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// By coupled group.
    pub groups: BTreeMap<String, Group>,
    /// By residual branch.
    pub branches: BTreeMap<String, f64>,
    /// Weights of each layer that has blocks.
    pub weights: BTreeMap<String, usize>,
    layers: BTreeMap<String, Layer>,
}

impl Losses {
    /// Of a trained graph.
    pub fn of(graph: &Graph, bench: &Bench<'_>) -> Result<Self, CompileError> {
        let mut losses = Self::of_blocks(graph, bench)?;
        let found = sites(graph, Structure::Channels)?;
        let units = curvatures(graph, &found, bench)?;
        losses.groups =
            found.sites.iter().zip(units).map(|(site, units)| (site.name.clone(), Group::new(units))).collect();
        let found = sites(graph, Structure::Layers)?;
        let units = curvatures(graph, &found, bench)?;
        let names = found.sites.iter().flat_map(|site| site.unit_names.iter().cloned());
        losses.branches = names.zip(units.into_iter().flatten()).collect();
        Ok(losses)
    }

    /// Of its blocks alone.
    pub fn of_blocks(graph: &Graph, bench: &Bench<'_>) -> Result<Self, CompileError> {
        let found = sites(graph, Structure::Blocks(BlockShape::OneByFour))?;
        let units = curvatures(graph, &found, bench)?;
        let mut losses = Self::default();
        for (site, ones) in found.sites.iter().zip(units) {
            let Some(rows) = rows(graph, &site.name).filter(|rows| *rows > 0) else { continue };
            let columns = ones.len() / rows;
            let joined = [1, 2, 4].map(|height| sums(&join(&ones, columns, height)));
            losses.weights.insert(site.name.clone(), weights(graph, &site.name));
            losses.layers.insert(site.name.clone(), Layer { columns, ones, sums: joined });
        }
        Ok(losses)
    }

    /// The layers that have blocks.
    pub fn blocked_layers(&self) -> impl Iterator<Item = &String> {
        self.layers.keys()
    }

    /// What each block of a layer costs.
    pub fn blocks_of(&self, layer: &str, shape: BlockShape) -> Option<Vec<f64>> {
        let layer = self.layers.get(layer)?;
        Some(join(&layer.ones, layer.columns, shape.rows()))
    }

    /// What the cheapest blocks of a layer cost together.
    pub fn lost_blocks(&self, layer: &str, blocks: Blocks) -> f64 {
        let Some(layer) = self.layers.get(layer) else { return 0.0 };
        let sums = &layer.sums[index(blocks.shape)];
        let units = sums.len() - 1;
        sums[(units * blocks.gone / PARTS).min(units)]
    }
}

fn index(shape: BlockShape) -> usize {
    match shape {
        BlockShape::OneByFour => 0,
        BlockShape::TwoByFour => 1,
        BlockShape::FourByFour => 2,
    }
}

/// Blocks of more rows cost what their rows do.
fn join(ones: &[f64], columns: usize, height: usize) -> Vec<f64> {
    let groups = ones.chunks(columns.max(1) * height);
    groups.flat_map(|rows| (0..columns).map(|at| rows.iter().skip(at).step_by(columns.max(1)).sum())).collect()
}

/// Sums of the cheapest, none first.
fn sums(units: &[f64]) -> Vec<f64> {
    let mut sorted = units.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut sum = 0.0;
    let rest = sorted.into_iter().map(|unit| {
        sum += unit;
        sum
    });
    [0.0].into_iter().chain(rest).collect()
}

fn curvatures(graph: &Graph, found: &Sites, bench: &Bench<'_>) -> Result<Vec<Vec<f64>>, CompileError> {
    if found.sites.is_empty() {
        return Ok(Vec::new());
    }
    let samples = bench.labelled()?;
    let some = samples.slice(0..SAMPLES.min(samples.len()));
    let all = gate_curvatures(graph, &gates(found), &some, bench.task.loss, BATCH, bench.device)?;
    let mut rest = all.into_iter().map(f64::from);
    Ok(found.sites.iter().map(|site| rest.by_ref().take(site.units).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taller_blocks_cost_what_their_rows_do() {
        let ones = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(join(&ones, 2, 1), ones);
        assert_eq!(join(&ones, 2, 2), [4.0, 6.0, 5.0, 6.0], "the last row is alone");
        assert_eq!(join(&ones, 2, 4), [9.0, 12.0]);
    }

    #[test]
    fn the_cheapest_leave_first() {
        let group = Group::new(vec![3.0, 1.0, 2.0]);
        assert_eq!((0..4).map(|count| group.lost(count)).collect::<Vec<_>>(), [0.0, 1.0, 3.0, 6.0]);
    }
}
