//! What stages are run with, and how networks are trained on between them.

use super::{follow, score::SavedScores};
use crate::{CompileError, FineTune, Task};
use burn::tensor::Device;
use niwaki_graph::Graph;
use niwaki_prune::{live_macs, masks};
use niwaki_train::{Features, GraphModule, Loss, Mask, Progress, Samples, Teacher, TrainConfig, TrainingData, predict};
use std::{collections::BTreeSet, sync::Arc};

/// Takes the name of what is being done, and how far it is.
pub type Watch<'a> = dyn FnMut(&str, &Progress) + 'a;

/// What stages are run with.
pub struct Bench<'a> {
    /// What is learnt from.
    pub data: TrainingData<'a>,
    /// What the network is for.
    pub task: Task,
    /// How it is trained on.
    pub fine_tune: &'a FineTune,
    /// Where it runs.
    pub device: &'a Device,
    /// Seed of everything random.
    pub seed: u64,
    /// The most that the quality may fall, on a tenth of the samples that is held out for it: a step that costs more is
    /// undone and ends the pruning. `None` for no limit.
    pub floor: Option<f64>,
    /// Scores to use in the first step instead of computing them.
    pub scores: Option<SavedScores>,
    /// The scores that each step went by.
    pub scored: Vec<SavedScores>,
    /// The network before pruning: what is distilled from. [`prune`](super::prune) sets it.
    pub teacher: Option<Graph>,
    /// The teacher with biases that hold the numbers of their channels, pruned along: what features are matched by.
    /// [`prune`](super::prune) sets it.
    pub numbered: Option<Graph>,
    /// The teacher's outputs for all samples, once they were needed; reset with the teacher.
    pub known: Option<Arc<Vec<f32>>>,
    /// Called with what is being done, and how far it is.
    pub progress: Box<Watch<'a>>,
}

impl<'a> Bench<'a> {
    /// Seed 0, no limit, nobody told.
    pub fn new(samples: &'a Samples, task: Task, fine_tune: &'a FineTune, device: &'a Device) -> Self {
        Self {
            data: TrainingData::from(samples),
            task,
            fine_tune,
            device,
            seed: 0,
            floor: None,
            scores: None,
            scored: Vec::new(),
            teacher: None,
            numbered: None,
            known: None,
            progress: Box::new(|_, _| {}),
        }
    }

    /// The samples, with labels: samples without any get the teacher's.
    pub(crate) fn labelled(&self) -> Result<Samples, CompileError> {
        let mut samples = self.data.samples.clone();
        let (Loss::CrossEntropy, true, Some(teacher)) = (self.task.loss, samples.labels.is_empty(), &self.teacher)
        else {
            return Ok(samples);
        };
        let logits = predict(&GraphModule::new(teacher, self.device)?, &samples, crate::stages::BATCH)?;
        let rows = logits.chunks_exact(logits.len() / samples.len().max(1));
        let top = |row: &[f32]| (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        samples.labels = rows.map(top).collect();
        Ok(samples)
    }

    /// How a graph is trained, with some weights held at zero.
    pub(crate) fn config(
        &mut self,
        graph: &Graph,
        masked: &BTreeSet<String>,
        epochs: usize,
    ) -> Result<TrainConfig, CompileError> {
        // Where a pass is of some samples only, every network sees others.
        let seed = self.fine_tune.samples.map_or(self.seed, |_| self.seed ^ live_macs(graph) as u64);
        let mut config = TrainConfig { loss: self.task.loss, epochs, ..self.fine_tune.config(seed) };
        let held = masks(graph, masked).into_iter();
        config.masks = held.map(|(param, keep)| Mask { param, keep }).collect();
        if let (Some(teacher), true) = (&self.teacher, self.fine_tune.teacher_weight > 0.0) {
            let features = (self.fine_tune.feature_weight > 0.0)
                .then(|| follow::pairs(graph, teacher, self.numbered.as_ref()))
                .map(|pairs| Features { pairs, weight: self.fine_tune.feature_weight });
            let (temperature, weight) = (self.fine_tune.temperature, self.fine_tune.teacher_weight);
            config.mix = self.fine_tune.mix;
            // Samples that do not change are shown to the teacher once for all steps.
            let changing = self.data.augment.is_some() || config.mix > 0.0;
            if features.is_none() && !changing && epochs > 0 && self.known.is_none() {
                let module = GraphModule::new(teacher, self.device)?;
                self.known = Some(Arc::new(predict(&module, self.data.samples, crate::stages::BATCH)?));
            }
            let known = self.known.clone().filter(|_| features.is_none() && !changing);
            let teacher = Teacher::new(teacher.clone(), temperature, weight);
            config.distillation = Some(Teacher { features, known, ..teacher });
        }
        Ok(config)
    }
}
