//! `recipe.toml`: how a model is trained, pruned, fine-tuned and quantised.

use crate::CompileError;
pub use niwaki_prune::BlockShape;
use niwaki_train::{Optimiser, Schedule, TrainConfig};
use serde::Deserialize;
use std::path::Path;

/// The whole recipe. Unknown keys are errors; every key but `seed` has a default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// Seed of everything random.
    pub seed: u64,
    /// How to train from scratch; absent where the model brings trained weights.
    pub train: Option<Train>,
    /// What to remove.
    #[serde(default)]
    pub prune: Prune,
    /// How to recover after pruning.
    #[serde(default)]
    pub fine_tune: FineTune,
    /// How to choose int8 ranges.
    #[serde(default)]
    pub quantise: Quantise,
}

/// Training from scratch: AdamW, cosine schedule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Train {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples per step.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Part of the target that is spread over all classes.
    pub label_smoothing: f64,
}

impl Default for Train {
    fn default() -> Self {
        Self { epochs: 30, batch: 32, learning_rate: 2e-3, weight_decay: 1e-2, label_smoothing: 0.0 }
    }
}

/// Importance of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Importance {
    /// Sum of absolute weights.
    #[default]
    L1,
    /// Euclidean norm of the weights.
    L2,
}

/// What to remove: whole channels and neurons, the same part of every coupled group; then blocks of weights inside the
/// layers that are left.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Prune {
    /// Part of the channels of every group that leaves, 0 to 1.
    pub ratio: f64,
    /// Which channels count as important.
    pub importance: Importance,
    /// Channels that are kept are a multiple of this, where the group has that many.
    pub tile: usize,
    /// No group gets narrower than this.
    pub minimum: usize,
    /// Output channels times products of a block of weights: `1x4`, `2x4` or `4x4`.
    pub blocks: BlockShape,
    /// Part of the blocks of every layer that is zeroed, 0 to 1. Kernels skip them.
    pub block_ratio: f64,
}

impl Default for Prune {
    fn default() -> Self {
        Self {
            ratio: 0.5,
            importance: Importance::L1,
            tile: 4,
            minimum: 4,
            blocks: BlockShape::default(),
            block_ratio: 0.0,
        }
    }
}

/// Training after pruning, with the unpruned network as teacher.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FineTune {
    /// Passes over the training samples; 0 leaves the pruned network as it is.
    pub epochs: usize,
    /// Samples per step.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Part of the loss that comes from the unpruned network, 0 to 1 (Hinton et al. 2015, arXiv:1503.02531).
    pub teacher_weight: f64,
    /// What both sides' logits are divided by.
    pub temperature: f64,
}

impl Default for FineTune {
    fn default() -> Self {
        Self { epochs: 15, batch: 32, learning_rate: 1e-3, weight_decay: 1e-3, teacher_weight: 0.5, temperature: 3.0 }
    }
}

/// How a range is chosen from what calibration saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// Everything seen.
    MinMax,
    /// All but outliers.
    Percentile,
    /// The least squared error.
    #[default]
    Mse,
}

/// Post-training quantisation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quantise {
    /// How ranges are chosen.
    pub calibration: Calibration,
    /// Part of the values that `percentile` keeps, 0 to 1.
    pub percentile: f64,
    /// Training samples that are looked at, from the first.
    pub samples: usize,
}

impl Default for Quantise {
    fn default() -> Self {
        Self { calibration: Calibration::Mse, percentile: 0.9999, samples: 512 }
    }
}

impl Recipe {
    /// Reads `recipe.toml` in a model's folder.
    pub fn load(folder: &Path) -> Result<Self, CompileError> {
        let path = folder.join("recipe.toml");
        let text = std::fs::read_to_string(&path).map_err(|source| CompileError::file(&path, source))?;
        let recipe: Self = toml::from_str(&text)
            .map_err(|error| CompileError::Recipe { path: path.clone(), reason: error.to_string() })?;
        recipe.check().map_err(|reason| CompileError::Recipe { path, reason })?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), String> {
        let part = |name: &str, value: f64, top: f64| match (0.0..=top).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name} = {value} is outside 0 to {top}")),
        };
        part("prune.ratio", self.prune.ratio, 0.95)?;
        part("prune.block-ratio", self.prune.block_ratio, 0.95)?;
        part("quantise.percentile", self.quantise.percentile, 1.0)?;
        let positive = [
            ("prune.tile", self.prune.tile),
            ("prune.minimum", self.prune.minimum),
            ("quantise.samples", self.quantise.samples),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("{name} = 0: it has to be at least 1")),
            None => Ok(()),
        }
    }
}

impl Train {
    /// For [`niwaki_train::fit`].
    pub fn config(&self, seed: u64) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
            schedule: Schedule::Cosine { warm_up: 0.05, floor: 0.01 },
            weight_decay: self.weight_decay,
            optimiser: Optimiser::AdamW,
            label_smoothing: self.label_smoothing,
            seed,
            ..TrainConfig::default()
        }
    }
}

impl FineTune {
    /// For [`niwaki_train::fit`], without the teacher.
    pub fn config(&self, seed: u64) -> TrainConfig {
        let train = Train {
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            label_smoothing: 0.0,
        };
        train.config(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_errors() {
        let error = toml::from_str::<Recipe>("seed = 1\n[prune]\nratoi = 0.5").expect_err("misspelt").to_string();
        assert!(error.contains("ratoi") && error.contains("ratio"), "{error}");
    }

    #[test]
    fn values_outside_their_range_are_named() {
        let recipe: Recipe = toml::from_str("seed = 1\n[prune]\nratio = 1.5").expect("parses");
        assert_eq!(recipe.check(), Err("prune.ratio = 1.5 is outside 0 to 0.95".into()));
        let recipe: Recipe = toml::from_str("seed = 1\n[prune]\ntile = 0").expect("parses");
        assert_eq!(recipe.check(), Err("prune.tile = 0: it has to be at least 1".into()));
    }
}
