//! What a recipe can ask of the pruning engine, beyond importances, structures and schedules: teachers, saved scores,
//! stages, features, reconstruction, tables; and leaving encoder layers out.

use niwaki_compile::engine::{Amount, Bench, Keep, Row, SavedScores, Stage, freed_instructions, prune, table};
use niwaki_compile::fit::{Target, Unit};
use niwaki_compile::{
    Context, DataSet, FineTune, Graph, Importance, Metric, Project, Quantise, Recipe, Samples, Structure, Task,
    quantise_and_pack,
};
use niwaki_prune::{Allocation, Limits, live_macs, remove, silence, sites};
use niwaki_tests::{digits_weights, packed, root, trained_digits};
use niwaki_train::{Device, FeaturePair, GraphModule, feature_pairs, observe, predict};
use std::{collections::BTreeMap, fs, path::Path};

const BLOCKS: &str = "2x4";

fn data() -> DataSet {
    digits::split().expect("the data are committed")
}

fn structure(name: &str) -> Structure {
    name.parse().expect("a structure")
}

fn top1(graph: &Graph, samples: &Samples) -> f64 {
    Metric::TOP_1.of(&GraphModule::new(graph, &Device::flex()).expect("can be run"), samples, 256).expect("fits")
}

/// A model's folder with a recipe, and the committed weights if it is not to train.
fn folder(recipe: &str, trained: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("recipe.toml"), recipe).expect("writable");
    if trained {
        fs::copy(digits_weights(), folder.path().join("weights.safetensors")).expect("writable");
    }
    folder
}

fn project(folder: &Path, data: fn() -> Result<DataSet, String>) -> Project<digits::Digits> {
    // A project's folder lives as long as the program.
    let folder: &'static str = Box::leak(folder.to_string_lossy().into_owned().into_boxed_str());
    Project { folder, data, augment: None, ..digits::project() }
}

fn context(folder: &Path, out: &str) -> Context {
    Context {
        recipe: Recipe::load(folder).expect("parses"),
        out: folder.join(out),
        device: Device::flex(),
        progress: Box::new(|_, _| {}),
    }
}

/// Digits whose labels for training say nothing.
fn mislabelled() -> Result<DataSet, String> {
    let mut data = digits::split()?;
    data.train.labels.fill(0);
    Ok(data)
}

/// A few digits to learn from.
fn few() -> Result<DataSet, String> {
    let data = digits::split()?;
    Ok(DataSet { train: data.train.slice(0..192), ..data })
}

fn pruned(folder: &Path, out: &str, data: fn() -> Result<DataSet, String>, change: impl Fn(&mut Recipe)) -> Graph {
    let mut context = context(folder, out);
    change(&mut context.recipe);
    niwaki_compile::prune(&project(folder, data), &mut context).expect("prunes");
    Graph::load(&context.out.join("pruned.safetensors")).expect("written")
}

#[test]
fn a_recipe_names_a_teacher() {
    let recipe =
        "seed = 7\n[train]\nepochs = 12\nlearning-rate = 5e-3\nteacher = \"teacher.safetensors\"\nteacher-weight = 1.0";
    let folder = folder(recipe, false);
    trained_digits().save(&folder.path().join("teacher.safetensors")).expect("writable");
    let mut context = context(folder.path(), "out");
    niwaki_compile::train(&project(folder.path(), mislabelled), &mut context, false).expect("trains");
    let student = Graph::load(&context.out.join("weights.safetensors")).expect("written");
    let quality = top1(&student, &data().test);
    assert!(quality > 0.9, "{quality} of the digits, which nothing but the teacher told apart");
    fs::remove_file(folder.path().join("teacher.safetensors")).expect("is there");
    let error = niwaki_compile::train(&project(folder.path(), mislabelled), &mut context, false);
    let error = error.expect_err("no teacher").to_string();
    assert!(error.contains("teacher.safetensors"), "{error}");
}

