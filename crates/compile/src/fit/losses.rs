//! What it costs to let go, in one currency for channels, heads, branches and blocks: how far the network's outputs were
//! off when each was cut alone, by several amounts, and what reads it was fitted to the rest. In what order units of one
//! kind leave, and what lies between two measurements, their curvature says.

use super::shape::{Blocks, PARTS, rows, weights};
use crate::{
    CompileError,
    engine::{self, Bench, gates},
    stages::BATCH,
};
use niwaki_graph::Graph;
use niwaki_prune::{
    BlockShape, Decision, Evidence, Importance, Limits, Removal, Site, Sites, Structure, remove, sites, zeroed_params,
};
use niwaki_train::{GraphModule, Loss, Samples, predict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Samples that outputs are compared on, at most, and as many others that what is left is fitted on.
const COMPARED: usize = 256;
/// Parts of a group that are cut off, beside the most that may be.
const CUTS: [f64; 3] = [0.25, 0.5, 0.75];
/// Sixteenths of a layer's blocks that are left out.
const LEFT_OUT: [usize; 3] = [6, 10, 14];

/// What units cost that leave together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Curve {
    /// Curvature of the cheapest together: `sums[n]` is of n units.
    sums: Vec<f64>,
    /// So many units gone, and what that was measured to cost; ascending. Without any, curvature is all that is known.
    measured: Vec<(usize, f64)>,
}

impl Curve {
    fn new(units: &[f64]) -> Self {
        Self { sums: sums(units), measured: Vec::new() }
    }

    fn measure(&mut self, gone: usize, cost: f64) {
        let before = self.measured.last().copied().unwrap_or_default();
        if gone > before.0 {
            self.measured.push((gone, cost.max(before.1)));
        }
    }

    /// What the cheapest units cost together. Between measurements it grows as curvature does.
    fn at(&self, gone: usize) -> f64 {
        let sum = |count: usize| self.sums[count.min(self.sums.len() - 1)];
        let Some(last) = self.measured.last() else { return sum(gone) };
        let above = self.measured.iter().position(|(count, _)| *count >= gone);
        let (from, to) = match above {
            Some(0) => ((0, 0.0), self.measured[0]),
            Some(at) => (self.measured[at - 1], self.measured[at]),
            None => ((0, 0.0), *last),
        };
        let whole = sum(to.0) - sum(from.0);
        let part = match whole > 0.0 {
            true => (sum(gone) - sum(from.0)) / whole,
            false => (gone - from.0) as f64 / (to.0 - from.0).max(1) as f64,
        };
        from.1 + part * (to.1 - from.1)
    }
}

/// The units of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// What each costs alone: the order in which they leave.
    pub units: Vec<f64>,
    curve: Curve,
}

impl Group {
    fn new(units: Vec<f64>) -> Self {
        Self { curve: Curve::new(&units), units }
    }

    /// What the cheapest units cost together.
    pub fn lost(&self, count: usize) -> f64 {
        self.curve.at(count)
    }
}

/// A layer's blocks of 1x4.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Layer {
    columns: usize,
    ones: Vec<f64>,
    /// Of each shape, by [`index`].
    curves: [Curve; 3],
}

impl Layer {
    /// What it costs to leave out so many sixteenths in blocks of 2x4.
    fn measure(&mut self, sixteenths: usize, cost: f64) {
        let gone = |curve: &Curve| (curve.sums.len() - 1) * sixteenths / PARTS;
        let sum = |curve: &Curve| curve.sums[gone(curve)];
        let measured = sum(&self.curves[index(BlockShape::TwoByFour)]);
        for curve in &mut self.curves {
            let ratio = if measured > 0.0 { sum(curve) / measured } else { 1.0 };
            curve.measure(gone(curve), cost * ratio);
        }
    }
}

