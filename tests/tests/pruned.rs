//! The pruned MLPerf Tiny networks in the models' folders: they yield what their records say, and their recipes still run.
//! Reads the data sets in the folder NIWAKI_DATA.

use burn::{module::Module, tensor::Device};
use niwaki_blob::AlignedBytes;
use niwaki_compile::{
    FineTune, Graph, Project, Recipe, Samples,
    engine::{Bench, prune},
};
use niwaki_pack::history::{FOLDER, History, WEIGHTS};
use niwaki_prune::live_macs;
use niwaki_tests::root;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

fn folder(model: &str) -> PathBuf {
    root().join("models").join(model)
}

fn history(model: &str) -> History {
    History::of_model(&folder(model)).expect("a record of this version").expect("the record is committed")
}

fn sha256(bytes: &[i8]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|x| *x as u8).collect();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a blob makes of samples: int8 inputs and outputs, and outputs as reals; inputs `[c, h, w]` are stored `[h, w, c]`.
fn run(blob: &[u8], samples: &Samples) -> (Vec<i8>, Vec<i8>, Vec<f32>) {
    let model = niwaki::Model::read(blob).expect("a blob");
    let mut arena = vec![0; model.arena_bytes() + 15];
    let mut session = model.session_in(&mut arena).expect("fits");
    let places: Vec<usize> = match samples.input_shape[..] {
        [channels, height, width] => {
            (0..height * width).flat_map(|at| (0..channels).map(move |c| c * height * width + at)).collect()
        }
        _ => (0..samples.sample_len()).collect(),
    };
    let (mut inputs, mut outputs, mut reals) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..samples.len() {
        let sample = samples.input(index);
        session.quantise_input(0, &places.iter().map(|place| sample[*place]).collect::<Vec<_>>());
        inputs.extend_from_slice(session.input_mut(0));
        session.run().expect("runs");
        outputs.extend_from_slice(session.output(0));
        let start = reals.len();
        reals.resize(start + session.output(0).len(), 0.0);
        session.dequantise_output(0, &mut reals[start..]);
    }
    (inputs, outputs, reals)
}

/// Runs the committed blob on every test sample and compares with the record.
fn as_recorded<M: Module>(project: &Project<M>, floor: f64) {
    let (history, data) = (history(project.name), (project.data)().expect("NIWAKI_DATA has the model's data"));
    let bytes = std::fs::read(folder(project.name).join(FOLDER).join(&history.pruned.blob)).expect("committed");
    let blob = AlignedBytes::new(&bytes);
    assert_eq!(blob.len(), history.pruned.blob_bytes);
    let (inputs, outputs, reals) = run(&blob, &data.test);
    assert_eq!(sha256(&inputs), history.golden.inputs_sha256, "the test inputs are those of the record");
    assert_eq!(sha256(&outputs), history.golden.outputs_sha256, "the outputs are those of the record, bit for bit");
    let quality = (project.task.metric.measure)(&reals, &data.test);
    println!("{}: {quality:.4} of {} samples", project.name, data.test.len());
    assert_eq!(quality, history.pruned.int8_quality);
    assert!(quality >= floor, "{quality} is below {floor}");
    for (recorded, (name, samples)) in history.pruned.more.iter().zip(&data.more) {
        let quality = (project.task.metric.measure)(&run(&blob, samples).2, samples);
        println!("{}: {quality:.4} of {name}", project.name);
        assert_eq!(quality, recorded.int8, "{name}");
    }
    // What deploy packs is the committed network, as long as the recipe is the record's.
    let text = std::fs::read_to_string(folder(project.name).join("recipe.toml")).expect("committed");
    let recipe: serde_json::Value = toml::from_str(&text).expect("a recipe");
    assert_eq!(recipe, history.recipe, "recipe and record differ; make it anew with `{}`", history.command);
    let graph = Graph::load(&folder(project.name).join(FOLDER).join(WEIGHTS)).expect("committed");
    assert_eq!(live_macs(&graph), history.live_macs[1]);
}

/// Prunes by the model's own stages, on some samples and with one epoch after each step: what is left is as much as the
/// record says.
fn prunes_shortly<M: Module>(project: &Project<M>) {
    let device = Device::flex();
    let data = (project.data)().expect("NIWAKI_DATA has the model's data");
    let samples = data.train.slice(0..128);
    let recipe = Recipe::load(&folder(project.name)).expect("a recipe");
    let mut graph = (project.capture)(&(project.model)(&device)).expect("captures");
    project.weights.expect("brings weights")(&mut graph).expect("they fit");
    let (start, _) = niwaki_prune::lossless(&graph).expect("valid");
    let mut stages = recipe.prune.stages();
    stages.iter_mut().for_each(|stage| stage.step_epochs = stage.step_epochs.min(1));
    let fine_tune = FineTune { epochs: 1, ..recipe.fine_tune };
    let mut bench = Bench::new(&samples, project.task, &fine_tune, &device);
    let pruned = prune(&start, &stages, &mut bench, None).expect("prunes");
    let (left, recorded) = (live_macs(&pruned.graph) as f64, history(project.name).live_macs[1] as f64);
    assert!((left / recorded - 1.0).abs() < 0.05, "{left}, recorded {recorded}");
    let losses: Vec<f64> = pruned.steps.iter().flat_map(|step| &step.curve).map(|(loss, _)| *loss).collect();
    assert!(!losses.is_empty() && losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
}

#[test]
fn image_classification() {
    as_recorded(&ic::project(), 0.85);
    prunes_shortly(&ic::project());
}

#[test]
fn visual_wake_words() {
    as_recorded(&vww::project(), 0.80);
    prunes_shortly(&vww::project());
}

#[test]
fn anomaly_detection() {
    as_recorded(&ad::project(), 0.85);
    prunes_shortly(&ad::project());
}

#[test]
fn keyword_spotting() {
    as_recorded(&kws::project(), 0.90);
    prunes_shortly(&kws::project());
}
