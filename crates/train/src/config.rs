//! What training can be told, and what it tells while it runs.

use crate::{Evaluation, FakeQuantisation, TrainError};
use niwaki_graph::{Graph, ParamId};
use std::sync::Arc;

/// What training makes small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// Of a classifier: cross-entropy of its logits with the labels, in nats.
    #[default]
    CrossEntropy,
    /// Of a regression: squared difference from the targets, or from the input where there are none (an autoencoder),
    /// averaged over the output's elements.
    MeanSquared,
}

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// What is made small.
    pub loss: Loss,
    /// Passes over the samples. 0 returns the graph as it is, masks applied.
    pub epochs: usize,
    /// Samples of a pass, at most, chosen anew for each; `None` for all.
    pub samples: Option<usize>,
    /// Samples per step, at most: samples are split evenly over the fewest steps.
    pub batch: usize,
    /// Learning rate at its highest.
    pub learning_rate: f64,
    /// Whether the learning rate is a part of each parameter's size: of the root mean square of its elements before
    /// training that are not zero, at least 0.001 (as Adafactor scales it: Shazeer and Stern 2018, arXiv:1804.04235).
    /// For networks whose layers differ in size by orders of magnitude, such as with batch normalisation folded.
    pub relative: bool,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Decay of weights per step: decoupled, times the learning rate, for AdamW; added to the gradient otherwise.
    /// Biases and the scales and offsets of normalisations do not decay.
    pub weight_decay: f64,
    /// How steps follow from gradients.
    pub optimiser: Optimiser,
    /// Part of the target, 0 to 1, that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Seed of shuffling and of the augmentation's random numbers.
    pub seed: u64,
    /// A graph to learn from, beside the labels.
    pub distillation: Option<Teacher>,
    /// Weights that stay zero.
    pub masks: Vec<Mask>,
    /// What the forward pass rounds as int8 will; `None` for training in float. Evaluation does not round.
    pub fake_quantisation: Option<FakeQuantisation>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            loss: Loss::CrossEntropy,
            epochs: 30,
            samples: None,
            batch: 32,
            learning_rate: 1e-3,
            relative: false,
            schedule: Schedule::Cosine { warm_up: 0.05, floor: 0.0 },
            weight_decay: 1e-4,
            optimiser: Optimiser::AdamW,
            label_smoothing: 0.0,
            seed: 0,
            distillation: None,
            masks: Vec::new(),
            fake_quantisation: None,
        }
    }
}

/// How steps follow from gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Optimiser {
    /// Adam (Kingma and Ba 2015, arXiv:1412.6980).
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).
    #[default]
    AdamW,
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the last step in the next, 0 to 1; 0 is plain gradient descent.
        momentum: f64,
    },
}

/// How the learning rate changes over training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// A linear rise, then half a cosine down (Loshchilov and Hutter 2017, arXiv:1608.03983).
    Cosine {
        /// Part of all steps that the rise takes, 0 to 1.
        warm_up: f64,
        /// Learning rate at the end, as a part of the highest, 0 to 1.
        floor: f64,
    },
}

impl Schedule {
    /// What to multiply the learning rate with at a step of all steps, counted from 0.
    pub fn factor(self, step: usize, steps: usize) -> f64 {
        let Self::Cosine { warm_up, floor } = self else {
            return 1.0;
        };
        let rise = warm_up * steps as f64;
        let place = step as f64;
        if place < rise {
            // The first step already moves, and the last one of the rise is at most at the top.
            return ((place + 1.0) / rise).min(1.0);
        }
        let progress = (place - rise) / (steps as f64 - rise).max(1.0);
        floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

/// A graph whose outputs are learnt from, such as the one before pruning, or a larger model than the student.
#[derive(Clone, Debug, PartialEq)]
pub struct Teacher {
    /// The graph, with the same input and as many classes.
    pub graph: Graph,
    /// What both sides' logits are divided by before they are compared; higher shows more of the small ones. A
    /// regression compares outputs as they are.
    pub temperature: f64,
    /// Part of the loss that comes from the teacher, 0 to 1; the labels or targets give the rest. With 1, none are
    /// needed.
    pub weight: f64,
    /// Values whose features are matched as well; `None` for no such term.
    pub features: Option<Features>,
    /// The logits for all samples, one after the other, as [`crate::predict`] yields them, where they are known: then the
    /// teacher is not run. For samples that are not augmented, and without features.
    pub known: Option<Arc<Vec<f32>>>,
}

impl Teacher {
    /// A teacher whose outputs alone are learnt from.
    pub fn new(graph: Graph, temperature: f64, weight: f64) -> Self {
        Self { graph, temperature, weight, features: None, known: None }
    }
}

/// Matching of features inside the network, by which samples of a batch look alike: the matrix of their similarities
/// (Tung and Mori 2019, arXiv:1907.09682). It does not depend on the number of channels, so teacher and student may
/// differ in width and resolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Names of a student's and of a teacher's value; see [`crate::feature_pairs`].
    pub pairs: Vec<(String, String)>,
    /// What the mean over all pairs is multiplied with before it is added to the loss.
    pub weight: f64,
}

/// Elements of a parameter that stay zero, before and after every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// The parameter in the graph.
    pub param: ParamId,
    /// One entry per element, in C order: true keeps it, false makes it exactly zero.
    pub keep: Vec<bool>,
}

