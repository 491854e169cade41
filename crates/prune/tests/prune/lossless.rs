//! Dead channels: what leaves, and that outputs stay what they were.

use crate::{
    interpreter,
    net::{Net, Random},
    random_graph::{Step, build},
    support::close,
};
use niwaki_graph::{Graph, Op, Unary};
use niwaki_prune::{Dead, Role, groups, lossless, silence_dead};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::cell::Cell;

const GRAPHS: u32 = 500;

/// Runs both on random inputs.
fn same(graph: &Graph, smaller: &Graph) {
    let mut random = Random::new(11);
    let inputs: Vec<Vec<f32>> =
        graph.inputs.iter().map(|id| random.list(graph.value(*id).shape.iter().product())).collect();
    for (a, b) in interpreter::run(graph, &inputs).iter().zip(&interpreter::run(smaller, &inputs)) {
        close(a, b);
    }
}

/// The silenced graph is as large as the one given, and computes exactly what the smaller one does.
fn silenced(graph: &Graph, smaller: &Graph) {
    let (live, full) = silence_dead(graph).expect("valid");
    assert_eq!(live, *smaller);
    let shapes = |graph: &Graph| graph.values.iter().map(|value| value.shape.clone()).collect::<Vec<_>>();
    assert_eq!(shapes(&full), shapes(graph));
    let mut random = Random::new(12);
    let inputs: Vec<Vec<f32>> =
        graph.inputs.iter().map(|id| random.list(graph.value(*id).shape.iter().product())).collect();
    assert_eq!(interpreter::run(&live, &inputs), interpreter::run(&full, &inputs));
}

/// Zeroes the weights that compute some channels; one-dimensional ones (biases, offsets) become `rest`.
fn kill(graph: &mut Graph, every: usize, rest: f32) {
    for group in groups(graph).expect("valid").prunable {
        for slice in group.units.iter().step_by(every).flat_map(|unit| &unit.slices) {
            let param = &mut graph.params[slice.param.0];
            if slice.role == Role::Consumer || param.name.ends_with("var") {
                continue;
            }
            let value = if param.shape.len() == 1 { rest } else { 0.0 };
            for place in slice.places(&param.shape) {
                param.data[place] = value;
            }
        }
    }
}

#[test]
fn random_graphs_keep_their_outputs() {
    let steps = proptest::collection::vec(any::<Step>(), 1..12);
    let removed = Cell::new((0, 0));
    let config = Config { cases: GRAPHS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&(any::<u64>(), steps, 1..4usize), |(seed, steps, every)| {
        let mut graph = build(seed, &steps).graph;
        kill(&mut graph, every, [0.0, -0.5, 0.5][seed as usize % 3]);
        let (smaller, dead) = lossless(&graph).expect("valid");
        same(&graph, &smaller);
        silenced(&graph, &smaller);
        let (silent, constant) = removed.get();
        removed.set((silent + dead.silent, constant + dead.constant));
        let again = lossless(&smaller).expect("valid").1;
        assert_eq!(again, Dead::default(), "nothing is left to find");
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let (silent, constant) = removed.get();
    assert!(silent > 500 && constant > 100, "{silent} silent and {constant} constant ones were found");
}

/// Two convolutions with an activation between, the second with a border of zeros or without.
fn chain(border: usize, bias: f32) -> Graph {
    let mut net = Net::new(5);
    let x = net.input(&[2, 5, 5]);
    let x = net.conv("first", x, 6, 3);
    let x = net.unary("relu", Unary::Relu, x);
    let mut second = net.conv_op("second", x, 3, 3, 1);
    second.padding = vec![[border; 2]; 2];
    let x = net.push("second", Op::Conv(second), &[x]);
    let mut graph = net.finish(&[x]);
    graph.params[0].data[18..36].fill(0.0);
    graph.params[1].data[1] = bias;
    graph
}

#[test]
fn a_constant_leaves_through_the_bias_unless_a_border_differs_from_it() {
    for (border, bias, expected) in [
        (1, -0.3, Dead { silent: 1, constant: 0 }),
        (0, 0.4, Dead { silent: 0, constant: 1 }),
        (1, 0.4, Dead::default()),
    ] {
        let graph = chain(border, bias);
        let (smaller, dead) = lossless(&graph).expect("valid");
        assert_eq!(dead, expected, "border {border}, bias {bias}");
        same(&graph, &smaller);
        assert_eq!(smaller.params[0].shape[0], 6 - dead.silent - dead.constant);
    }
}

#[test]
fn what_nothing_reads_leaves_and_one_unit_stays() {
    let mut graph = chain(1, 0.0);
    // The second convolution reads only channel 4.
    let weight = &mut graph.params[2];
    for (place, x) in weight.data.iter_mut().enumerate() {
        if place / 9 % 6 != 4 {
            *x = 0.0;
        }
    }
    let (smaller, dead) = lossless(&graph).expect("valid");
    assert_eq!((dead.silent, smaller.params[0].shape[0]), (5, 1));
    same(&graph, &smaller);
    graph.params[2].data.fill(0.0);
    let (smaller, _) = lossless(&graph).expect("valid");
    assert_eq!(smaller.params[0].shape[0], 1, "a layer keeps a channel");
    same(&graph, &smaller);
}
