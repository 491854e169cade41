//! What the tests of both halves share: trained digits as a graph, and a blob made from any graph.

pub mod zoo;

use digits::{Digits, SIDE};
use niwaki_blob::AlignedBytes;
use niwaki_graph::{Graph, fold_batch_norm};
use niwaki_plan::Plan;
use niwaki_quantise::{Calibration, Method, quantise};
use niwaki_train::{Device, GraphModule, Samples};
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The digits model's committed weights.
pub fn digits_weights() -> PathBuf {
    root().join("models/digits/weights.safetensors")
}

/// The digits model captured, with its committed weights.
pub fn trained_digits() -> Graph {
    let device = Device::flex();
    let graph = niwaki_capture::capture(&Digits::new(&device), [1, 1, SIDE, SIDE], Digits::forward);
    let mut graph = graph.expect("digits has only supported operations");
    let stored = Graph::load(&digits_weights()).expect("the weights are committed");
    for param in &mut graph.params {
        let found = stored.params.iter().find(|other| other.name == param.name).expect("the weights are of this model");
        param.data.clone_from(&found.data);
    }
    graph
}

/// A graph quantised with the ranges that these samples show, planned and packed in the plain layout.
pub fn packed(graph: &Graph, samples: &Samples) -> (Plan, AlignedBytes) {
    let folded = fold_batch_norm(graph);
    let module = GraphModule::new(&folded, &Device::flex()).expect("a valid graph");
    let mut calibration = Calibration::new(folded.values.len());
    niwaki_train::observe(&module, samples, 64, &mut |id, _, data| calibration.observe(id, data)).expect("runs");
    let quantised = quantise(&folded, &calibration.ranges(Method::MinMax)).expect("quantises");
    let plan = niwaki_plan::plan(&quantised).expect("plans");
    let blob = niwaki_pack::pack(&plan, "test", [0; 32]).expect("packs");
    (plan, blob)
}

/// Reproducible inputs between -1 and 1, some of them at both ends.
pub fn random_samples(shape: &[usize], count: usize) -> Samples {
    let len = count * shape.iter().product::<usize>();
    // A linear congruential sequence (Knuth, MMIX).
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0).clamp(-0.9, 0.9) / 0.9
    };
    Samples::new(shape.to_vec(), (0..len).map(|_| next()).collect(), vec![0; count]).expect("lengths agree")
}
