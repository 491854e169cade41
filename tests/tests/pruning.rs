//! The pruning engine on the digits: every importance, structure and schedule, in a small setting.

use niwaki_compile::engine::{
    Amount, Bench, Keep, Pace, SavedScores, Share, Stage, explain, fake_quantisation, prune, score, sensitivity,
    train_quantised,
};
use niwaki_compile::{
    DataSet, FineTune, Graph, Importance, Metric, Quantise, Samples, Structure, Task, quantise_and_pack,
};
use niwaki_graph::fold_batch_norm;
use niwaki_prune::{Allocation, Limits, live_macs, remove, silence, sites, sparse_params};
use niwaki_tests::trained_digits;
use niwaki_train::{Device, GraphModule, predict};
use std::collections::BTreeMap;

const STRUCTURES: [&str; 8] = ["channels", "layers", "1x4", "2x4", "4x4", "2:4", "weights", "neurons"];

fn data() -> DataSet {
    digits::split().expect("the data are committed")
}

/// Ten images of each digit or so.
fn few(data: &DataSet) -> Samples {
    data.train.slice(0..96)
}

fn quick(epochs: usize) -> FineTune {
    FineTune { epochs, batch: 32, learning_rate: 2e-3, ..FineTune::default() }
}

fn outputs(graph: &Graph, samples: &Samples) -> Vec<f32> {
    predict(&GraphModule::new(graph, &Device::flex()).expect("can be run"), samples, 64).expect("fits")
}

fn top1(graph: &Graph, samples: &Samples) -> f64 {
    Metric::TOP_1.of(&GraphModule::new(graph, &Device::flex()).expect("can be run"), samples, 256).expect("fits")
}

/// Share of a structure's units that are gone.
fn gone(before: &Graph, after: &Graph, structure: Structure) -> f64 {
    let units =
        |graph: &Graph| sites(graph, structure).expect("valid").sites.iter().map(|site| site.units).sum::<usize>();
    match structure.shrinks() {
        true => 1.0 - units(after) as f64 / units(before).max(1) as f64,
        false => {
            let found = sites(after, structure).expect("valid");
            let zero = |site: &niwaki_prune::Site| {
                let (id, map) = &site.gates[0];
                let mut live = vec![false; site.units];
                let weights =
                    after.param(*id).data.iter().zip(map).filter(|(x, unit)| **x != 0.0 && **unit != u32::MAX);
                weights.for_each(|(_, unit)| live[*unit as usize] = true);
                live.iter().filter(|live| !**live).count()
            };
            found.sites.iter().map(zero).sum::<usize>() as f64 / units(before).max(1) as f64
        }
    }
}

/// Digits with a hidden layer, so that there are neurons.
fn with_neurons() -> Graph {
    let mut graph = trained_digits();
    let head = graph.nodes.iter().position(|node| node.name == "classifier").expect("in the graph");
    let [input] = graph.nodes[head].inputs[..] else { panic!("one operand") };
    let mut random = (0..48 * 16).map(|k| ((k * 37 % 101) as f32 / 50.0 - 1.0) * 0.3);
    let weight = graph.add_param("hidden.weight", vec![48, 16], random.by_ref().collect());
    let node = graph.nodes.remove(head);
    let hidden = graph
        .push("hidden", niwaki_graph::Op::Linear(niwaki_graph::Linear { weight, bias: None }), &[input])
        .expect("fits");
    let weight = graph.add_param("last.weight", vec![16, 10], (0..160).map(|k| (k as f32 * 0.7).sin() * 0.4).collect());
    let last = niwaki_graph::Linear { weight, bias: None };
    let output = graph.push("last", niwaki_graph::Op::Linear(last), &[hidden]).expect("fits");
    graph.outputs = vec![output];
    assert!(node.name == "classifier");
    graph.compact();
    graph.validate().expect("valid");
    graph
}