/// What everything that can leave costs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    /// Of a trained graph's channels and branches, measured. `masked` names weights whose zeros stay.
    pub fn of_channels(
        graph: &Graph,
        bench: &Bench<'_>,
        masked: &BTreeSet<String>,
        limits: Limits,
    ) -> Result<Self, CompileError> {
        let gauge = Gauge::new(graph, bench, masked)?;
        let mut losses = Self::default();
        let found = sites(graph, Structure::Channels)?;
        for (site, units) in found.sites.iter().zip(curvatures(graph, &found, bench)?) {
            let mut group = Group::new(units);
            for part in CUTS.into_iter().chain([1.0]) {
                let gone = site.units - limits.keep(site.units, site.units as f64 * (1.0 - part));
                if group.curve.measured.last().map_or(0, |(last, _)| *last) < gone {
                    let removal = removal(site, least(&group.units, gone));
                    group.curve.measure(gone, gauge.cost(Structure::Channels, removal)?);
                }
            }
            losses.groups.insert(site.name.clone(), group);
        }
        for site in sites(graph, Structure::Layers)?.sites {
            for (unit, name) in site.unit_names.iter().enumerate() {
                let cost = gauge.cost(Structure::Layers, removal(&site, vec![unit]))?;
                losses.branches.insert(name.clone(), cost);
            }
        }
        Ok(losses)
    }

    /// Of a trained graph's blocks, measured.
    pub fn of_blocks(graph: &Graph, bench: &Bench<'_>, masked: &BTreeSet<String>) -> Result<Self, CompileError> {
        let gauge = Gauge::new(graph, bench, masked)?;
        let mut losses = Self::curvature_of_blocks(graph, bench)?;
        // Of the shape in the middle: how far others are from it, curvature says well enough.
        let shape = BlockShape::TwoByFour;
        for site in sites(graph, Structure::Blocks(shape))?.sites {
            let Some(units) = losses.blocks_of(&site.name, shape).filter(|units| units.len() == site.units) else {
                continue;
            };
            let costs = LEFT_OUT.map(|sixteenths| {
                let gone = (site.units * sixteenths / PARTS).min(site.units - 1);
                gauge.cost(Structure::Blocks(shape), removal(&site, least(&units, gone)))
            });
            let layer = losses.layers.get_mut(&site.name).expect("it has blocks");
            for (sixteenths, cost) in LEFT_OUT.into_iter().zip(costs) {
                layer.measure(sixteenths, cost?);
            }
        }
        Ok(losses)
    }

    /// Of a graph's blocks, by curvature alone: which should leave, not what that costs.
    pub fn curvature_of_blocks(graph: &Graph, bench: &Bench<'_>) -> Result<Self, CompileError> {
        let found = sites(graph, Structure::Blocks(BlockShape::OneByFour))?;
        let units = curvatures(graph, &found, bench)?;
        let mut losses = Self::default();
        for (site, ones) in found.sites.iter().zip(units) {
            let Some(rows) = rows(graph, &site.name).filter(|rows| *rows > 0) else { continue };
            let columns = ones.len() / rows;
            let curves = [1, 2, 4].map(|height| Curve::new(&join(&ones, columns, height)));
            losses.weights.insert(site.name.clone(), weights(graph, &site.name));
            losses.layers.insert(site.name.clone(), Layer { columns, ones, curves });
        }
        Ok(losses)
    }

    /// The sums of the absolute weights of channels, as a part of their group's mean: what pruning by magnitude goes by.
    pub fn magnitudes(graph: &Graph) -> Result<Self, CompileError> {
        let found = sites(graph, Structure::Channels)?;
        let scores = Importance::L1.scores(graph, &found, Evidence::None, 0)?;
        let group = |(site, scores): (&Site, Vec<f32>)| {
            (site.name.clone(), Group::new(scores.into_iter().map(f64::from).collect()))
        };
        Ok(Self { groups: found.sites.iter().zip(scores.groups).map(group).collect(), ..Self::default() })
    }

    /// With another's blocks.
    pub fn with_blocks(self, blocks: Self) -> Self {
        Self { weights: blocks.weights, layers: blocks.layers, ..self }
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

    /// What the cheapest blocks of a layer cost together, of which channels left this part: as many more as if all of it
    /// had left as blocks.
    pub fn lost_blocks(&self, layer: &str, blocks: Blocks, part: f64) -> f64 {
        let Some(layer) = self.layers.get(layer) else { return 0.0 };
        let curve = &layer.curves[index(blocks.shape)];
        let gone = |left: f64| ((curve.sums.len() - 1) as f64 * (1.0 - left)) as usize;
        curve.at(gone(part * (PARTS - blocks.gone) as f64 / PARTS as f64)) - curve.at(gone(part))
    }
}

/// Cuts a network and says how far that moves its outputs.
struct Gauge<'a> {
    graph: &'a Graph,
    bench: &'a Bench<'a>,
    masked: &'a BTreeSet<String>,
    /// What is left is fitted on these.
    fitted: Samples,
    /// Outputs are compared on these.
    compared: Samples,
    /// The whole network's.
    outputs: Vec<f32>,
}

