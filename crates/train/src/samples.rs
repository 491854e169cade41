//! A labelled data set in memory.

use crate::{TrainError, tensor::MAX_RANK};
use niwaki_graph::Graph;
use std::ops::Range;

/// Labelled samples. Inputs lie one after the other, each in C order of [`Samples::input_shape`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Shape of one sample, without a batch dimension, such as `[channels, height, width]`.
    pub input_shape: Vec<usize>,
    /// The elements of all samples: `labels.len() * product(input_shape)`.
    pub inputs: Vec<f32>,
    /// The class of each sample, from 0.
    pub labels: Vec<usize>,
}

impl Samples {
    /// A data set whose lengths agree.
    ///
    /// # Errors
    /// [`TrainError::SampleLength`] where they do not.
    pub fn new(input_shape: Vec<usize>, inputs: Vec<f32>, labels: Vec<usize>) -> Result<Self, TrainError> {
        let samples = Self { input_shape, inputs, labels };
        samples.check_lengths()?;
        Ok(samples)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
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
        let size = self.sample_len();
        Self {
            input_shape: self.input_shape.clone(),
            inputs: self.inputs[range.start * size..range.end * size].to_vec(),
            labels: self.labels[range].to_vec(),
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
            all
        });
        joined.unwrap_or_default()
    }

    fn check_lengths(&self) -> Result<(), TrainError> {
        let expected = self.len() * self.sample_len();
        if self.inputs.len() != expected {
            let (shape, got) = (self.input_shape.clone(), self.inputs.len());
            return Err(TrainError::SampleLength { samples: self.len(), shape, expected, got });
        }
        Ok(())
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