#[test]
fn every_importance_and_structure_and_schedule() {
    let (data, device) = (data(), Device::flex());
    let samples = few(&data);
    let (plain, wide) = (trained_digits(), with_neurons());
    let fine_tune = quick(1);
    for name in STRUCTURES {
        let structure: Structure = name.parse().expect("a name");
        let graph = if name == "neurons" { &wide } else { &plain };
        let found = sites(graph, structure).expect("valid");
        for importance in Importance::ALL {
            let mut bench = Bench::new(&samples, Task::CLASSIFICATION, &fine_tune, &device);
            let scores = score(graph, &found, importance, 0.5, &mut bench).expect("scores");
            let half = Allocation::Uniform { ratio: 0.5 };
            let decision = half.decide_sites(&found, &scores, Limits::default(), &BTreeMap::new()).expect("fits");
            let (smaller, masked) = (
                remove(graph, structure, &decision).expect("fits"),
                silence(graph, structure, &decision).expect("fits"),
            );
            // What is gone and what is silent compute the same, on Burn.
            let (a, b) = (outputs(&smaller, &samples), outputs(&masked, &samples));
            let largest = a.iter().fold(1.0f32, |most, x| most.max(x.abs()));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5 * largest), "{importance} {name}");
            assert!(live_macs(&smaller) < live_macs(graph), "{importance} {name}");
            // The last of these has the same scores again: from a file.
            let saved = SavedScores::new(importance, &found, &scores);
            assert_eq!(saved.for_sites(&found).expect("the same network"), scores);
            for pace in [Pace::OneShot, Pace::Iterative, Pace::Cubic] {
                let stage = Stage { structure, importance, pace, steps: 2, ..Stage::ratio(0.5) };
                let mut bench = Bench::new(&samples, Task::CLASSIFICATION, &fine_tune, &device);
                bench.scores = Some(saved.clone());
                let pruned = prune(graph, std::slice::from_ref(&stage), &mut bench, None).expect("prunes");
                assert_eq!(pruned.steps.len(), stage.step_count());
                let reached = gone(graph, &pruned.graph, structure);
                let expected = if name == "layers" { 1.0 } else { 0.5 };
                assert!((reached - expected).abs() < 0.02, "{importance} {name} {pace}: {reached} is gone");
            }
        }
    }
}

/// Without training on: what is measured on samples picks better channels than chance.
#[test]
fn what_is_measured_beats_chance() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let fine_tune = quick(0);
    let quality = |importance: Importance| {
        let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
        bench.seed = 3;
        let stage = Stage { importance, ..Stage::ratio(0.25) };
        top1(&prune(&graph, &[stage], &mut bench, None).expect("prunes").graph, &data.test)
    };
    let random = quality(Importance::Random);
    for importance in [Importance::Taylor, Importance::WeightGradient, Importance::LearnedL0] {
        let found = quality(importance);
        assert!(found > random, "{importance} {found}, random {random}");
    }
}

/// Without training on, but with what stays fitted: the optimal brain surgeon leaves out other blocks than sizes or chance
/// do, and loses less.
#[test]
fn the_surgeon_keeps_outputs() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let fine_tune = FineTune { reconstruct: true, ..quick(0) };
    let before = outputs(&graph, &data.test);
    let error = |importance: Importance| {
        let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
        let structure = "2x4".parse().expect("a name");
        let stage = Stage { importance, structure, share: Share::Global, ..Stage::ratio(0.6) };
        let pruned = prune(&graph, &[stage], &mut bench, None).expect("prunes").graph;
        let squares =
            outputs(&pruned, &data.test).iter().zip(&before).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        squares / before.len() as f64
    };
    let (surgeon, taylor, size) = (error(Importance::Obs), error(Importance::Taylor), error(Importance::L2));
    assert!(surgeon < 0.9 * taylor && surgeon < 0.9 * size, "obs {surgeon}, taylor {taylor}, l2 {size}");
}

#[test]
fn learned_masks_reach_their_target() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let fine_tune = quick(0);
    let found = sites(&graph, Structure::Channels).expect("valid");
    for importance in [Importance::LearnedL0, Importance::LearnedL1] {
        for density in [0.5, 0.25] {
            let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
            let scores = score(&graph, &found, importance, density, &mut bench).expect("scores");
            let all: Vec<f32> = scores.groups.concat();
            let mean = f64::from(all.iter().sum::<f32>()) / all.len() as f64;
            assert!((mean - density).abs() < 0.02, "{importance}: {mean} open, {density} asked");
        }
    }
}

