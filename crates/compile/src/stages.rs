//! Single stages that the street puts in a row.

use crate::{Calibration, CompileError, DataSet, Importance, Prune, Quantise, Recipe, Samples};
use burn::tensor::Device;
use niwaki_blob::AlignedBytes;
use niwaki_graph::{Graph, fold_batch_norm};
use niwaki_pack::artefact::{EvalSet, Layer};
use niwaki_plan::Plan;
use niwaki_prune::{Allocation, Limits, block_masks, groups, shrink};
use niwaki_quantise::{Method, quantise};
use niwaki_train::{GraphModule, Loss, Mask, Metric, Progress, Teacher, TrainingData};

/// Samples per batch where none are learnt from.
pub(crate) const BATCH: usize = 256;

/// A network after pruning.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// The smaller graph.
    pub graph: Graph,
    /// Layer by layer, before and after.
    pub report: niwaki_prune::Report,
}

/// Removes channels as the recipe says; weights that stay are unchanged.
pub(crate) fn cut(graph: &Graph, recipe: &Prune) -> Result<Pruned, CompileError> {
    let groups = groups(graph)?;
    let importance = match recipe.importance {
        Importance::L1 => niwaki_prune::Norm::L1,
        Importance::L2 => niwaki_prune::Norm::L2,
    };
    let limits = Limits { tile: recipe.tile, min_width: recipe.minimum };
    let scores = importance.scores(graph, &groups);
    let decision = Allocation::Uniform { ratio: recipe.ratio }.decide(&groups, &scores, limits)?;
    let smaller = shrink(graph, &decision)?;
    let report = niwaki_prune::Report::new(graph, &smaller);
    Ok(Pruned { graph: smaller, report })
}

/// Trains a pruned graph on, with the unpruned one as teacher; then, where the recipe says so, zeroes blocks of weights
/// and trains once more with those held at zero.
pub(crate) fn recover(
    pruned: &Graph,
    teacher: &Graph,
    data: TrainingData<'_>,
    loss: Loss,
    recipe: &Recipe,
    device: &Device,
    progress: &mut dyn FnMut(&str, &Progress),
) -> Result<Graph, CompileError> {
    let mut config = recipe.fine_tune.config(recipe.seed);
    config.loss = loss;
    if recipe.fine_tune.teacher_weight > 0.0 {
        let (temperature, weight) = (recipe.fine_tune.temperature, recipe.fine_tune.teacher_weight);
        config.distillation = Some(Teacher::new(teacher.clone(), temperature, weight));
    }
    let tuned = niwaki_train::fit(pruned, data, &config, device, &mut |at| progress("fine-tune", at))?;
    if recipe.prune.block_ratio == 0.0 {
        return Ok(tuned);
    }
    let masks = block_masks(&tuned, recipe.prune.blocks, recipe.prune.block_ratio)?;
    config.masks = masks.into_iter().map(|mask| Mask { param: mask.param, keep: mask.keep }).collect();
    Ok(niwaki_train::fit(&tuned, data, &config, device, &mut |at| progress("blocks", at))?)
}

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
    let folded = fold_batch_norm(graph);
    let module = GraphModule::new(&folded, device)?;
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
    let quantised = quantise(&folded, &ranges)?;
    let plan = niwaki_plan::plan(&quantised)?;
    let blob = niwaki_pack::pack(&plan, name, recipe_hash)?;
    let (eval, outputs) = run(&blob, &plan, &data.test)?;
    let quality = |(_, samples): &(_, _)| Ok((metric.measure)(&run(&blob, &plan, samples)?.1, samples));
    let more = data.more.iter().map(quality).collect::<Result<_, CompileError>>()?;
    let int8_quality = (metric.measure)(&outputs, &data.test);
    let arena_bytes = niwaki::arena_bytes(&blob);
    let (parameters, macs) = (folded.parameter_count(), folded.total_macs());
    Ok(Int8 { layers: niwaki_pack::layers(&plan), eval, parameters, macs, arena_bytes, int8_quality, more, blob })
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
