//! Accuracy and loss of a graph on samples, and the figure that a model is judged by.

use crate::{GraphModule, Loss, Samples, TrainError, batch, loss};
use burn::module::Module;

/// How well a graph does what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Samples whose largest logit is at their label; 0 for a regression.
    pub correct: usize,
    /// Samples in all.
    pub total: usize,
    /// Mean loss per sample: cross-entropy in nats, or squared error.
    pub loss: f64,
}

/// The figure that a model is judged by: from 0 to 1, higher is better.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// What tables call it, such as `top-1` or `AUC`.
    pub name: &'static str,
    /// Computes it from the outputs of all samples, one after the other, as [`predict`] returns them: logits, or for
    /// int8 what the dequantised outputs are.
    pub measure: fn(outputs: &[f32], samples: &Samples) -> f64,
}

impl Metric {
    /// Share of the samples whose largest output is at their label.
    pub const TOP_1: Self = Self { name: "top-1", measure: top_1 };

    /// Runs the graph on all samples and computes the figure.
    ///
    /// # Errors
    /// As [`predict`].
    pub fn of(self, module: &GraphModule, samples: &Samples, batch: usize) -> Result<f64, TrainError> {
        Ok((self.measure)(&predict(module, samples, batch)?, samples))
    }
}

impl PartialEq for Metric {
    /// By name: functions cannot be compared.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

fn top_1(outputs: &[f32], samples: &Samples) -> f64 {
    let width = outputs.len() / samples.len().max(1);
    let rows = outputs.chunks_exact(width.max(1)).zip(&samples.labels);
    rows.filter(|(row, label)| loss::top_one(row) == **label).count() as f64 / samples.len().max(1) as f64
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
    samples.check_for(Loss::CrossEntropy, classes)?;
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

/// Like [`evaluate`], by any loss.
///
/// # Errors
/// As [`predict`], and where the samples lack what the loss needs.
pub fn evaluate_by(
    loss: Loss,
    module: &GraphModule,
    samples: &Samples,
    batch: usize,
) -> Result<Evaluation, TrainError> {
    let width = loss::Head::of(module.structure())?.classes;
    samples.check_for(loss, width)?;
    if loss == Loss::CrossEntropy {
        return evaluate(module, samples, batch);
    }
    let outputs = predict(module, samples, batch)?;
    let targets = if samples.targets.is_empty() { &samples.inputs } else { &samples.targets };
    let squares = outputs.iter().zip(targets).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let loss = squares.sum::<f64>() / outputs.len().max(1) as f64;
    Ok(Evaluation { correct: 0, total: samples.len(), loss })
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
