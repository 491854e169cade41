//! Showing every value of a graph to the caller: what calibration collects ranges from.

use crate::{FakeQuantisation, GraphModule, Samples, TrainError, batch};
use burn::module::Module;
use niwaki_graph::ValueId;

/// What [`observe`] calls: a value, its per-sample shape, and a batch of its data.
pub type Visit<'a> = dyn FnMut(ValueId, &[usize], &[f32]) + 'a;

/// Runs the graph in evaluation, `batch` samples at a time, and calls `visit` once per value and batch, inputs
/// included, with the value's per-sample shape and its data: those of the batch's samples one after the other.
///
/// Values that no output depends on are not computed and not shown. The samples' labels are not used.
///
/// # Errors
/// [`TrainError::Arity`] unless the graph has one input, [`TrainError::InputShape`] and [`TrainError::SampleLength`]
/// for samples that do not fit, [`TrainError::Empty`] for none or an empty batch.
pub fn observe(module: &GraphModule, samples: &Samples, batch: usize, visit: &mut Visit<'_>) -> Result<(), TrainError> {
    observe_rounded(module, &FakeQuantisation::default(), samples, batch, visit)
}

/// Like [`observe`], with weights and values rounded as int8 would hold them: what is seen is rounded already.
///
/// # Errors
/// As [`observe`].
pub fn observe_rounded(
    module: &GraphModule,
    fake: &FakeQuantisation,
    samples: &Samples,
    batch: usize,
    visit: &mut Visit<'_>,
) -> Result<(), TrainError> {
    samples.check(module.structure(), batch)?;
    let module = fake.weights(&module.valid());
    let device = module.device();
    let outputs = module.structure().outputs.clone();
    for range in batch::split(samples.len(), batch) {
        let inputs = batch::upload(samples, range, &device);
        module.run(vec![inputs], &outputs, &mut |id, tensor| {
            let tensor = fake.value(id, tensor);
            visit(id, &module.structure().value(id).shape, &tensor.clone().into_vec());
            tensor
        });
    }
    Ok(())
}
