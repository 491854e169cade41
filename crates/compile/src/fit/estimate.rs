//! What a graph would take on a core, without training or running it: packed with ranges that were found before.

use crate::{CompileError, DataSet, Quantise, stages::calibrated_ranges};
use burn::tensor::Device;
use niwaki_blob::{AlignedBytes, Blob};
use niwaki_graph::{Graph, fold_batch_norm};
use niwaki_pack::{Isa, cost::predict, repack_for};
use niwaki_quantise::{Range, quantise};
use std::collections::BTreeMap;

/// What counts on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Executed instructions.
    Instructions,
    /// Cycles, estimated or measured.
    Cycles,
}

/// A core whose kernels' costs were measured, and the kernels that its firmware has.
#[derive(Clone, Debug)]
pub struct Target {
    /// The core, named as in board.toml.
    pub core: String,
    /// The kernels, named as in board.toml.
    pub isa: Isa,
    /// What is to be saved.
    pub unit: Unit,
}

impl Target {
    /// By the names that board.toml has.
    ///
    /// # Errors
    /// Names kernels that there are not.
    pub fn new(core: &str, kernels: &str, unit: Unit) -> Result<Self, CompileError> {
        let isa = match kernels {
            "scalar" => Isa::Scalar,
            "dsp" => Isa::Dsp,
            "helium" => Isa::Helium,
            "v7m" => Isa::V7m,
            "v6m" => Isa::V6m,
            "neon" => Isa::Neon,
            _ => return Err(CompileError::Fit(format!("there are no kernels called {kernels}"))),
        };
        Ok(Self { core: core.into(), isa, unit })
    }
}

/// What a packed graph takes.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// Predicted, in the target's unit.
    pub cost: f64,
    /// The blob in the layout of the core's kernels, exact.
    pub blob_bytes: usize,
    /// Tensors and scratch, exact.
    pub arena_bytes: usize,
    /// Bytes that live at each step, scratch included: where the arena's peaks are.
    pub live_bytes: Vec<usize>,
}

/// Ranges by the values' names, so that graphs with fewer channels or nodes can use them.
pub type Ranges = BTreeMap<String, Range>;

/// Calibrates a graph.
pub fn ranges(graph: &Graph, data: &DataSet, recipe: &Quantise, device: &Device) -> Result<Ranges, CompileError> {
    let folded = fold_batch_norm(graph);
    let found = calibrated_ranges(&folded, data, recipe, device)?;
    Ok(folded.values.iter().map(|value| value.name.clone()).zip(found).collect())
}

/// Packs a graph with these ranges, in the plain layout.
pub fn packed(
    name: &str,
    graph: &Graph,
    ranges: &Ranges,
) -> Result<(AlignedBytes, Vec<usize>, Vec<niwaki_pack::artefact::Layer>), CompileError> {
    let folded = fold_batch_norm(graph);
    let range = |value: &niwaki_graph::Value| {
        let unknown = || CompileError::Fit(format!("no range is known of `{}`", value.name));
        ranges.get(&value.name).copied().ok_or_else(unknown)
    };
    let ranges: Vec<Range> = folded.values.iter().map(range).collect::<Result<_, _>>()?;
    let plan = niwaki_plan::plan(&quantise(&folded, &ranges)?)?;
    let blob = niwaki_pack::pack(&plan, name, [0; 32])?;
    Ok((blob, plan.live_bytes(), niwaki_pack::layers(&plan)))
}

/// Estimates what a graph takes.
pub fn estimate(graph: &Graph, ranges: &Ranges, target: &Target) -> Result<Estimate, CompileError> {
    let (blob, live, _) = packed("estimate", graph, ranges)?;
    let repacked = match target.isa {
        Isa::Scalar => blob,
        isa => repack_for(&blob, isa, &target.core).map_err(|error| CompileError::Fit(error.to_string()))?,
    };
    let costs = predict(&repacked, &target.core).map_err(|error| CompileError::Fit(error.to_string()))?;
    let no_cycles = || {
        let core = &target.core;
        CompileError::Fit(format!("nothing estimates the cycles of {core}; give a budget of instructions"))
    };
    let of = |cost: &niwaki_pack::cost::Cost| match target.unit {
        Unit::Instructions => Ok(cost.instructions),
        Unit::Cycles => cost.cycles.ok_or_else(no_cycles),
    };
    let cost = costs.iter().map(of).sum::<Result<f64, _>>()?;
    let read = Blob::read(&repacked).map_err(|error| CompileError::Fit(error.to_string()))?;
    let scratch = read.scratch_bytes();
    Ok(Estimate {
        cost,
        blob_bytes: repacked.len(),
        arena_bytes: read.tensor_bytes() + scratch,
        live_bytes: live.into_iter().map(|bytes| bytes + scratch).collect(),
    })
}
