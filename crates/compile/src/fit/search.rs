//! What should leave so that a network fits: whatever costs least for what it saves, again and again.
//!
//! A knapsack of units that depend on each other (what a channel saves falls with the width of its neighbours), so it is
//! solved greedily, on the grid of the kernels' tiles: every move is applied to the graph, packed in the layout that the
//! core would get, and its cost predicted. What a move saved before others were made only ranks it; before it is made it
//! is looked at again.

use super::{
    estimate::{Estimate, Ranges, Target, estimate},
    losses::Losses,
    shape::{Blocks, PARTS, Shape},
};
use crate::CompileError;
use niwaki_graph::Graph;
use niwaki_prune::{Allocation, BlockShape, Evidence, Importance, Limits, Structure, sites};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sixteenths of a layer's blocks that may leave.
const AMOUNTS: [usize; 6] = [4, 6, 8, 10, 12, PARTS - 2];

/// What decides how much leaves where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// What it was measured to cost, for what it takes off.
    #[default]
    Loss,
    /// Channels by magnitude, the same share of every group.
    Uniform,
    /// Channels by magnitude, those of the whole network together.
    GlobalMagnitude,
}

/// What a network may take; what is absent does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Predicted, in the target's unit.
    pub cost: Option<f64>,
    /// The blob.
    pub blob_bytes: Option<usize>,
    /// The arena.
    pub arena_bytes: Option<usize>,
}

impl Budget {
    /// Whether an estimate is within it.
    pub fn met(&self, found: &Estimate) -> bool {
        self.over(found).iter().all(|over| *over <= 0.0)
    }

    /// By which part of itself each limit is exceeded: cost, flash, RAM; 0 where it is not.
    pub fn over(&self, found: &Estimate) -> [f64; 3] {
        let part = |value: f64, limit: Option<f64>| limit.map_or(0.0, |limit| (value / limit.max(1.0) - 1.0).max(0.0));
        let bytes = |value: usize, limit: Option<usize>| part(value as f64, limit.map(|limit| limit as f64));
        [
            part(found.cost, self.cost),
            bytes(found.blob_bytes, self.blob_bytes),
            bytes(found.arena_bytes, self.arena_bytes),
        ]
    }

    /// How much is too much, in one number. Of RAM every step that is above the limit counts: of two equal peaks both
    /// have to go, and lowering one is a gain already.
    fn excess(&self, found: &Estimate) -> f64 {
        let [cost, flash, ram] = self.over(found);
        let Some(limit) = self.arena_bytes.filter(|_| ram > 0.0) else { return cost + flash };
        let above = |bytes: &usize| (*bytes as f64 / limit.max(1) as f64 - 1.0).max(0.0);
        cost + flash + ram + found.live_bytes.iter().map(above).sum::<f64>()
    }
}

/// How groups may be narrowed.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Multiples and least width.
    pub limits: Limits,
    /// Whether blocks may leave, too.
    pub blocks: bool,
}

/// A shape and what it would take.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is left.
    pub shape: Shape,
    /// What it takes.
    pub estimate: Estimate,
    /// The loss to expect, before training on.
    pub loss: f64,
}

/// One change of a shape.
#[derive(Clone, Debug, PartialEq)]
enum Move {
    Width(String, usize),
    Drop(String),
    Blocks(String, Blocks),
}

impl Move {
    fn on(&self, shape: &Shape) -> Shape {
        let mut next = shape.clone();
        match self {
            Self::Width(group, keep) => drop(next.keep.insert(group.clone(), *keep)),
            Self::Drop(branch) => drop(next.dropped.insert(branch.clone())),
            Self::Blocks(layer, blocks) => drop(next.blocks.insert(layer.clone(), *blocks)),
        }
        next
    }

    /// Whether it still takes something off.
    fn is_open(&self, shape: &Shape) -> bool {
        match self {
            Self::Width(group, keep) => shape.keep.get(group).is_none_or(|now| keep < now),
            Self::Drop(branch) => !shape.dropped.contains(branch),
            Self::Blocks(layer, blocks) => shape.blocks.get(layer).is_none_or(|now| {
                blocks.gone > now.gone || blocks.gone == now.gone && blocks.shape.rows() > now.shape.rows()
            }),
        }
    }
}