impl<'a> Gauge<'a> {
    fn new(graph: &'a Graph, bench: &'a Bench<'a>, masked: &'a BTreeSet<String>) -> Result<Self, CompileError> {
        let samples = bench.data.samples;
        // From everywhere: data sets are often in some order.
        let count = samples.len().min(2 * COMPARED);
        let every = |first: usize| -> Vec<usize> {
            (first..count).step_by(2).map(|sample| sample * samples.len() / count.max(1)).collect()
        };
        let (fitted, compared) = (samples.select(&every(0)), samples.select(&every(1)));
        let outputs = predict(&GraphModule::new(graph, bench.device)?, &compared, BATCH)?;
        Ok(Self { graph, bench, masked, fitted, compared, outputs })
    }

    /// Of one removal: after it, what reads it is fitted to what there was, as training would do first.
    fn cost(&self, structure: Structure, removal: Removal) -> Result<f64, CompileError> {
        let decision = Decision { groups: vec![removal] };
        let after = remove(self.graph, structure, &decision)?;
        let zeroed = zeroed_params(self.graph, structure, &decision)?;
        let masked = self.masked.union(&zeroed).cloned().collect();
        let (graphs, removed) = ((self.graph, &after), (structure, &decision));
        // Without a branch everything behind it sees something else.
        let after = match structure {
            Structure::Layers => engine::reconstruct(graphs, removed, &masked, &self.fitted, self.bench.device),
            _ => engine::reconstruct_near(graphs, removed, &masked, &self.fitted, self.bench.device),
        }?;
        let outputs = predict(&GraphModule::new(&after, self.bench.device)?, &self.compared, BATCH)?;
        Ok(match self.bench.task.loss {
            Loss::CrossEntropy => divergence(&self.outputs, &outputs, self.compared.len()),
            Loss::MeanSquared => mean_squared(&self.outputs, &outputs),
        })
    }
}

/// Kullback-Leibler divergence of the second logits' probabilities from the first's, mean over rows.
fn divergence(p: &[f32], q: &[f32], rows: usize) -> f64 {
    let width = (p.len() / rows.max(1)).max(1);
    let logarithms = |row: &[f32]| -> Vec<f64> {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = row.iter().map(|x| f64::from(x - most));
        let sum = shifted.clone().map(f64::exp).sum::<f64>().ln();
        shifted.map(|x| x - sum).collect()
    };
    let of_rows = p.chunks_exact(width).zip(q.chunks_exact(width)).map(|(p, q)| {
        let pairs = logarithms(p).into_iter().zip(logarithms(q));
        pairs.map(|(p, q)| p.exp() * (p - q)).sum::<f64>()
    });
    of_rows.sum::<f64>() / rows.max(1) as f64
}

fn mean_squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len().max(1) as f64
}

fn removal(site: &Site, remove: Vec<usize>) -> Removal {
    Removal { group: site.name.clone(), units: site.units, remove }
}

/// The `count` units with the least score, ascending by index; of equal ones the later.
pub(super) fn least(scores: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
    order.truncate(count);
    order.sort_unstable();
    order
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
    let mut rest = engine::curvatures(graph, &gates(found), &bench.labelled()?, bench)?.into_iter();
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

    #[test]
    fn between_measurements_curvature_says_how_steeply() {
        let mut curve = Curve::new(&[0.0, 1.0, 3.0, 6.0, 10.0]);
        curve.measure(3, 8.0);
        curve.measure(4, 5.0);
        let all: Vec<f64> = (0..=5).map(|gone| curve.at(gone)).collect();
        // What is worth nothing costs nothing; more is never cheaper; behind the last it goes on as it began.
        assert_eq!(all, [0.0, 0.0, 2.0, 8.0, 8.0, 16.0]);
    }

    #[test]
    fn the_same_outputs_do_not_diverge() {
        let p = [0.0, 1.0, 5.0, 5.0];
        assert_eq!(divergence(&p, &p, 2), 0.0);
        // Logits are the same up to a constant for each row.
        assert!(divergence(&p, &[7.0, 8.0, 3.0, 3.0], 2).abs() < 1e-9);
        let wanted = 0.5 * (0.5f64.ln() - 0.25f64.ln()) + 0.5 * (0.5f64.ln() - 0.75f64.ln());
        assert!((divergence(&[0.0, 0.0], &[0.0, 3f32.ln()], 1) - wanted).abs() < 1e-6);
    }
}
