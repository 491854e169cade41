//! Every structure on random graphs: what is removed and what is silenced compute the same, and the ratio is reached.

use crate::{
    interpreter,
    net::{Net, Random},
    random_graph::{Step, build},
    support::close,
};
use niwaki_graph::{Binary, Graph, Unary};
use niwaki_prune::{
    Allocation, Decision, Evidence, Importance, Limits, Needs, Structure, live_macs, masks, remove, silence, sites,
    zeroed_params,
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{cell::RefCell, collections::BTreeMap};

const GRAPHS: u32 = 500;
const STRUCTURES: [&str; 8] = ["channels", "neurons", "layers", "1x4", "2x4", "4x4", "2:4", "weights"];

fn run(graph: &Graph) -> Vec<Vec<f32>> {
    let mut random = Random::new(3);
    let inputs: Vec<Vec<f32>> =
        graph.inputs.iter().map(|id| random.list(graph.value(*id).shape.iter().product())).collect();
    interpreter::run(graph, &inputs)
}

fn same(a: &Graph, b: &Graph) {
    run(a).iter().zip(&run(b)).for_each(|(a, b)| close(a, b));
}

/// Scores without running the network: any numbers will do as evidence here.
fn decide(graph: &Graph, structure: Structure, importance: Importance, allocation: &Allocation) -> Decision {
    let found = sites(graph, structure).expect("valid");
    let gradients: Vec<Vec<f32>> =
        graph.params.iter().map(|param| Random::new(param.data.len() as u64).list(param.data.len())).collect();
    let units = Random::new(9).list(found.sites.iter().map(|site| site.units).sum());
    let evidence = match importance.needs() {
        Needs::Weights => Evidence::None,
        Needs::Gradients => Evidence::Gradients(&gradients),
        Needs::Gates => Evidence::Units(&units),
    };
    let scores = importance.scores(graph, &found, evidence, 5).expect("the evidence it needs");
    scores.check_sites(&found).expect("one score per unit");
    allocation.decide_sites(&found, &scores, Limits::default(), &BTreeMap::new()).expect("fits")
}

#[test]
fn removed_and_silenced_agree_on_random_graphs() {
    let steps = proptest::collection::vec(any::<Step>(), 1..14);
    let strategy = (any::<u64>(), steps, 0..STRUCTURES.len(), 0..Importance::ALL.len(), 0.1..0.9f64, any::<bool>());
    let touched: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let config = Config { cases: GRAPHS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&strategy, |(seed, steps, structure, importance, ratio, all)| {
        let graph = build(seed, &steps).graph;
        let (name, importance) = (STRUCTURES[structure], Importance::ALL[importance]);
        let structure: Structure = name.parse().expect("a name");
        let allocation = if all { Allocation::Global { ratio } } else { Allocation::Uniform { ratio } };
        let decision = decide(&graph, structure, importance, &allocation);
        let smaller = remove(&graph, structure, &decision).expect("fits");
        smaller.validate().expect("valid");
        same(&smaller, &silence(&graph, structure, &decision).expect("fits"));
        let (units, gone) =
            decision.groups.iter().fold((0, 0), |sum, removal| (sum.0 + removal.units, sum.1 + removal.remove.len()));
        if gone == 0 {
            return Ok(());
        }
        *touched.borrow_mut().entry(name).or_default() += 1;
        assert!(live_macs(&smaller) < live_macs(&graph), "{name}: nothing was saved");
        if structure.shrinks() {
            assert!(smaller.parameter_count() < graph.parameter_count(), "{name}");
        } else {
            let names = zeroed_params(&graph, structure, &decision).expect("fits");
            assert!(masks(&smaller, &names).iter().any(|(_, keep)| keep.contains(&false)));
            // What left stays out when more leaves.
            let more = decide(&smaller, structure, Importance::Random, &allocation);
            let again = remove(&smaller, structure, &more).expect("fits");
            // Runs round to whole weights, in every layer by itself: the whole network's lowest may share out anew.
            if !(all && name == "2:4") {
                assert_eq!(live_macs(&again), live_macs(&smaller), "{name}: the same ratio again changes nothing");
            }
        }
        if !all && name == "weights" {
            let sites = decision.groups.len() as f64;
            assert!((gone as f64 - ratio * units as f64).abs() <= 0.5 * sites + 1e-6, "{gone} of {units} at {ratio}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let touched = touched.into_inner();
    assert!(touched.len() == STRUCTURES.len() && touched.values().all(|graphs| *graphs >= 10), "{touched:?}");
}

/// An identity shortcut, then a projection whose branch has more work.
fn residual() -> Graph {
    let mut net = Net::new(4);
    let x = net.input(&[3, 6, 6]);
    let trunk = net.conv("stem", x, 4, 3);
    let y = net.conv("one", trunk, 8, 3);
    let y = net.conv("two", y, 4, 3);
    let x = net.binary("first", Binary::Add, y, trunk);
    let trunk = net.unary("relu", Unary::Relu, x);
    let side = net.conv("project", trunk, 6, 1);
    let y = net.conv("three", trunk, 6, 3);
    let x = net.binary("second", Binary::Add, side, y);
    let pooled = net.global_pool("gap", x, false);
    let head = net.linear("head", pooled, 3);
    net.finish(&[head])
}

#[test]
fn branches_leave_with_all_of_their_layers() {
    let graph = residual();
    let found = sites(&graph, Structure::Layers).expect("valid");
    assert_eq!(found.sites[0].unit_names, ["one to two", "three"]);
    let decision = decide(&graph, Structure::Layers, Importance::L1, &Allocation::Uniform { ratio: 0.99 });
    let smaller = remove(&graph, Structure::Layers, &decision).expect("fits");
    let names: Vec<&str> = smaller.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["stem", "relu", "project", "gap", "head"]);
    assert!(smaller.params.iter().all(|param| !param.name.starts_with("one")), "their weights are gone");
    same(&smaller, &silence(&graph, Structure::Layers, &decision).expect("fits"));
    // And what is left can be pruned again.
    let again = decide(&smaller, Structure::Channels, Importance::L2, &Allocation::Uniform { ratio: 0.5 });
    assert!(remove(&smaller, Structure::Channels, &again).expect("fits").total_macs() < smaller.total_macs());
}

#[test]
fn per_layer_ratios_are_kept_and_unknown_names_refused() {
    let graph = residual();
    let found = sites(&graph, Structure::Weights).expect("valid");
    let layers = [("one".to_string(), 0.75), ("two".to_string(), 0.0)].into();
    let decision = decide(&graph, Structure::Weights, Importance::L1, &Allocation::PerLayer { ratio: 0.5, layers });
    let gone = |name: &str| {
        let removal = decision.groups.iter().find(|removal| removal.group == name).expect("a site");
        removal.remove.len() as f64 / removal.units as f64
    };
    assert_eq!((gone("one"), gone("two"), gone("stem")), (0.75, 0.0, 0.5));
    let scores = Importance::L1.scores(&graph, &found, Evidence::None, 0).expect("no evidence needed");
    let wrong = Allocation::PerLayer { ratio: 0.5, layers: [("tow".to_string(), 0.5)].into() };
    let error = wrong.decide_sites(&found, &scores, Limits::default(), &BTreeMap::new()).expect_err("misspelt");
    assert!(error.to_string().contains("`tow`"), "{error}");
    let error = Importance::Taylor.scores(&graph, &found, Evidence::None, 0).expect_err("not run").to_string();
    assert!(error.contains("taylor"), "{error}");
}

#[test]
fn two_of_four_stay_in_every_run() {
    let graph = residual();
    let decision = decide(&graph, "2:4".parse().expect("a name"), Importance::L1, &Allocation::Uniform { ratio: 0.5 });
    let masked = remove(&graph, "2:4".parse().expect("a name"), &decision).expect("fits");
    let weight = &masked.params.iter().find(|param| param.name == "two.weight").expect("a layer").data;
    // [4, 8, 3, 3]: runs are of input channels at one tap.
    for (out, tap, half) in (0..4).flat_map(|out| (0..9).flat_map(move |tap| (0..2).map(move |half| (out, tap, half))))
    {
        let run: Vec<f32> = (0..4).map(|i| weight[(out * 8 + half * 4 + i) * 9 + tap]).collect();
        assert_eq!(run.iter().filter(|x| **x == 0.0).count(), 2, "{run:?}");
    }
}
