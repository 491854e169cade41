//! The MLPerf Tiny models: unpruned at the quality of the reference implementation, pruned as their records say, and never
//! judged by what they learnt from. Reads the data sets in the folder NIWAKI_DATA.

use burn::{module::Module, tensor::Device};
use niwaki_compile::{DataSet, Graph, Int8, Project, Recipe, Samples, quantise_and_pack};
use niwaki_data::DataFolder;
use niwaki_tests::root;
use niwaki_train::GraphModule;
use std::collections::HashSet;

struct Packed {
    data: DataSet,
    graph: Graph,
    int8: Int8,
    quality: f64,
}

/// The reference weights, quantised as the model's recipe says.
fn packed<M: Module>(project: &Project<M>) -> Packed {
    let device = Device::flex();
    let data = (project.data)().expect("NIWAKI_DATA has the model's data");
    let mut graph = (project.capture)(&(project.model)(&device)).expect("captures");
    project.weights.expect("brings weights")(&mut graph).expect("they fit");
    let recipe = Recipe::load(&root().join("models").join(project.name)).expect("the recipe is committed").quantise;
    let metric = project.task.metric;
    let int8 = quantise_and_pack(project.name, &graph, &data, metric, &recipe, [0; 32], &device).expect("packs");
    let quality = int8.int8_quality;
    println!("{}: {} {quality:.4} of {} samples", project.name, metric.name, data.test.len());
    Packed { data, graph, int8, quality }
}

/// Share of the samples for which the host's output is largest where the reference implementation's int8 output is.
fn agreement(packed: &Packed, file: &str, classes: usize) -> f64 {
    let eval = &packed.int8.eval;
    let reference = DataFolder::from_environment().and_then(|data| data.i8(file, &[eval.len(), classes]));
    let reference = reference.expect("the data set has the reference's outputs");
    let largest = niwaki_pack::artefact::largest;
    let rows = eval.outputs.chunks_exact(eval.output_bytes).zip(reference.chunks_exact(classes));
    rows.filter(|(ours, theirs)| largest(ours) == largest(theirs)).count() as f64 / eval.len() as f64
}

/// No sample that is judged by is one that is learnt from or calibrated on.
fn apart(data: &DataSet) {
    fn bits(samples: &Samples) -> impl Iterator<Item = Vec<u32>> {
        (0..samples.len()).map(|index| samples.input(index).iter().map(|x| x.to_bits()).collect())
    }
    let learnt: HashSet<Vec<u32>> = bits(&data.train).collect();
    for samples in [&data.test].into_iter().chain(data.more.iter().map(|(_, samples)| samples)) {
        assert_eq!(bits(samples).filter(|sample| learnt.contains(sample)).count(), 0);
    }
}

#[test]
fn keyword_spotting() {
    let kws = packed(&kws::project());
    assert!(kws.quality >= 0.9, "{}", kws.quality);
    assert!(agreement(&kws, "eval/kws01/out_ref.i8", 12) >= 0.97);
    apart(&kws.data);
}

#[test]
fn image_classification() {
    let ic = packed(&ic::project());
    assert!(ic.quality >= 0.865, "{}", ic.quality);
    assert!(agreement(&ic, "eval/ic01/out_ref.i8", 10) >= 0.97);
    let (_, half) = &ic.data.more[0];
    let module = GraphModule::new(&ic.graph, &Device::flex()).expect("a module");
    let float = niwaki_train::evaluate(&module, half, 256).expect("runs").accuracy();
    assert!((ic.int8.more[0] - float).abs() <= 0.005, "{} of {float}", ic.int8.more[0]);
    apart(&ic.data);
}

#[test]
fn visual_wake_words() {
    let vww = packed(&vww::project());
    assert!(vww.quality >= 0.85, "{}", vww.quality);
    assert!(agreement(&vww, "eval/vww01/out_ref.i8", 2) >= 0.97);
    apart(&vww.data);
}

#[test]
fn anomaly_detection() {
    let ad = packed(&ad::project());
    assert!(ad.quality >= 0.85, "{}", ad.quality);
    apart(&ad.data);
}

/// Half of the reference network's work is done by channels that are the same for every image: without them it computes
/// the same in float, to rounding, and in int8, bit for bit.
#[test]
fn dead_channels_of_visual_wake_words_leave_without_a_trace() {
    let device = Device::flex();
    let project = vww::project();
    let data = (project.data)().expect("NIWAKI_DATA has the model's data");
    let test = data.test.slice(0..100);
    let mut graph = (project.capture)(&(project.model)(&device)).expect("captures");
    project.weights.expect("brings weights")(&mut graph).expect("they fit");
    let (smaller, dead) = niwaki_prune::lossless(&graph).expect("valid");
    println!("vww: {dead:?}, {} to {} multiply-accumulates", graph.total_macs(), smaller.total_macs());
    assert!(smaller.total_macs() < 3_800_000 && graph.total_macs() > 7_400_000);
    let float = |graph: &Graph| {
        let module = GraphModule::new(graph, &device).expect("can be run");
        niwaki_train::predict(&module, &test, 100).expect("fits")
    };
    let off = float(&graph).iter().zip(&float(&smaller)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-4, "{off}");
    let few = DataSet { test, more: Vec::new(), ..data };
    let recipe = Recipe::load(&root().join("models/vww")).expect("the recipe is committed").quantise;
    let int8 = |graph: &Graph| {
        let packed = quantise_and_pack("vww", graph, &few, project.task.metric, &recipe, [0; 32], &device);
        packed.expect("packs")
    };
    let (whole, left) = (int8(&graph), int8(&smaller));
    assert!(left.macs < 3_800_000 && whole.macs > 7_400_000);
    assert!(whole.eval.outputs == left.eval.outputs, "int8 outputs differ");
}
