//! Accuracy and loss of a graph on labelled samples.

use crate::{GraphModule, Samples, TrainError, batch, loss};
use burn::module::Module;

/// How well a graph classifies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Samples whose largest logit is at their label.
    pub correct: usize,
    /// Samples in all.
    pub total: usize,
    /// Mean cross-entropy per sample, in nats.
    pub loss: f64,
}

impl Evaluation {
    /// Fraction of samples that are right, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.total.max(1) as f64
    }
}

/// Runs the graph in evaluation, `batch` samples at a time, and counts what it gets right.
///
/// # Errors
/// As [`predict`], and [`TrainError::Label`] for a label that the graph has no output for.
pub fn evaluate(module: &GraphModule, samples: &Samples, batch: usize) -> Result<Evaluation, TrainError> {
    let classes = loss::Head::of(module.structure())?.classes;
    samples.check_labels(classes)?;
    let logits = predict(module, samples, batch)?;
    let mut evaluation = Evaluation { total: samples.len(), ..Evaluation::default() };
    let mut sum = 0.0;
    for (logits, label) in logits.chunks_exact(classes).zip(&samples.labels) {
        evaluation.correct += usize::from(loss::top_one(logits) == *label);
        sum += cross_entropy(logits, *label);
    }
    evaluation.loss = sum / samples.len() as f64;
    Ok(evaluation)
}

/// Runs the graph in evaluation and returns the logits, `samples.len() x classes`: the graph's output, or what is
/// before a softmax at its end.
///
/// # Errors
/// [`TrainError::Arity`] unless the graph has one input and one output, [`TrainError::InputShape`] and
/// [`TrainError::SampleLength`] for samples that do not fit, [`TrainError::Empty`] for none or an empty batch.
pub fn predict(module: &GraphModule, samples: &Samples, batch: usize) -> Result<Vec<f32>, TrainError> {
    samples.check(module.structure(), batch)?;
    let head = loss::Head::of(module.structure())?;
    let module = module.valid();
    let device = module.device();
    let mut logits = Vec::with_capacity(samples.len() * head.classes);
    for range in batch::split(samples.len(), batch) {
        let inputs = batch::upload(samples, range, &device);
        logits.extend(crate::tensor::into_vec(head.logits(&module, inputs)));
    }
    Ok(logits)
}

/// Cross-entropy of one sample, in double precision: this is a measurement, not a step of training.
fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted = |x: &f32| f64::from(*x) - f64::from(largest);
    let total: f64 = logits.iter().map(|x| shifted(x).exp()).sum();
    total.ln() - shifted(&logits[label])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_that_of_the_softmax() {
        let expected = -(3f64.exp() / (1f64.exp() + 3f64.exp())).ln();
        assert!((cross_entropy(&[1.0, 3.0], 1) - expected).abs() < 1e-12);
        assert!((cross_entropy(&[1e30, 0.0], 0)).abs() < 1e-12);
    }
}
