//! Equalised networks compute the same: on random graphs, and on one whose scales are known.

#[path = "../../prune/tests/prune/interpreter.rs"]
mod interpreter;
#[allow(dead_code, reason = "the pruner's tests use all of it")]
#[path = "../../prune/tests/prune/net.rs"]
mod net;
#[allow(dead_code, reason = "the pruner's tests count the kinds of steps")]
#[path = "../../prune/tests/prune/random_graph.rs"]
mod random_graph;

use net::{Net, Random};
use niwaki_graph::{Graph, Op, Unary};
use niwaki_quantise::equalise;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::cell::Cell;

/// Outputs of both graphs for the same inputs agree within 1e-5 of the largest.
fn same(graph: &Graph, equal: &Graph) {
    let mut random = Random::new(3);
    let shapes = graph.inputs.iter().map(|id| graph.value(*id).shape.iter().product());
    let inputs: Vec<Vec<f32>> = shapes.map(|size| random.list(size)).collect();
    for (a, b) in interpreter::run(graph, &inputs).iter().zip(interpreter::run(equal, &inputs)) {
        let largest = a.iter().fold(1.0f32, |most, x| most.max(x.abs()));
        for (x, y) in a.iter().zip(&b) {
            assert!((x - y).abs() <= 1e-5 * largest, "{x} became {y}:\n{graph}");
        }
    }
}

/// Makes channels of every layer differ by up to 2^8, as folded batch normalisation does.
fn spread(graph: &mut Graph, seed: u64) {
    let mut random = Random::new(seed);
    for node in graph.nodes.clone() {
        let Op::Conv(conv) = node.op else { continue };
        let channels = graph.param(conv.weight).shape[0];
        let filter = graph.param(conv.weight).data.len() / channels;
        for row in graph.params[conv.weight.0].data.chunks_mut(filter) {
            let factor = (4.0 * random.unit()).exp2();
            row.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

#[test]
fn random_graphs_compute_the_same() {
    let changed = Cell::new(0);
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let steps = proptest::collection::vec(any::<random_graph::Step>(), 1..12);
    let result = runner.run(&(any::<u64>(), steps), |(seed, steps)| {
        let mut graph = random_graph::build(seed, &steps).graph;
        spread(&mut graph, seed);
        let equal = equalise(&graph);
        equal.validate().expect("nothing but weights changes");
        same(&graph, &equal);
        changed.set(changed.get() + usize::from(equal != graph));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(changed.get() >= 150, "{} of 400 graphs had layers to equalise", changed.get());
}

/// Largest size of the weights in each run of so many.
fn ranges(weights: &[f32], run: usize) -> Vec<f32> {
    weights.chunks(run).map(|run| run.iter().fold(0.0, |most: f32, x| most.max(x.abs()))).collect()
}

#[test]
fn ranges_meet_through_depthwise_layers_pooling_and_flattening() {
    let mut net = Net::new(5);
    let x = net.input(&[2, 4, 4]);
    let y = net.conv("first", x, 3, 3);
    let y = net.unary("relu", Unary::Relu, y);
    let y = net.depthwise("depthwise", y, 1);
    let y = net.unary("leaky", Unary::LeakyRelu { slope: 0.1 }, y);
    let pool = net.pool_op(y, true);
    let y = net.push("pool", Op::MaxPool(pool), &[y]);
    let y = net.flatten("flatten", y);
    let y = net.linear("last", y, 5);
    let mut graph = net.finish(&[y]);
    spread(&mut graph, 1);
    let equal = equalise(&graph);
    same(&graph, &equal);
    let of = |name: &str, run| {
        let param = equal.params.iter().find(|param| param.name == name).expect("a parameter of the test's");
        ranges(&param.data, run)
    };
    // A filter of 2x3x3, a filter of 3x3, and four places of a channel with five outputs each.
    let three = [of("first.weight", 18), of("depthwise.weight", 9), of("last.weight", 20)];
    for channel in 0..3 {
        let [first, depthwise, last] = [0, 1, 2].map(|layer: usize| three[layer][channel]);
        assert!((first / depthwise - 1.0).abs() < 0.01 && (depthwise / last - 1.0).abs() < 0.01, "{three:?}");
    }
}

#[test]
fn clamps_and_further_readers_keep_layers_as_they_are() {
    let mut net = Net::new(6);
    let x = net.input(&[2, 4, 4]);
    let y = net.conv("first", x, 3, 1);
    let clamped = net.unary("relu6", Unary::Clamp { min: 0.0, max: 6.0 }, y);
    let y = net.conv("second", clamped, 3, 1);
    let both = net.unary("relu", Unary::Relu, y);
    let y = net.conv("third", both, 3, 1);
    let sum = net.binary("sum", niwaki_graph::Binary::Add, both, y);
    let mut graph = net.finish(&[sum]);
    spread(&mut graph, 2);
    assert_eq!(equalise(&graph), graph);
    // Between them, and read as an output.
    graph.outputs.push(both);
    assert_eq!(equalise(&graph), graph);
}

#[test]
fn channels_of_zeros_stay_and_change_nothing() {
    let mut net = Net::new(7);
    let x = net.input(&[2, 4, 4]);
    let y = net.conv("first", x, 3, 1);
    let y = net.conv("second", y, 2, 1);
    let mut graph = net.finish(&[y]);
    spread(&mut graph, 3);
    let weight = graph.params.iter().position(|param| param.name == "first.weight").expect("a parameter of the test's");
    graph.params[weight].data[2..4].fill(0.0);
    let equal = equalise(&graph);
    same(&graph, &equal);
    assert_eq!(ranges(&equal.params[weight].data, 2)[1], 0.0);
    assert!(equal.params.iter().all(|param| param.data.iter().all(|x| x.is_finite())));
    assert_ne!(equal, graph);
}
