//! The property that makes pruning trustworthy: on random graphs, shrinking never breaks a shape and equals masking.

use crate::{
    random_graph::{Step, build},
    support::{decide, shrink_checked},
};
use niwaki_graph::Graph;
use niwaki_prune::{Decision, Groups, Limits, Removal, groups, shrink};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{cell::RefCell, collections::BTreeMap};

const GRAPHS: u32 = 700;

/// The ratio asked for is the ratio reached: no allowed number of units is nearer.
fn ratio_is_reached(groups: &Groups, decision: &Decision, ratio: f64, tile: usize) {
    for (group, removal) in groups.prunable.iter().zip(&decision.groups) {
        let units = group.units.len();
        let (kept, wanted) = (units - removal.remove.len(), units as f64 * (1.0 - ratio));
        assert!(kept == units || kept.is_multiple_of(tile), "{}: {kept} of {units}", group.name);
        let off = |kept: usize| (kept as f64 - wanted).abs();
        let nearest = (1..=units).filter(|k| *k == units || k.is_multiple_of(tile)).map(off).fold(f64::MAX, f64::min);
        assert!(off(kept) <= nearest, "{}: kept {kept} of {units} for {wanted}", group.name);
    }
}

/// Every parameter is exactly the removed slices smaller, and nothing else changed.
fn slices_left(graph: &Graph, groups: &Groups, decision: &Decision, shrunk: &Graph) {
    let mut expected: Vec<Vec<usize>> = graph.params.iter().map(|param| param.shape.clone()).collect();
    for (group, removal) in groups.prunable.iter().zip(&decision.groups) {
        for slice in removal.remove.iter().flat_map(|unit| &group.units[*unit].slices) {
            expected[slice.param.0][slice.axis] -= 1;
        }
    }
    let found: Vec<Vec<usize>> = shrunk.params.iter().map(|param| param.shape.clone()).collect();
    assert_eq!(found, expected);
}

/// A unit frees what it says.
fn costs_hold(graph: &Graph, groups: &Groups, choice: usize) {
    let Some(group) = groups.prunable.get(choice % groups.prunable.len().max(1)) else { return };
    let unit = choice / 7 % group.units.len();
    let removal = Removal { group: group.name.clone(), units: group.units.len(), remove: vec![unit] };
    let shrunk = shrink(graph, &Decision { groups: vec![removal] }).expect("one unit of several");
    let freed = &group.units[unit];
    assert_eq!(graph.parameter_count() - shrunk.parameter_count(), freed.parameters, "{} {unit}", group.name);
    assert_eq!(graph.total_macs() - shrunk.total_macs(), freed.macs, "{} {unit}", group.name);
}

#[test]
fn shrunk_and_masked_graphs_agree() {
    let steps = proptest::collection::vec(any::<Step>(), 1..16);
    let strategy = (any::<u64>(), steps, 0.0..0.95f64, prop_oneof![Just(1usize), Just(2), Just(4)]);
    let pruned = RefCell::new(0u32);
    let seen: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    // Failures are printed whole: no file of earlier ones is kept.
    let config = Config { cases: GRAPHS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let result = runner.run(&strategy, |(seed, steps, ratio, tile)| {
        let built = build(seed, &steps);
        let graph = built.graph;
        let found = groups(&graph).expect("valid");
        let limits = Limits { tile, min_width: 1 };
        let decision = decide(&graph, ratio, limits);
        ratio_is_reached(&found, &decision, ratio, tile);
        let shrunk = shrink_checked(&graph, &decision);
        slices_left(&graph, &found, &decision, &shrunk);
        costs_hold(&graph, &found, seed as usize / 13);
        // And again, from what is left.
        let again = decide(&shrunk, 0.5, Limits::default());
        let smaller = shrink_checked(&shrunk, &again);
        if !decision.is_empty() {
            *pruned.borrow_mut() += 1;
            assert!(smaller.parameter_count() < graph.parameter_count());
            let mut seen = seen.borrow_mut();
            built.kinds.into_iter().for_each(|kind| *seen.entry(kind).or_default() += 1);
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    // The test is worth its name only if the graphs were really pruned, and every kind of coupling occurred.
    let (pruned, seen) = (pruned.into_inner(), seen.into_inner());
    assert!(pruned >= 500, "{pruned} of {GRAPHS} graphs lost something");
    assert_eq!(seen.len(), 27, "{seen:?}");
    assert!(seen.values().all(|graphs| *graphs >= 20), "{seen:?}");
}
