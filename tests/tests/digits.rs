//! The digits model on the whole host street: its quality, its reproducibility, its weights in Burn.

use burn::store::{ModuleSnapshot, SafetensorsStore};
use digits::{Digits, SIDE};
use niwaki_compile::{Context, Quantise, Recipe, Task, quantise_and_pack};
use niwaki_graph::Graph;
use niwaki_pack::artefact::Report;
use niwaki_tests::{digits_weights, root, trained_digits};
use niwaki_train::{Device, DynTensor, GraphModule};
use std::path::Path;

fn recipe() -> Recipe {
    Recipe::load(&root().join("models/digits")).expect("the recipe is committed")
}

fn pack(out: &Path, recipe: Recipe) -> Report {
    let mut context = Context { recipe, out: out.into(), device: Device::flex(), progress: Box::new(|_, _| {}) };
    niwaki_compile::pack(&digits::project(), &mut context).expect("packs").0
}

/// What the model promises: half of the channels and more than 60 % of the work gone, at most 1.5 points lost.
#[test]
fn quality_and_size() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let report = pack(out.path(), recipe());
    let (before, after) = (&report.unpruned, &report.pruned);
    assert!(before.samples >= 500);
    assert!(before.float_quality >= 0.97, "{}", before.float_quality);
    assert!(after.int8_quality >= before.float_quality - 0.015, "{} of {}", after.int8_quality, before.float_quality);
    assert_eq!(2 * after.channels, before.channels);
    assert!(after.macs as f64 <= 0.4 * before.macs as f64, "{} of {}", after.macs, before.macs);
    assert!(after.blob_bytes < before.blob_bytes && after.arena_bytes < before.arena_bytes);
}

#[test]
fn the_same_recipe_gives_the_same_blob_and_another_seed_another() {
    let mut recipe = recipe();
    recipe.fine_tune.epochs = 2;
    let blobs = [recipe.seed, recipe.seed, recipe.seed + 1].map(|seed| {
        let out = tempfile::tempdir().expect("a temporary folder");
        let report = pack(out.path(), Recipe { seed, ..recipe.clone() });
        let read = |name: &str| std::fs::read(out.path().join(name)).expect("the report names it");
        (read(&report.unpruned.blob), read(&report.pruned.blob))
    });
    assert!(blobs[0] == blobs[1], "the same seed gave two different blobs");
    assert!(blobs[0].1 != blobs[2].1, "the seed changes nothing");
}

/// A second run does no work again; a failing one leaves what was there.
#[test]
fn results_are_kept() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let mut recipe = recipe();
    recipe.fine_tune.epochs = 1;
    let first = pack(out.path(), recipe.clone());
    let changed =
        |name: &str| std::fs::metadata(out.path().join(name)).expect("was written").modified().expect("known");
    let (pruned, blob) =
        (changed("pruned.safetensors"), std::fs::read(out.path().join("digits.nwk")).expect("written"));
    assert_eq!(pack(out.path(), recipe.clone()), first);
    assert_eq!(changed("pruned.safetensors"), pruned, "fine-tuned again without need");

    recipe.fine_tune.learning_rate = 1e30;
    let mut context = Context { recipe, out: out.path().into(), device: Device::flex(), progress: Box::new(|_, _| {}) };
    let error = niwaki_compile::pack(&digits::project(), &mut context).expect_err("training diverges").to_string();
    assert!(error.contains("learning rate") || error.contains("learning_rate"), "{error}");
    assert_eq!(changed("pruned.safetensors"), pruned);
    assert_eq!(std::fs::read(out.path().join("digits.nwk")).expect("still there"), blob);
    assert_eq!(Report::load(out.path()).expect("still there"), first);
}

/// The stored weights are under the module's own paths: Burn's store loads them into the native module.
#[test]
fn weights_load_into_the_native_module() {
    let device = Device::flex();
    let mut native = Digits::new(&device);
    let mut store = SafetensorsStore::from_file(digits_weights());
    let result = native.load_from(&mut store).expect("Burn reads the file");
    assert!(result.errors.is_empty() && result.missing.is_empty(), "{result:?}");
    let samples = digits::split().expect("the data are committed").test.slice(0..32);
    let images = DynTensor::from_vec(samples.inputs, &[32, 1, SIDE, SIDE], &device);
    let x = images.clone().try_into().expect("four dimensions");
    let expected = DynTensor::from(native.forward(x)).into_vec();
    let module = GraphModule::new(&trained_digits(), &device).expect("a valid graph");
    let captured = module.forward(vec![images]).expect("runs").remove(0).into_vec();
    for (a, b) in expected.iter().zip(&captured) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

/// Every other channel of two layers is 256 times as large and read with weights as much smaller: the same function, whose
/// small channels int8 loses, unless weights are equalised.
#[test]
fn equalised_weights_survive_int8() {
    let mut graph = trained_digits();
    let place = |graph: &Graph, name: &str| {
        graph.params.iter().position(|param| param.name == name).unwrap_or_else(|| panic!("no parameter {name}"))
    };
    // Parameters, how many elements of theirs in a row are of one channel, channels, and the factor.
    let scaled = [
        ("depthwise.norm.gamma", 1, 24, 256.0),
        ("depthwise.norm.beta", 1, 24, 256.0),
        ("pointwise.conv.weight", 1, 24, 1.0 / 256.0),
        ("wide.norm.gamma", 1, 48, 256.0),
        ("wide.norm.beta", 1, 48, 256.0),
        ("classifier.weight", 10, 48, 1.0 / 256.0),
    ];
    for (name, run, channels, factor) in scaled {
        let at = place(&graph, name);
        let odd = |at: &usize| at / run % channels % 2 == 1;
        graph.params[at].data.iter_mut().enumerate().filter(|(at, _)| odd(at)).for_each(|(_, x)| *x *= factor);
    }
    let data = digits::split().expect("the data are committed");
    let quality = |equalise| {
        let recipe = Quantise { equalise, ..recipe().quantise };
        let metric = Task::CLASSIFICATION.metric;
        let packed = quantise_and_pack("digits", &graph, &data, metric, &recipe, [0; 32], &Device::flex());
        packed.expect("packs").int8_quality
    };
    let (plain, equalised) = (quality(false), quality(true));
    println!("digits with spread channels, int8: {plain:.4}, equalised {equalised:.4}");
    assert!(plain < 0.9 && equalised > 0.98, "{plain} and {equalised}");
}