#[test]
fn scores_of_a_file_decide() {
    let folder = folder("seed = 7\n[prune]\nratio = 0.5\ntile = 1\nminimum = 1\n[fine-tune]\nepochs = 0", true);
    let own = pruned(folder.path(), "own", few, |_| {});
    let file = folder.path().join("own/scores.json");
    let mut scores = SavedScores::load(&file).expect("every run saves its scores");
    // The least important become the most important.
    scores.sites.iter_mut().flat_map(|site| &mut site.scores).for_each(|score| *score = -*score);
    let turned = folder.path().join("turned.json");
    scores.save(&turned).expect("writable");
    let other = pruned(folder.path(), "other", few, |recipe| recipe.prune.scores = Some(turned.clone()));
    let whole = trained_digits();
    let found = sites(&whole, Structure::Channels).expect("valid");
    let given = scores.for_sites(&found).expect("of this network");
    let half = Allocation::Uniform { ratio: 0.5 };
    let decision = half.decide_sites(&found, &given, Limits::default(), &BTreeMap::new()).expect("fits");
    assert_eq!(other.params, remove(&whole, Structure::Channels, &decision).expect("fits").params);
    assert_ne!(own.params, other.params);
    assert_eq!(SavedScores::load(&folder.path().join("other/scores.json")).expect("saved"), scores);
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{}").expect("writable");
    let mut context = context(folder.path(), "broken");
    context.recipe.prune.scores = Some(broken);
    let error = niwaki_compile::prune(&project(folder.path(), few), &mut context).expect_err("no scores").to_string();
    assert!(error.contains("broken.json") && error.contains("no scores"), "{error}");
}

#[test]
fn stages_follow_each_other() {
    let recipe = "seed = 7\n[prune]\nratio = 0.5\n[[prune.then]]\nstructure = \"2x4\"\nratio = 0.5\nimportance = \"l2\"\n\
                  [[prune.then]]\nstructure = \"weights\"\nratio = 0.75\n[fine-tune]\nepochs = 1";
    let folder = folder(recipe, true);
    let graph = pruned(folder.path(), "out", few, |_| {});
    let whole = trained_digits();
    assert!(graph.total_macs() * 10 < whole.total_macs() * 4, "channels left first");
    // Blocks, then single weights among what blocks left: three quarters of every weight that has blocks.
    let weights = sites(&graph, Structure::Weights).expect("valid");
    for site in &weights.sites {
        let (id, _) = &site.gates[0];
        let data = &graph.param(*id).data;
        let zeros = data.iter().filter(|x| **x == 0.0).count() as f64 / data.len() as f64;
        assert!((zeros - 0.75).abs() < 0.05, "{}: {zeros}", site.name);
    }
    let blocks = sites(&graph, structure(BLOCKS)).expect("valid");
    for site in &blocks.sites {
        let (id, map) = &site.gates[0];
        let mut live = vec![false; site.units];
        let members = graph.param(*id).data.iter().zip(map).filter(|(x, unit)| **x != 0.0 && **unit != u32::MAX);
        members.for_each(|(_, unit)| live[*unit as usize] = true);
        let gone = live.iter().filter(|live| !**live).count() as f64 / site.units as f64;
        assert!(gone > 0.45, "{}: {gone} of the blocks", site.name);
    }
}