/// How far training is: passed on after every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Step in this epoch, from 1.
    pub step: usize,
    /// Steps per epoch.
    pub steps: usize,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Mean loss per sample of this epoch so far, smoothing and distillation included, in nats.
    pub loss: f64,
    /// Part of this epoch's samples so far, augmented, that were right before their step; 0 to 1. Of samples without
    /// labels: those on which teacher and student agree. Of a regression: 0.
    pub accuracy: f64,
    /// The validation samples, evaluated after the last step of an epoch.
    pub validation: Option<Evaluation>,
}

impl TrainConfig {
    /// Checks that every number is in its range; masks and teacher are checked against the graph in training.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for the first that is not, [`TrainError::Empty`] for a batch of none.
    pub fn check(&self) -> Result<(), TrainError> {
        let part = |x: f64| (0.0..=1.0).contains(&x);
        let amount = |x: f64| x.is_finite() && x >= 0.0;
        let some = |x: f64| x.is_finite() && x > 0.0;
        let mut settings = vec![
            ("learning_rate", self.learning_rate, some(self.learning_rate), "(0, infinity)"),
            ("weight_decay", self.weight_decay, amount(self.weight_decay), "[0, infinity)"),
            ("label_smoothing", self.label_smoothing, part(self.label_smoothing), "[0, 1]"),
        ];
        if let Schedule::Cosine { warm_up, floor } = self.schedule {
            settings.push(("schedule.warm_up", warm_up, part(warm_up), "[0, 1]"));
            settings.push(("schedule.floor", floor, part(floor), "[0, 1]"));
        }
        if let Optimiser::Sgd { momentum } = self.optimiser {
            settings.push(("optimiser.momentum", momentum, part(momentum) && momentum < 1.0, "[0, 1)"));
        }
        if let Some(teacher) = &self.distillation {
            settings.push(("teacher.temperature", teacher.temperature, some(teacher.temperature), "(0, infinity)"));
            settings.push(("teacher.weight", teacher.weight, part(teacher.weight), "[0, 1]"));
            let features = teacher.features.as_ref().map_or(0.0, |features| features.weight);
            settings.push(("teacher.features.weight", features, amount(features), "[0, infinity)"));
        }
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((name, value, _, range)) => Err(TrainError::Setting { name, value, range }),
            None if self.batch == 0 => Err(TrainError::Empty("the batch size is 0: it has to be at least 1")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_then_falls_to_its_floor() {
        let schedule = Schedule::Cosine { warm_up: 0.1, floor: 0.01 };
        let factors: Vec<f64> = (0..100).map(|step| schedule.factor(step, 100)).collect();
        assert!(factors[0] > 0.0 && factors[..10].is_sorted());
        assert_eq!((factors[9], factors[10]), (1.0, 1.0));
        assert!(factors[10..].is_sorted_by(|a, b| a >= b));
        assert!((factors[99] - 0.01).abs() < 1e-3, "{}", factors[99]);
        assert_eq!(Schedule::Constant.factor(7, 9), 1.0);
    }

    #[test]
    fn settings_outside_their_range_are_named() {
        let config = TrainConfig { label_smoothing: 1.5, ..TrainConfig::default() };
        let error = config.check().expect_err("more than everything");
        assert_eq!(error.to_string(), "label_smoothing = 1.5 is outside [0, 1]");
        assert_eq!(TrainConfig::default().check(), Ok(()));
    }
}
