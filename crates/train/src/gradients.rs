//! Gradients of the loss with respect to every parameter: the raw material of importance scores.

use crate::loss::{Goal, Head};
use crate::{GraphModule, Loss, Samples, TrainError, batch};
use burn::tensor::Device;
use niwaki_graph::Graph;

/// The loss over some samples and its gradient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// Mean loss per sample.
    pub loss: f64,
    /// One entry per parameter of the graph, in its order and of its length; zeros for running statistics and for
    /// parameters that the output does not depend on.
    pub params: Vec<Vec<f32>>,
}

/// The gradient of the mean loss over all samples, accumulated over batches of `batch`.
///
/// Batch normalisation uses its running statistics, so the result does not depend on the batch size (other than by
/// rounding).
///
/// # Errors
/// As [`crate::evaluate`], and as [`GraphModule::new`].
pub fn gradients(
    graph: &Graph,
    samples: &Samples,
    objective: Loss,
    batch: usize,
    device: &Device,
) -> Result<Gradients, TrainError> {
    let mut loss = 0.0;
    let mut sums: Vec<Vec<f64>> = graph.params.iter().map(|param| vec![0.0; param.data.len()]).collect();
    gradients_each(graph, samples, objective, batch, device, &mut |part, count| {
        let share = count as f64 / samples.len() as f64;
        loss += part.loss * share;
        for (sum, part) in sums.iter_mut().zip(&part.params) {
            sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += f64::from(*x) * share);
        }
    })?;
    let params = sums.iter().map(|sum| sum.iter().map(|x| *x as f32).collect()).collect();
    Ok(Gradients { loss, params })
}

/// Like [`gradients`], batch by batch: `visit` gets each batch's own mean loss and gradient, and its number of
/// samples. Scores that are not linear in the gradient, such as its square, need them apart.
///
/// # Errors
/// As [`gradients`].
pub fn gradients_each(
    graph: &Graph,
    samples: &Samples,
    objective: Loss,
    batch: usize,
    device: &Device,
    visit: &mut dyn FnMut(&Gradients, usize),
) -> Result<(), TrainError> {
    samples.check(graph, batch)?;
    let head = Head::of(graph)?;
    samples.check_for(objective, head.classes)?;
    let plain = device.clone().without_autodiff();
    let module = GraphModule::new(graph, &plain.clone().autodiff())?.with_training(false);
    for range in batch::split(samples.len(), batch) {
        let places: Vec<usize> = range.clone().collect();
        let inputs = batch::upload(samples, range.clone(), &plain).into_autodiff();
        let goal = Goal::of(samples, &places, head, (objective, 0.0), &module.device());
        let loss = goal.loss(head.logits(&module, inputs));
        let params = module.read_gradients(&loss.backward());
        visit(&Gradients { loss: f64::from(loss.into_scalar::<f32>()), params }, places.len());
    }
    Ok(())
}