#[test]
fn multiply_accumulates_are_reached_and_a_floor_holds() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let fine_tune = quick(1);
    for (structure, share) in [("channels", Share::Global), ("2x4", Share::Uniform), ("channels", Share::Sensitivity)] {
        let structure = structure.parse().expect("a name");
        let amount = Amount::MacsLeft(0.5);
        let stage = Stage { structure, share, amount, importance: Importance::Taylor, ..Stage::ratio(0.0) };
        let samples = few(&data);
        let mut bench = Bench::new(&samples, Task::CLASSIFICATION, &fine_tune, &device);
        let pruned = prune(&graph, &[stage], &mut bench, None).expect("prunes");
        let left = live_macs(&pruned.graph) as f64 / live_macs(&graph) as f64;
        assert!((left - 0.5).abs() < 0.03, "{structure} {share}: {left}");
    }
    // Nothing may be lost, and most of the network is to leave without training: the first step is undone.
    let fine_tune = quick(0);
    let mut bench = Bench::new(&data.train, Task::CLASSIFICATION, &fine_tune, &device);
    bench.floor = Some(0.01);
    let stage = Stage { importance: Importance::Random, ..Stage::ratio(0.9) };
    let pruned = prune(&graph, &[stage], &mut bench, None).expect("prunes");
    assert!(pruned.stopped.as_deref().is_some_and(|reason| reason.contains("points")), "{:?}", pruned.stopped);
    assert_eq!(pruned.graph, graph);
}

#[test]
fn a_pruned_network_is_saved_and_pruned_again() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let (samples, fine_tune) = (few(&data), quick(1));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |graph: &Graph, structure: Structure| {
        let mut bench = Bench::new(&samples, Task::CLASSIFICATION, &fine_tune, &device);
        prune(graph, &[Stage { structure, ..Stage::ratio(0.5) }], &mut bench, None).expect("prunes").graph
    };
    let sparse = run(&graph, Structure::Weights);
    let file = folder.path().join("pruned.safetensors");
    sparse.save(&file).expect("writes");
    let loaded = Graph::load(&file).expect("reads without the model's code");
    assert_eq!(loaded, sparse);
    // Its channels leave next; its zeros are known from the file alone, and training leaves them zero.
    let again = run(&loaded, Structure::Channels);
    assert!(again.parameter_count() < loaded.parameter_count());
    let share = |graph: &Graph| {
        let names = sparse_params(graph, 0.1);
        let held = graph.params.iter().filter(|param| names.contains(&param.name));
        let (zeros, all) = held.fold((0, 0), |sum, param| {
            (sum.0 + param.data.iter().filter(|x| **x == 0.0).count(), sum.1 + param.data.len())
        });
        zeros as f64 / all.max(1) as f64
    };
    assert!(share(&again) > 0.3 && sparse_params(&again, 0.1) == sparse_params(&loaded, 0.1), "{}", share(&again));
}

#[test]
fn finished_steps_are_gone_on_from() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let (samples, fine_tune) = (few(&data), quick(1));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stage = Stage { pace: Pace::Iterative, steps: 4, ..Stage::ratio(0.5) };
    let run = |stages: &[Stage], key: &str| {
        let mut bench = Bench::new(&samples, Task::CLASSIFICATION, &fine_tune, &device);
        prune(&graph, stages, &mut bench, Some(Keep { folder: folder.path(), key })).expect("prunes")
    };
    let whole = run(std::slice::from_ref(&stage), "a");
    assert_eq!((whole.steps.len(), whole.resumed), (4, 0));
    let again = run(std::slice::from_ref(&stage), "a");
    assert_eq!((again.resumed, &again.graph), (4, &whole.graph));
    assert_eq!(run(&[stage], "b").resumed, 0, "another network's steps are not its own");
}

#[test]
fn sensitivity_is_measured_for_every_group() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let (samples, fine_tune) = (few(&data), quick(0));
    let mut bench = Bench::new(&samples, Task::CLASSIFICATION, &fine_tune, &device);
    let found = sites(&graph, Structure::Channels).expect("valid");
    let scores = score(&graph, &found, Importance::L1, 0.5, &mut bench).expect("scores");
    let curves = sensitivity(&graph, &found, &scores, &bench).expect("measures");
    assert_eq!(curves.sites.len(), found.sites.len());
    for (site, curve) in &curves.sites {
        let (least, most) = (curve[0], curve[curve.len() - 1]);
        assert!(most.0 > 0.8 && most.1 > least.1 && most.1 > curves.loss, "{site}: {curve:?}");
    }
}

