//! A data set in memory, with labels, with targets, or with neither.

use crate::{Loss, TrainError, tensor::MAX_RANK};
use niwaki_graph::Graph;
use std::ops::Range;

/// Samples. Inputs lie one after the other, each in C order of [`Samples::input_shape`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Shape of one sample, without a batch dimension, such as `[channels, height, width]`.
    pub input_shape: Vec<usize>,
    /// The elements of all samples: their number times `product(input_shape)`.
    pub inputs: Vec<f32>,
    /// The class of each sample, from 0; empty where samples have none.
    pub labels: Vec<usize>,
    /// What a regression should yield, sample by sample in C order of the graph's output; empty where it should yield
    /// the inputs themselves (an autoencoder), and for classification.
    pub targets: Vec<f32>,
}

impl Samples {
    /// A labelled data set whose lengths agree.
    ///
    /// # Errors
    /// [`TrainError::SampleLength`] where they do not.
    pub fn new(input_shape: Vec<usize>, inputs: Vec<f32>, labels: Vec<usize>) -> Result<Self, TrainError> {
        let samples = Self { input_shape, inputs, labels, targets: Vec::new() };
        if samples.labels.is_empty() && !samples.inputs.is_empty() {
            return Err(samples.wrong_length(0));
        }
        samples.check_lengths()?;
        Ok(samples)
    }

    /// Samples without labels: for an autoencoder, for distilling from a teacher alone, for calibration.
    ///
    /// # Errors
    /// [`TrainError::SampleLength`] where the inputs are no whole number of samples.
    pub fn unlabelled(input_shape: Vec<usize>, inputs: Vec<f32>) -> Result<Self, TrainError> {
        let samples = Self { input_shape, inputs, ..Self::default() };
        samples.check_lengths()?;
        Ok(samples)
    }

    /// The same samples with what a regression should yield for each.
    pub fn with_targets(self, targets: Vec<f32>) -> Self {
        Self { targets, ..self }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        match self.labels.len() {
            0 => self.inputs.len() / self.sample_len().max(1),
            labels => labels,
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of elements in one sample.
    pub fn sample_len(&self) -> usize {
        self.input_shape.iter().product()
    }

    /// The elements of one sample.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn input(&self, index: usize) -> &[f32] {
        let size = self.sample_len();
        &self.inputs[index * size..(index + 1) * size]
    }

    /// A copy of some of the samples, such as the first hundred for calibration.
    ///
    /// # Panics
    /// If the range reaches past the last sample.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let width = self.targets.len() / self.len().max(1);
        let part = |data: &[f32], size: usize| data[range.start * size..range.end * size].to_vec();
        Self {
            input_shape: self.input_shape.clone(),
            inputs: part(&self.inputs, self.sample_len()),
            labels: if self.labels.is_empty() { Vec::new() } else { self.labels[range.clone()].to_vec() },
            targets: part(&self.targets, width),
        }
    }