/// How alike samples look to each other inside a network: rows of the matrix of their products, each of length one.
fn similarity(graph: &Graph, name: &str, samples: &Samples) -> Vec<f32> {
    let id = graph.values.iter().position(|value| value.name == name).expect("a value");
    let mut rows: Vec<Vec<f32>> = Vec::new();
    let module = GraphModule::new(graph, &Device::flex()).expect("can be run");
    observe(&module, samples, samples.len(), &mut |value, _, data| {
        if value.0 == id {
            rows = data.chunks(data.len() / samples.len()).map(<[f32]>::to_vec).collect();
        }
    })
    .expect("fits");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    rows.iter()
        .flat_map(|a| {
            let row: Vec<f32> = rows.iter().map(|b| dot(a, b)).collect();
            let length = dot(&row, &row).sqrt();
            row.into_iter().map(move |x| x / length).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn features_of_the_unpruned_network_are_matched() {
    let folder = folder("seed = 7\n[prune]\nratio = 0.5\n[fine-tune]\nepochs = 4\nteacher-weight = 1.0", true);
    let (whole, samples) = (trained_digits(), data().test.slice(0..64));
    let distance = |weight: f64| {
        let out = format!("features-{weight}");
        let graph = pruned(folder.path(), &out, few, |recipe| recipe.fine_tune.feature_weight = weight);
        let pairs = feature_pairs(&graph, &whole);
        assert!(pairs.len() > 2, "{pairs:?}");
        let of = |pair: &FeaturePair| {
            let (a, b) = (similarity(&graph, &pair.student, &samples), similarity(&whole, &pair.teacher, &samples));
            a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
        };
        pairs.iter().map(of).sum::<f32>() / pairs.len() as f32
    };
    let (without, with) = (distance(0.0), distance(3000.0));
    assert!(with < 0.9 * without, "{with} with features matched, {without} without");
}

/// Fitting what is left to what was there before: better than what was left, without any training, and masks hold.
#[test]
fn reconstruction_brings_the_old_outputs_back() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let run = |structure: Structure, reconstruct: bool| {
        let fine_tune = FineTune { reconstruct, epochs: 0, ..FineTune::default() };
        let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
        let stage = Stage { structure, importance: Importance::Random, ..Stage::ratio(0.4) };
        prune(&graph, &[stage], &mut bench, None).expect("prunes").graph
    };
    for name in ["channels", BLOCKS, "weights"] {
        let (fitted, left) = (run(structure(name), true), run(structure(name), false));
        assert_eq!(live_macs(&fitted), live_macs(&left), "{name}: zeros stay");
        let (fitted, left) = (top1(&fitted, &data.test), top1(&left, &data.test));
        assert!(fitted > left + 0.1, "{name}: {fitted} fitted, {left} as left");
    }
    // Nothing was removed: nothing changes but for rounding.
    let fine_tune = FineTune { reconstruct: true, epochs: 0, ..FineTune::default() };
    let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
    let same = prune(&graph, &[Stage::ratio(0.0)], &mut bench, None).expect("prunes").graph;
    for (a, b) in same.params.iter().zip(&graph.params) {
        assert!(a.data.iter().zip(&b.data).all(|(a, b)| (a - b).abs() < 1e-5), "{}", a.name);
    }
}

/// Single zeros cost no room where they are packed compactly, and change no output.
#[test]
fn single_zeros_are_packed_compactly() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let data = DataSet { test: data.test.slice(0..100), ..data };
    let fine_tune = FineTune { epochs: 0, ..FineTune::default() };
    for name in ["weights", "2:4"] {
        let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
        let stage = Stage { structure: structure(name), ..Stage::ratio(0.75) };
        let zeros = prune(&graph, &[stage], &mut bench, None).expect("prunes").graph;
        let packed = |compact| {
            let recipe = Quantise { compact, samples: 64, ..Quantise::default() };
            let packed = quantise_and_pack("digits", &zeros, &data, Metric::TOP_1, &recipe, [0; 32], &device);
            packed.expect("packs")
        };
        let (plain, compact) = (packed(false), packed(true));
        assert!(plain.eval == compact.eval, "{name}: the same outputs");
        let share = compact.blob.len() as f64 / plain.blob.len() as f64;
        assert!(share < if name == "weights" { 0.6 } else { 0.8 }, "{name}: {share}");
    }
}

/// What a dry run says that groups free, in instructions: what was measured on an emulated core says how much.
#[test]
fn groups_free_instructions() {
    let graph = trained_digits();
    let found = niwaki_prune::groups(&graph).expect("valid");
    for (core, kernels, expected) in [("cortex-m4", "dsp", 200_000..500_000), ("cortex-m0", "v6m", 700_000..1_200_000)]
    {
        let target = Target::new(core, kernels, Unit::Instructions).expect("there are such kernels");
        let (whole, freed) = freed_instructions(&graph, &found, 4, &target).expect("every operation was measured");
        assert!(expected.contains(&whole), "{whole} on {core}");
        assert_eq!(freed.len(), found.prunable.len());
        for freed in &freed {
            assert!(freed.units == 4 && freed.instructions > 0, "{freed:?}");
            assert!((freed.instructions as u64) < whole / 2, "{freed:?} of {whole}");
        }
    }
    let target = Target::new("cortex-m99", "dsp", Unit::Instructions).expect("there are such kernels");
    let error = freed_instructions(&graph, &found, 4, &target).expect_err("no such core").to_string();
    assert!(error.contains("cortex-m99"), "{error}");
}

#[test]
fn a_table_shares_its_way_and_is_gone_on_with() {
    let (data, device, graph) = (few().expect("the data are committed"), Device::flex(), trained_digits());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |structures: &[&str]| Row {
        importance: Importance::L1,
        structures: structures.iter().map(|name| structure(name)).collect(),
    };
    let rows = [row(&["channels"]), row(&["channels", BLOCKS])];
    let fine_tune = FineTune { epochs: 1, augment: false, ..FineTune::default() };
    let template = Stage { amount: Amount::Ratio(0.0), tile: 4, ..Stage::ratio(0.0) };
    let recipe = Quantise { samples: 64, ..Quantise::default() };
    let fill = |shares: &[f64]| {
        let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
        let mut epochs = 0;
        let cells = {
            let count = &mut epochs;
            bench.progress = Box::new(move |_, at| *count += usize::from(at.step == at.steps));
            let keep = Keep { folder: folder.path(), key: "digits" };
            let (table_of, given) = ((&rows[..], shares), (&data, &recipe));
            table(&graph, table_of, &template, given, &mut bench, keep, &mut |_| {}).expect("fills")
        };
        drop(bench);
        (cells, epochs)
    };
    let (cells, epochs) = fill(&[0.6, 0.3]);
    assert_eq!((cells.len(), epochs), (4, 5), "stops of channels at 77, 60 and 30 %, blocks from the first two");
    for cell in &cells {
        assert!((cell.left - cell.wanted).abs() < 0.12, "{cell:?}");
        assert!((cell.float - cell.int8).abs() < 0.1, "{cell:?}");
    }
    assert!(cells[0].float > 0.8, "{:?}", cells[0]);
    let path = |cell: &niwaki_compile::engine::Cell| (cell.row.structures.len(), cell.wanted, cell.epochs);
    let mut paths: Vec<_> = cells.iter().map(path).collect();
    paths.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    assert_eq!(paths, [(1, 0.3, 3), (1, 0.6, 2), (2, 0.3, 3), (2, 0.6, 2)]);
    let (again, epochs) = fill(&[0.6, 0.3]);
    // Numbers in the file are rounded in their last bit.
    let same = again.iter().zip(&cells).all(|(a, b)| a.row == b.row && (a.float - b.float).abs() < 1e-9);
    assert!(same && again.len() == 4 && epochs == 0, "{again:?}");
}

/// Residual branches of a transformer: attention or feed-forward as a whole.
#[test]
fn encoder_layers_leave_a_vision_transformer() {
    let project = digits_vit::project();
    let mut graph = (project.capture)(&digits_vit::DigitsVit::new(&Device::flex())).expect("only supported operations");
    let stored = Graph::load(&root().join("models/digits-vit/weights.safetensors")).expect("the weights are committed");
    for param in &mut graph.params {
        let found = stored.params.iter().find(|other| other.name == param.name).expect("the weights are of this model");
        param.data.clone_from(&found.data);
    }
    let found = sites(&graph, Structure::Layers).expect("valid");
    assert_eq!(found.sites.iter().map(|site| site.units).sum::<usize>(), 4, "two of attention, two feed-forward");
    let (data, device) = (few().expect("the data are committed"), Device::flex());
    let fine_tune = FineTune { epochs: 1, ..FineTune::default() };
    let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
    let stage = Stage { structure: Structure::Layers, importance: Importance::Taylor, ..Stage::ratio(0.5) };
    let result = prune(&graph, &[stage], &mut bench, None).expect("prunes");
    let decision = &result.steps[0].decision;
    assert_eq!(decision.groups.iter().map(|removal| removal.remove.len()).sum::<usize>(), 2);
    assert!(result.graph.parameter_count() * 10 < graph.parameter_count() * 8);
    assert!(result.graph.total_macs() * 10 < graph.total_macs() * 8);
    // Before training on: what is gone is what is silent.
    let outputs = |graph: &Graph| {
        predict(&GraphModule::new(graph, &device).expect("can be run"), &data.test.slice(0..64), 64).expect("fits")
    };
    let smaller = remove(&graph, Structure::Layers, decision).expect("fits");
    let silent = silence(&graph, Structure::Layers, decision).expect("fits");
    for (a, b) in outputs(&smaller).iter().zip(outputs(&silent)) {
        assert!((a - b).abs() < 1e-5, "gone {a}, silent {b}");
    }
    // And it still quantises and runs.
    let (_, blob) = packed(&result.graph, &data.train.slice(0..64));
    assert!(niwaki::Model::read(&blob).is_ok());
    let quality = top1(&result.graph, &data.test);
    assert!(quality > 0.5, "{quality}");
}