/// A move, and what it promised when it was last looked at.
struct Candidate {
    step: Move,
    /// Loss for each unit of excess that it takes off.
    price: f64,
    /// Moves made by then, counted from one; 0 before it was looked at.
    seen: usize,
    /// What it led to then.
    found: Option<Found>,
}

/// A search from a graph.
pub struct Search<'a> {
    /// Where it starts.
    pub graph: &'a Graph,
    /// What everything costs.
    pub losses: &'a Losses,
    /// Ranges of its values.
    pub ranges: &'a Ranges,
    /// For which core.
    pub target: &'a Target,
    /// What may be done.
    pub grid: Grid,
}

impl Search<'_> {
    /// What a shape takes.
    pub fn look(&self, shape: &Shape) -> Result<Found, CompileError> {
        let smaller = shape.shrunk(self.graph, self.losses)?;
        let loss = shape.loss(&smaller, self.losses);
        let cut = shape.blocked(smaller, &Losses::default())?;
        Ok(Found { shape: shape.clone(), estimate: estimate(&cut.graph, self.ranges, self.target)?, loss })
    }

    /// The shape within the budget that costs least, as far as a greedy search sees; where nothing is within it, the
    /// smallest there is.
    pub fn within(&self, budget: &Budget) -> Result<Found, CompileError> {
        let mut now = self.look(&Shape::default())?;
        let mut made = 1;
        let new = |step| Candidate { step, price: 0.0, seen: 0, found: None };
        let mut candidates: Vec<Candidate> = self.moves().into_iter().map(new).collect();
        while !budget.met(&now.estimate) {
            let Some(next) = self.best(&now, made, budget, &mut candidates)? else { break };
            now = next;
            made += 1;
            candidates.retain(|candidate| candidate.step.is_open(&now.shape));
        }
        if budget.met(&now.estimate) { self.given_back(now, budget) } else { Ok(now) }
    }

    /// The least share of channels that has to leave for a budget by magnitude, where nothing is weighed against what it
    /// takes off: what the search is compared with. Its losses have to be [`Losses::magnitudes`].
    pub fn by_magnitude(&self, budget: &Budget, global: bool) -> Result<Found, CompileError> {
        /// How often the share is halved.
        const HALVINGS: usize = 10;
        let found = sites(self.graph, Structure::Channels)?;
        let scores = Importance::L1.scores(self.graph, &found, Evidence::None, 0)?;
        let look = |ratio: f64| {
            let allocation = if global { Allocation::Global { ratio } } else { Allocation::Uniform { ratio } };
            let decision = allocation.decide_sites(&found, &scores, self.grid.limits, &BTreeMap::new())?;
            let gone = decision.groups.iter().filter(|removal| !removal.remove.is_empty());
            let keep = gone.map(|removal| (removal.group.clone(), removal.units - removal.remove.len())).collect();
            self.look(&Shape { keep, ..Shape::default() })
        };
        let (mut enough, mut little) = (0.99, 0.0);
        let mut best = look(enough)?;
        for _ in 0..HALVINGS {
            let ratio = (enough + little) / 2.0;
            let found = look(ratio)?;
            match budget.met(&found.estimate) {
                true => (enough, best) = (ratio, found),
                false => little = ratio,
            }
        }
        if global { Ok(best) } else { self.levelled(best, budget) }
    }

    /// Widens the groups that kept the least share of themselves, while the budget is met: many round to the next tile
    /// at the same share.
    fn levelled(&self, found: Found, budget: &Budget) -> Result<Found, CompileError> {
        let mut now = found;
        loop {
            let share = |(name, keep): (&String, &usize)| *keep as f64 / self.losses.groups[name].units.len() as f64;
            let mut groups: Vec<(f64, String)> =
                now.shape.keep.iter().map(|kept| (share(kept), kept.0.clone())).collect();
            groups.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut better = None;
            for (_, group) in groups {
                let found = self.look(&self.wider(&now.shape, &group))?;
                if budget.met(&found.estimate) {
                    better = Some(found);
                    break;
                }
            }
            now = match better {
                Some(better) => better,
                None => return Ok(now),
            };
        }
    }

    /// A shape with a group a tile wider.
    fn wider(&self, shape: &Shape, group: &String) -> Shape {
        let mut next = shape.clone();
        let wider = self.widths(group).into_iter().find(|width| shape.keep.get(group).is_some_and(|keep| width > keep));
        match wider {
            Some(wider) => next.keep.extend([(group.clone(), wider)]),
            None => next.keep.retain(|name, _| name != group),
        }
        next
    }

    /// Makes the cheapest move that gains anything.
    fn best(
        &self,
        now: &Found,
        made: usize,
        budget: &Budget,
        candidates: &mut [Candidate],
    ) -> Result<Option<Found>, CompileError> {
        loop {
            // Of equal prices the older: it may have changed.
            let order = |a: &&mut Candidate, b: &&mut Candidate| a.price.total_cmp(&b.price).then(a.seen.cmp(&b.seen));
            let Some(first) = candidates.iter_mut().min_by(order) else { return Ok(None) };
            if first.seen == made {
                // Where not even this one gains anything, none does.
                return Ok(first.found.take().filter(|_| first.price.is_finite()));
            }
            let found = self.look(&first.step.on(&now.shape))?;
            let gain = budget.excess(&now.estimate) - budget.excess(&found.estimate);
            // What costs nothing is told apart by what it gains.
            let loss = (found.loss - now.loss).max(0.0) + 1e-12;
            let price = if gain > 1e-9 { loss / gain } else { f64::INFINITY };
            (first.price, first.seen, first.found) = (price, made, Some(found));
        }
    }

    /// Undoes what the budget does not need, again and again what costs most: the last move of a search often goes too
    /// far, and earlier ones were made before it.
    fn given_back(&self, found: Found, budget: &Budget) -> Result<Found, CompileError> {
        let mut now = found;
        loop {
            let mut best: Option<Found> = None;
            for shape in self.undone(&now.shape) {
                let found = self.look(&shape)?;
                let least = best.as_ref().map_or(now.loss, |best| best.loss);
                if budget.met(&found.estimate) && (found.loss < least || best.is_none() && found.loss <= least) {
                    best = Some(found);
                }
            }
            now = match best {
                Some(better) => better,
                None => return Ok(now),
            };
        }
    }

    /// Shapes with one thing less gone: a group a tile wider, a branch there, a layer with all or more of its blocks.
    fn undone(&self, shape: &Shape) -> Vec<Shape> {
        let mut all: Vec<Shape> = shape.keep.keys().map(|group| self.wider(shape, group)).collect();
        let mut with = |undo: &dyn Fn(&mut Shape)| {
            let mut next = shape.clone();
            undo(&mut next);
            all.push(next);
        };
        for branch in &shape.dropped {
            with(&|next| next.dropped.retain(|name| name != branch));
        }
        for (layer, blocks) in &shape.blocks {
            with(&|next| next.blocks.retain(|name, _| name != layer));
            if let Some(gone) = AMOUNTS.into_iter().rev().find(|gone| *gone < blocks.gone) {
                with(&|next| next.blocks.extend([(layer.clone(), Blocks { gone, ..*blocks })]));
            }
        }
        all
    }

    /// Widths that a group may have, all but its own.
    fn widths(&self, group: &str) -> Vec<usize> {
        let units = self.losses.groups.get(group).map_or(0, |group| group.units.len());
        let Limits { tile, min_width } = self.grid.limits;
        let tile = tile.max(1);
        (min_width.max(1).next_multiple_of(tile)..units).step_by(tile).collect()
    }

    /// Everything that can be done. A group may be narrowed, and a layer lose blocks, by any amount at once: kernels save
    /// nothing by a little less.
    fn moves(&self) -> Vec<Move> {
        /// Widths of a group that are looked at, at most.
        const WIDTHS: usize = 12;
        let mut moves = Vec::new();
        for group in self.losses.groups.keys() {
            let widths = self.widths(group);
            let stride = widths.len().div_ceil(WIDTHS).max(1);
            moves.extend(widths.into_iter().step_by(stride).map(|width| Move::Width(group.clone(), width)));
        }
        moves.extend(self.losses.branches.keys().map(|branch| Move::Drop(branch.clone())));
        for layer in self.losses.blocked_layers().filter(|_| self.grid.blocks) {
            for shape in [BlockShape::OneByFour, BlockShape::TwoByFour, BlockShape::FourByFour] {
                moves.extend(AMOUNTS.map(|gone| Move::Blocks(layer.clone(), Blocks { shape, gone })));
            }
        }
        moves
    }
}
