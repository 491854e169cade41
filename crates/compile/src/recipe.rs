//! `recipe.toml`: how a model is trained, pruned, fine-tuned and quantised.

mod prune;

use crate::CompileError;
pub use crate::engine::{Pace, Share};
pub use niwaki_prune::{BlockShape, Importance, Structure};
use niwaki_train::{Optimiser, Schedule, TrainConfig};
pub use prune::{Prune, Then};
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
    /// A larger network to learn from, as a graph in a file, relative to the model's folder: any model's
    /// `weights.safetensors`, or `unpruned.safetensors` of its results.
    pub teacher: Option<String>,
    /// Part of the loss that comes from it, 0 to 1.
    pub teacher_weight: f64,
    /// What both sides' logits are divided by.
    pub temperature: f64,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch: 32,
            learning_rate: 2e-3,
            weight_decay: 1e-2,
            label_smoothing: 0.0,
            teacher: None,
            teacher_weight: 0.7,
            temperature: 3.0,
        }
    }
}

/// Training after pruning, with the unpruned network as teacher.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FineTune {
    /// Before training, fit every layer that is left to the outputs it had before the removal: seconds that save epochs
    /// (He et al. 2017, arXiv:1707.06168).
    pub reconstruct: bool,
    /// Whether samples are changed at random, as the model says, each time they are used. Without it, the teacher runs
    /// once per sample and not in every epoch.
    pub augment: bool,
    /// Passes over the training samples; 0 leaves the pruned network as it is.
    pub epochs: usize,
    /// Samples of a pass, where not all: others in every pass, and of every network.
    pub samples: Option<usize>,
    /// Samples per step.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Whether learning rates, that of `[quantise]` included, are parts of each parameter's root mean square. For
    /// networks whose layers differ much in size, as those with batch normalisation folded do; then some 0.01.
    pub relative: bool,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Part of the loss that comes from the unpruned network, 0 to 1 (Hinton et al. 2015, arXiv:1503.02531).
    pub teacher_weight: f64,
    /// What both sides' logits are divided by.
    pub temperature: f64,
    /// What the distance between both networks' features is multiplied with; 0 for none. What every layer reads is
    /// compared with what it read before pruning, channel by channel.
    pub feature_weight: f64,
    /// Part of the samples that are each mixed with another, for the unpruned network to say what that is; needs a
    /// `teacher-weight` of 1.
    pub mix: f64,
}

impl Default for FineTune {
    fn default() -> Self {
        Self {
            reconstruct: false,
            augment: true,
            epochs: 15,
            samples: None,
            batch: 32,
            learning_rate: 1e-3,
            relative: false,
            weight_decay: 1e-3,
            teacher_weight: 0.5,
            temperature: 3.0,
            feature_weight: 0.0,
            mix: 0.0,
        }
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

/// Quantisation to int8.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quantise {
    /// How ranges are chosen.
    pub calibration: Calibration,
    /// Part of the values that `percentile` keeps, 0 to 1.
    pub percentile: f64,
    /// Training samples that are looked at, from the first.
    pub samples: usize,
    /// Passes of training with the rounding of int8 in the forward pass, after pruning; 0 for none.
    pub epochs: usize,
    /// Highest learning rate of these.
    pub learning_rate: f64,
    /// Rescale channels between neighbouring layers so that their weights' ranges agree, which changes nothing in float
    /// (Nagel et al. 2019, arXiv:1906.04721).
    pub equalise: bool,
    /// Flash instead of speed: layers of which many weights are zero one by one (single weights, N:M) are packed without
    /// those, wherever that takes less room. They become smaller, not faster: kernels that skip blocks do not run them.
    pub compact: bool,
}

impl Default for Quantise {
    fn default() -> Self {
        Self {
            calibration: Calibration::Mse,
            percentile: 0.9999,
            samples: 512,
            epochs: 0,
            learning_rate: 2e-4,
            equalise: false,
            compact: false,
        }
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

    pub(crate) fn check(&self) -> Result<(), String> {
        let part = |name: &str, value: f64, top: f64| match (0.0..=top).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name} = {value} is outside 0 to {top}")),
        };
        part("prune.ratio", self.prune.ratio, 0.95)?;
        part("prune.block-ratio", self.prune.block_ratio, 0.95)?;
        part("quantise.percentile", self.quantise.percentile, 1.0)?;
        let more = self.prune.then.iter().map(|then| (then.ratio, then.macs, &then.layers));
        for (ratio, macs, layers) in more.chain([(self.prune.ratio, self.prune.macs, &self.prune.layers)]) {
            part("the ratio of a stage", ratio, 0.95)?;
            part("the part of the multiply-accumulates left", macs.unwrap_or(1.0), 1.0)?;
            layers.iter().try_for_each(|(layer, ratio)| part(&format!("prune.layers.{layer}"), *ratio, 0.95))?;
        }
        part("fine-tune.mix", self.fine_tune.mix, 1.0)?;
        if self.fine_tune.mix > 0.0 && self.fine_tune.teacher_weight != 1.0 {
            return Err("fine-tune.mix needs fine-tune.teacher-weight = 1: labels say nothing about mixtures".into());
        }
        part("prune.floor", self.prune.floor.unwrap_or(0.0), 1.0)?;
        let positive = [
            ("prune.tile", self.prune.tile),
            ("prune.minimum", self.prune.minimum),
            ("prune.steps", self.prune.steps),
            ("fine-tune.samples", self.fine_tune.samples.unwrap_or(1)),
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
            ..Train::default()
        };
        TrainConfig { relative: self.relative, samples: self.samples, ..train.config(seed) }
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
