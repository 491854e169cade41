//! Single stages that the street puts in a row.

use crate::{Calibration, CompileError, DataSet, Quantise, Samples};
use burn::tensor::Device;
use niwaki_blob::AlignedBytes;
use niwaki_graph::{Graph, fold_batch_norm};
use niwaki_pack::artefact::{EvalSet, Layer};
use niwaki_plan::Plan;
use niwaki_prune::silence_dead;
use niwaki_quantise::{Method, QuantisedGraph, Range, equalise, quantise};
use niwaki_train::{GraphModule, Metric};

/// Samples per batch where none are learnt from.
pub(crate) const BATCH: usize = 256;

/// A packed network and what the host made of the test samples with it.
#[derive(Clone, Debug)]
pub struct Int8 {
    /// The blob.
    pub blob: AlignedBytes,
    /// Test inputs, labels and the host's outputs.
    pub eval: EvalSet,
    /// Operations in the blob's order.
    pub layers: Vec<Layer>,
    /// Parameters after folding batch normalisation.
    pub parameters: usize,
    /// Multiply-accumulates of one inference.
    pub macs: usize,
    /// Size of the arena.
    pub arena_bytes: usize,
    /// The blob's quality on the test samples.
    pub int8_quality: f64,
    /// The quality on each of [`DataSet::more`].
    pub more: Vec<f64>,
}

/// Folds, calibrates, quantises, plans and packs a graph, and runs the test samples through the result on the host's
/// runtime: the code that runs on boards.
///
/// Calibration looks at the first `recipe.samples` of the training samples.
pub fn quantise_and_pack(
    name: &str,
    graph: &Graph,
    data: &DataSet,
    metric: Metric,
    recipe: &Quantise,
    recipe_hash: [u8; 32],
    device: &Device,
) -> Result<Int8, CompileError> {
    let quantised = calibrated(graph, data, recipe, device)?;
    let plan = niwaki_plan::plan(&quantised)?;
    let blob = niwaki_pack::pack(&plan, name, recipe_hash)?;
    let blob = if recipe.compact { niwaki_pack::compact(&blob).map_err(niwaki_pack::PackError::Write)? } else { blob };
    let (eval, outputs) = run(&blob, &plan, &data.test)?;
    let quality = |(_, samples): &(_, _)| Ok((metric.measure)(&run(&blob, &plan, samples)?.1, samples));
    let more = data.more.iter().map(quality).collect::<Result<_, CompileError>>()?;
    let int8_quality = (metric.measure)(&outputs, &data.test);
    let arena_bytes = niwaki::arena_bytes(&blob);
    let (parameters, macs) = (quantised.graph.parameter_count(), quantised.graph.total_macs());
    Ok(Int8 { layers: niwaki_pack::layers(&plan), eval, parameters, macs, arena_bytes, int8_quality, more, blob })
}

/// Silences dead channels, folds batch normalisation, equalises where the recipe asks for it, calibrates and quantises.
pub(crate) fn calibrated(
    graph: &Graph,
    data: &DataSet,
    recipe: &Quantise,
    device: &Device,
) -> Result<QuantisedGraph, CompileError> {
    // What is dead must neither widen a range nor leave the rounding of its constants behind: then int8 with and without
    // dead channels is the same, bit for bit.
    let (live, full) = silence_dead(graph)?;
    let [live, full] = [live, full].map(|graph| {
        let folded = fold_batch_norm(&graph);
        if recipe.equalise { equalise(&folded) } else { folded }
    });
    Ok(quantise(&full, &calibrated_ranges(&live, data, recipe, device)?)?)
}

/// The range of every value of a graph without batch normalisation.
pub(crate) fn calibrated_ranges(
    folded: &Graph,
    data: &DataSet,
    recipe: &Quantise,
    device: &Device,
) -> Result<Vec<Range>, CompileError> {
    let module = GraphModule::new(folded, device)?;
    let mut histograms = niwaki_quantise::Calibration::new(folded.values.len());
    let seen = data.train.slice(0..recipe.samples.min(data.train.len()));
    niwaki_train::observe(&module, &seen, BATCH, &mut |id, _, data| histograms.observe(id, data))?;
    let method = match recipe.calibration {
        Calibration::MinMax => Method::MinMax,
        Calibration::Percentile => Method::Percentile(recipe.percentile),
        Calibration::Mse => Method::Mse,
    };
    let mut ranges = histograms.ranges(method);
    if let Some(input) = data.input {
        ranges[folded.inputs[0].0] = input.range();
    }
    Ok(ranges)
}

/// Runs samples through a blob on the host.
fn run(blob: &[u8], plan: &Plan, samples: &Samples) -> Result<(EvalSet, Vec<f32>), CompileError> {
    let model = niwaki::Model::read(blob).map_err(CompileError::Run)?;
    // 15 bytes more: the session starts at the first 16-byte boundary.
    let mut arena = vec![0i8; model.arena_bytes() + 15];
    let mut session = model.session_in(&mut arena).map_err(CompileError::Run)?;
    let (order, output_order) = (plan.memory_order(&plan.inputs[0]), plan.memory_order(&plan.outputs[0]));
    let mut outputs = vec![0.0; samples.len() * output_order.len()];
    let mut reals = vec![0.0; output_order.len()];
    let mut eval = EvalSet {
        input_bytes: session.input_mut(0).len(),
        output_bytes: session.output(0).len(),
        inputs: Vec::new(),
        // Samples of a regression have none; the file has a place for them all the same.
        labels: (0..samples.len()).map(|index| samples.labels.get(index).map_or(0, |label| *label as u16)).collect(),
        outputs: Vec::new(),
    };
    for index in 0..samples.len() {
        let sample = samples.input(index);
        let ordered: Vec<f32> = order.iter().map(|place| sample[*place]).collect();
        session.quantise_input(0, &ordered);
        eval.inputs.extend_from_slice(session.input_mut(0));
        session.run().map_err(CompileError::Run)?;
        eval.outputs.extend_from_slice(session.output(0));
        session.dequantise_output(0, &mut reals);
        for (real, place) in reals.iter().zip(&output_order) {
            outputs[index * output_order.len() + place] = *real;
        }
    }
    Ok((eval, outputs))
}

/// A float graph's quality.
pub(crate) fn float_quality(
    graph: &Graph,
    metric: Metric,
    samples: &Samples,
    device: &Device,
) -> Result<f64, CompileError> {
    Ok(metric.of(&GraphModule::new(graph, device)?, samples, BATCH)?)
}