    /// A copy of the samples at these places, in their order.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn select(&self, places: &[usize]) -> Self {
        let width = self.targets.len() / self.len().max(1);
        let target = |place: &usize| self.targets[place * width..(place + 1) * width].iter().copied();
        Self {
            input_shape: self.input_shape.clone(),
            inputs: places.iter().flat_map(|place| self.input(*place).iter().copied()).collect(),
            labels: match self.labels.is_empty() {
                true => Vec::new(),
                false => places.iter().map(|place| self.labels[*place]).collect(),
            },
            targets: places.iter().flat_map(target).collect(),
        }
    }

    /// The samples of several sets of one shape, one set after the other.
    ///
    /// # Panics
    /// If their shapes differ.
    pub fn concatenated(sets: impl IntoIterator<Item = Self>) -> Self {
        let joined = sets.into_iter().reduce(|mut all, set| {
            assert_eq!(all.input_shape, set.input_shape, "sets of one shape");
            all.inputs.extend(set.inputs);
            all.labels.extend(set.labels);
            all.targets.extend(set.targets);
            all
        });
        joined.unwrap_or_default()
    }

    fn check_lengths(&self) -> Result<(), TrainError> {
        let expected = self.len() * self.sample_len();
        match self.inputs.len() == expected {
            true => Ok(()),
            false => Err(self.wrong_length(expected)),
        }
    }

    fn wrong_length(&self, expected: usize) -> TrainError {
        let (shape, got, samples) = (self.input_shape.clone(), self.inputs.len(), self.labels.len());
        TrainError::SampleLength { samples, shape, expected, got }
    }

    /// Checks that the graph can be run on these samples in batches of this size.
    pub(crate) fn check(&self, graph: &Graph, batch: usize) -> Result<(), TrainError> {
        self.check_lengths()?;
        let [input] = graph.inputs[..] else {
            let problem = "samples have one input; only such a graph can be run on them".to_string();
            return Err(TrainError::Arity { what: "inputs", count: graph.inputs.len(), problem });
        };
        let value = graph.value(input);
        if value.shape != self.input_shape || value.shape.len() >= MAX_RANK {
            let (name, expected, got) = (value.name.clone(), value.shape.clone(), self.input_shape.clone());
            return Err(TrainError::InputShape { name, expected, got });
        }
        match (self.is_empty(), batch) {
            (true, _) => Err(TrainError::Empty("there are no samples: the data set is empty")),
            (_, 0) => Err(TrainError::Empty("the batch size is 0: it has to be at least 1")),
            _ => Ok(()),
        }
    }

    /// Checks that there is what a loss needs, for outputs of this many elements.
    pub(crate) fn check_for(&self, loss: Loss, width: usize) -> Result<(), TrainError> {
        match loss {
            Loss::CrossEntropy if self.labels.is_empty() => Err(TrainError::Unlabelled),
            Loss::CrossEntropy => self.check_labels(width),
            Loss::MeanSquared => {
                let (got, expected) = match self.targets.is_empty() {
                    true => (self.inputs.len(), width * self.len()),
                    false => (self.targets.len(), width * self.len()),
                };
                match got == expected {
                    true => Ok(()),
                    false => Err(TrainError::Targets { samples: self.len(), width, got }),
                }
            }
        }
    }

    /// Checks that every label has an output.
    pub(crate) fn check_labels(&self, classes: usize) -> Result<(), TrainError> {
        match self.labels.iter().enumerate().find(|(_, label)| **label >= classes) {
            Some((sample, label)) => Err(TrainError::Label { sample, label: *label, classes }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_to_agree() {
        let error = Samples::new(vec![2, 2], vec![0.0; 7], vec![0, 1]).expect_err("one element is missing");
        assert_eq!(error.to_string(), "2 labels need 8 input elements of shape [2, 2], there are 7");
    }

    #[test]
    fn samples_without_labels_are_counted_by_their_inputs() {
        let samples = Samples::unlabelled(vec![3], vec![0.5; 12]).expect("four samples");
        assert_eq!((samples.len(), samples.slice(1..3).len(), samples.select(&[3, 0]).len()), (4, 2, 2));
        assert!(Samples::unlabelled(vec![3], vec![0.5; 13]).is_err());
        let paired = samples.with_targets((0..8).map(|x| x as f32).collect());
        assert_eq!(paired.select(&[3, 0]).targets, [6.0, 7.0, 0.0, 1.0]);
        assert_eq!(paired.slice(1..2).targets, [2.0, 3.0]);
    }

    #[test]
    fn sets_follow_each_other() {
        let set = |from: usize| Samples::new(vec![1], vec![from as f32], vec![from]).expect("fits");
        let both = Samples::concatenated([set(3), set(4)]);
        assert_eq!((both.inputs, both.labels), (vec![3.0, 4.0], vec![3, 4]));
    }

    #[test]
    fn a_slice_keeps_inputs_beside_their_labels() {
        let samples = Samples::new(vec![2], (0..6).map(|x| x as f32).collect(), vec![5, 6, 7]).expect("fits");
        let tail = samples.slice(1..3);
        assert_eq!((tail.input(0), tail.labels.as_slice()), ([2.0, 3.0].as_slice(), [6, 7].as_slice()));
    }
}
