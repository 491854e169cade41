//! `[prune]`: what is removed, in stages.

use super::{BlockShape, Importance, Pace, Share, Structure};
use crate::engine::{Amount, Stage};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// What to remove, in stages: first what `structure` and `ratio` say, then blocks of weights inside the layers that are
/// left, then whatever `then` lists. After each step the network is trained on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Prune {
    /// Remove dead channels first: zero, constant or unread ones, without which outputs are the same.
    pub lossless: bool,
    /// What leaves: `channels`, `neurons`, `layers`, `1x4`, `2x4`, `4x4`, `N:M` or `weights`.
    pub structure: Structure,
    /// Part of it that leaves, 0 to 1; 0 removes nothing.
    pub ratio: f64,
    /// Instead of `ratio`: the part of the multiply-accumulates that is left, 0 to 1.
    pub macs: Option<f64>,
    /// Which units count as important: `l1`, `l2`, `geometric-median`, `weight-gradient`, `taylor`, `obs`, `learned-l0`,
    /// `learned-l1` or `random`.
    pub importance: Importance,
    /// `uniform`: the same part of every layer; `global`: the least important of all; `sensitivity`: as measured.
    pub allocation: Share,
    /// Ratios of single layers or groups, by name.
    pub layers: BTreeMap<String, f64>,
    /// `one-shot`, `iterative` or `cubic`.
    pub schedule: Pace,
    /// Steps of the schedule.
    pub steps: usize,
    /// Passes over the training samples after each step but the last.
    pub step_epochs: usize,
    /// Channels that are kept are a multiple of this, where the group has that many.
    pub tile: usize,
    /// No group gets narrower than this.
    pub minimum: usize,
    /// The most that quality may fall, 0 to 1, on a tenth of the training samples that is held out: a step that costs
    /// more is undone, and pruning ends.
    pub floor: Option<f64>,
    /// Output channels times products of a block of weights: `1x4`, `2x4` or `4x4`.
    pub blocks: BlockShape,
    /// Part of the blocks of every layer that is zeroed, 0 to 1: those with the least sum of squares. Kernels skip them.
    pub block_ratio: f64,
    /// Further stages, in order: `[[prune.then]]`.
    pub then: Vec<Then>,
    /// A file of scores to go by in the first step, such as an earlier run's `scores.json`.
    pub scores: Option<PathBuf>,
    /// A network to prune instead of the model's own, such as an earlier run's `pruned.safetensors`: to prune it again.
    pub from: Option<PathBuf>,
}

/// A further stage; limits are those of [`Prune`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Then {
    /// What leaves.
    pub structure: Structure,
    /// Part of it that leaves.
    pub ratio: f64,
    /// Instead: part of the multiply-accumulates left.
    pub macs: Option<f64>,
    /// Which units count as important.
    pub importance: Importance,
    /// From where.
    pub allocation: Share,
    /// Ratios of single layers or groups.
    pub layers: BTreeMap<String, f64>,
    /// How fast.
    pub schedule: Pace,
    /// In how many steps.
    pub steps: usize,
    /// Passes after each but the last.
    pub step_epochs: usize,
}

impl Default for Then {
    fn default() -> Self {
        Self {
            structure: Structure::Channels,
            ratio: 0.5,
            macs: None,
            importance: Importance::L1,
            allocation: Share::Uniform,
            layers: BTreeMap::new(),
            schedule: Pace::OneShot,
            steps: 4,
            step_epochs: 2,
        }
    }
}

impl Default for Prune {
    fn default() -> Self {
        let Then { structure, ratio, macs, importance, allocation, layers, schedule, steps, step_epochs } =
            Then::default();
        Self {
            lossless: true,
            structure,
            ratio,
            macs,
            importance,
            allocation,
            layers,
            schedule,
            steps,
            step_epochs,
            tile: 4,
            minimum: 4,
            floor: None,
            blocks: BlockShape::default(),
            block_ratio: 0.0,
            then: Vec::new(),
            scores: None,
            from: None,
        }
    }
}

impl Prune {
    /// What the engine does, in order.
    pub fn stages(&self) -> Vec<Stage> {
        let first = Then {
            structure: self.structure,
            ratio: self.ratio,
            macs: self.macs,
            importance: self.importance,
            allocation: self.allocation,
            layers: self.layers.clone(),
            schedule: self.schedule,
            steps: self.steps,
            step_epochs: self.step_epochs,
        };
        let blocks = (self.block_ratio > 0.0).then(|| Then {
            structure: Structure::Blocks(self.blocks),
            ratio: self.block_ratio,
            importance: Importance::L2,
            ..Then::default()
        });
        let all = [first].into_iter().chain(blocks).chain(self.then.iter().cloned());
        // Nothing to remove is nothing to train for, except where nothing else is asked for.
        let mut stages: Vec<Stage> = all.map(|then| then.stage(self.tile, self.minimum)).collect();
        if stages.len() > 1 {
            stages.retain(|stage| stage.amount != Amount::Ratio(0.0) || !stage.layers.is_empty());
        }
        stages
    }
}

impl Then {
    fn stage(self, tile: usize, minimum: usize) -> Stage {
        Stage {
            structure: self.structure,
            importance: self.importance,
            amount: self.macs.map_or(Amount::Ratio(self.ratio), Amount::MacsLeft),
            share: self.allocation,
            layers: self.layers,
            pace: self.schedule,
            steps: self.steps,
            step_epochs: self.step_epochs,
            tile,
            minimum,
        }
    }
}