/// Rounding in training is that of the int8 runtime, training with it does not cost, and masks stay.
#[test]
fn training_sees_the_rounding_of_int8() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let recipe = Quantise { epochs: 2, samples: 256, ..Quantise::default() };
    let packed = |graph: &Graph| {
        quantise_and_pack("digits", graph, &data, Metric::TOP_1, &recipe, [0; 32], &device).expect("packs")
    };
    let folded = fold_batch_norm(&graph);
    let module = GraphModule::new(&folded, &device).expect("can be run");
    let mut calibration = niwaki_quantise::Calibration::new(folded.values.len());
    let seen = data.train.slice(0..256);
    niwaki_train::observe(&module, &seen, 256, &mut |id, _, data| calibration.observe(id, data)).expect("runs");
    let quantised =
        niwaki_quantise::quantise(&folded, &calibration.ranges(niwaki_quantise::Method::Mse)).expect("fits");
    let fake = fake_quantisation(&quantised);
    let mut rounded = Vec::new();
    let output = folded.outputs[0];
    let visit = &mut |id, _: &[usize], data: &[f32]| {
        if id == output {
            rounded.extend_from_slice(data);
        }
    };
    niwaki_train::observe_rounded(&module, &fake, &data.test, 256, visit).expect("runs");
    let int8 = packed(&graph);
    let steps = quantised.values[output.0];
    let off = rounded.iter().zip(&int8.eval.outputs).map(|(x, q)| ((x - steps.dequantise(*q)) / steps.scale).abs());
    let (total, most) = off.fold((0.0, 0.0f32), |(total, most), x| (total + x, most.max(x)));
    let mean = total / rounded.len() as f32;
    assert!(mean < 0.2 && most < 4.0, "steps between training and the runtime: {mean} on average, {most} at most");

    let samples = data.train.slice(0..400);
    let fine_tune = quick(1);
    let mut bench = Bench::new(&samples, Task::CLASSIFICATION, &fine_tune, &device);
    let stage = Stage { structure: "2x4".parse().expect("a name"), ..Stage::ratio(0.5) };
    let pruned = prune(&graph, &[stage], &mut bench, None).expect("prunes");
    let trained = train_quantised(&pruned.graph, &pruned.masked, &data, &recipe, &mut bench).expect("trains").graph;
    assert_eq!(live_macs(&trained), live_macs(&pruned.graph), "masks hold");
    let (before, after) = (packed(&pruned.graph).int8_quality, packed(&trained).int8_quality);
    assert!(after >= before - 0.01, "{before} before, {after} after");
}

#[test]
fn errors_of_int8_add_up() {
    let (data, device, graph) = (data(), Device::flex(), trained_digits());
    let errors = explain(&graph, &data, &Quantise::default(), &device).expect("measures");
    let layers: Vec<&str> = errors.iter().map(|error| error.layer.as_str()).collect();
    for layer in ["stem.conv", "depthwise.conv", "pointwise.conv", "wide.conv", "classifier"] {
        assert!(layers.contains(&layer), "{layers:?}");
    }
    assert!(errors.iter().all(|error| error.own > 0.0 && error.own < 0.1 && error.accumulated < 0.3), "{errors:?}");
    let (first, last) = (&errors[0], &errors[errors.len() - 1]);
    assert!(last.accumulated > last.own && first.accumulated <= last.accumulated, "{errors:?}");
}

/// Channels that are zero for every image: their removal changes no int8 output, bit for bit.
#[test]
fn dead_channels_leave_int8_as_it_is() {
    let (data, mut graph) = (data(), trained_digits());
    let place =
        |graph: &Graph, name: &str| graph.params.iter().position(|param| param.name == name).expect("a parameter");
    let classifier = graph.params[place(&graph, "classifier.weight")].clone();
    // Weights on dead channels must not set the step of an output's weights: those that do stay alive.
    let most = |class: usize| (0..48).map(|i| classifier.data[i * 10 + class].abs()).fold(0.0, f32::max);
    let sets = |i: usize| (0..10).any(|class| classifier.data[i * 10 + class].abs() >= most(class));
    let killed: Vec<usize> = (0..48).filter(|i| !sets(*i)).take(12).collect();
    for (name, value) in [("wide.norm.gamma", 0.0), ("wide.norm.beta", -0.3)] {
        let param = place(&graph, name);
        killed.iter().for_each(|channel| graph.params[param].data[*channel] = value);
    }
    let (smaller, dead) = niwaki_prune::lossless(&graph).expect("valid");
    assert_eq!((dead.silent, dead.constant), (killed.len(), 0));
    assert!(killed.len() == 12 && smaller.total_macs() < graph.total_macs());
    let recipe = Quantise { calibration: niwaki_compile::Calibration::MinMax, samples: 256, ..Quantise::default() };
    let int8 = |graph: &Graph| {
        let packed = quantise_and_pack("digits", graph, &data, Metric::TOP_1, &recipe, [0; 32], &Device::flex());
        packed.expect("packs").eval.outputs
    };
    assert!(int8(&graph) == int8(&smaller), "int8 outputs differ");
}
