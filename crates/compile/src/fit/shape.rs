//! What is left of a network: the width of every group, the branches that are gone, the blocks of every layer.

use super::losses::{Losses, least};
use crate::CompileError;
use niwaki_graph::{Graph, Op};
use niwaki_prune::{BlockShape, Decision, Evidence, Importance, Removal, Structure, remove, sites, zeroed_params};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Parts that a layer's blocks are counted in.
pub const PARTS: usize = 16;

/// Blocks that leave a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// Of this shape.
    pub shape: BlockShape,
    /// So many sixteenths of them.
    pub gone: usize,
}

/// What is left of a graph. What is not named is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Units that each group keeps.
    pub keep: BTreeMap<String, usize>,
    /// Residual branches that are gone.
    pub dropped: BTreeSet<String>,
    /// Blocks that leave, by layer.
    pub blocks: BTreeMap<String, Blocks>,
}

/// A graph after a cut, and the weights whose zeros have to stay.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Smaller, not trained.
    pub graph: Graph,
    /// Names of the weights with left out blocks.
    pub masked: BTreeSet<String>,
}

/// Improves what a removal left: the network before, the one after, and what was removed.
pub(super) type Mend<'a> = dyn FnMut(&Graph, Graph, Structure, &Decision) -> Result<Graph, CompileError> + 'a;

impl Shape {
    /// The graph with this shape, without leaving out blocks. In every group the units with the least loss leave.
    pub fn shrunk(&self, graph: &Graph, losses: &Losses) -> Result<Graph, CompileError> {
        self.shrunk_with(graph, losses, &mut |_, after, _, _| Ok(after))
    }

    /// Like [`Shape::shrunk`]; what is left after each removal, of which `mend` also gets the network before, passes
    /// through it.
    pub(super) fn shrunk_with(
        &self,
        graph: &Graph,
        losses: &Losses,
        mend: &mut Mend<'_>,
    ) -> Result<Graph, CompileError> {
        let mut smaller = graph.clone();
        let mut without = |smaller: &mut Graph, structure, decision: Decision| {
            let after = remove(smaller, structure, &decision)?;
            *smaller = mend(smaller, after, structure, &decision)?;
            Ok::<_, CompileError>(())
        };
        if !self.keep.is_empty() {
            let removal = |(name, keep): (&String, &usize)| {
                let units = losses.groups.get(name).map_or(&[][..], |group| &group.units);
                Removal { group: name.clone(), units: units.len(), remove: least(units, units.len() - keep) }
            };
            let decision = Decision { groups: self.keep.iter().map(removal).collect() };
            without(&mut smaller, Structure::Channels, decision)?;
        }
        if !self.dropped.is_empty() {
            let found = sites(&smaller, Structure::Layers)?;
            let groups = found.sites.iter().map(|site| Removal {
                group: site.name.clone(),
                units: site.units,
                remove: (0..site.units).filter(|unit| self.dropped.contains(&site.unit_names[*unit])).collect(),
            });
            without(&mut smaller, Structure::Layers, Decision { groups: groups.collect() })?;
        }
        Ok(smaller)
    }

    /// Leaves out blocks of a graph that is shrunk already: those with the least loss by `known`, where that has the
    /// layer in this size, else those with the least sum of squares.
    pub fn blocked(&self, graph: Graph, known: &Losses) -> Result<Cut, CompileError> {
        let (mut graph, mut masked) = (graph, BTreeSet::new());
        for shape in [BlockShape::OneByFour, BlockShape::TwoByFour, BlockShape::FourByFour] {
            let wanted = |name: &String| self.blocks.get(name).filter(|blocks| blocks.shape == shape);
            if !self.blocks.values().any(|blocks| blocks.shape == shape) {
                continue;
            }
            let found = sites(&graph, Structure::Blocks(shape))?;
            let norms = Importance::L2.scores(&graph, &found, Evidence::None, 0)?;
            let mut groups = Vec::new();
            for (site, norms) in found.sites.iter().zip(&norms.groups) {
                let Some(blocks) = wanted(&site.name) else { continue };
                let scores = known.blocks_of(&site.name, shape).filter(|scores| scores.len() == site.units);
                let scores = scores.unwrap_or_else(|| norms.iter().map(|x| f64::from(*x)).collect());
                let count = (site.units * blocks.gone / PARTS).min(site.units - 1);
                groups.push(Removal { group: site.name.clone(), units: site.units, remove: least(&scores, count) });
            }
            let (structure, decision) = (Structure::Blocks(shape), Decision { groups });
            masked.extend(zeroed_params(&graph, structure, &decision)?);
            graph = remove(&graph, structure, &decision)?;
        }
        Ok(Cut { graph, masked })
    }

    /// The loss that is to be expected, before training on: the sum of what each part was measured to cost alone.
    pub fn loss(&self, smaller: &Graph, losses: &Losses) -> f64 {
        let left = |name: &str| smaller.nodes.iter().any(|node| node.name == name);
        // What was inside a branch that is gone costs nothing more.
        let channels = self
            .keep
            .iter()
            .filter(|(name, _)| name.split('+').any(|node| left(node.split('#').next().unwrap_or(node))))
            .map(|(name, keep)| losses.groups.get(name).map_or(0.0, |group| group.lost(group.units.len() - keep)));
        let branches = self.dropped.iter().map(|name| losses.branches.get(name).copied().unwrap_or(0.0));
        let blocks = self.blocks.iter().filter(|(name, _)| left(name)).map(|(name, blocks)| {
            let part = weights(smaller, name) as f64 / losses.weights.get(name).copied().unwrap_or(1).max(1) as f64;
            losses.lost_blocks(name, *blocks, part)
        });
        channels.chain(branches).chain(blocks).sum()
    }
}

/// Weights of a layer; 0 of one that is gone.
pub(super) fn weights(graph: &Graph, layer: &str) -> usize {
    let node = graph.nodes.iter().find(|node| node.name == layer);
    let first = node.and_then(|node| node.op.params().first().copied());
    first.map_or(0, |id| graph.param(id).data.len())
}

/// Output channels of a layer.
pub(super) fn rows(graph: &Graph, layer: &str) -> Option<usize> {
    match &graph.nodes.iter().find(|node| node.name == layer)?.op {
        Op::Conv(conv) => graph.param(conv.weight).shape.first().copied(),
        Op::Linear(linear) => graph.param(linear.weight).shape.get(1).copied(),
        _ => None,
    }
}
