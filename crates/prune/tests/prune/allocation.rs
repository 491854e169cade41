//! Which ratios are reached, and targets by channels and multiply-accumulates.

use crate::{net::Net, support::decide};
use niwaki_graph::Graph;
use niwaki_prune::{Allocation, Limits, Norm, PruneError, Report, Scores, Target, groups, shrink, uniform_for};

fn two_layers() -> Graph {
    let mut net = Net::new(1);
    let x = net.input(&[3, 6, 6]);
    let a = net.conv("a", x, 32, 3);
    let b = net.conv("b", a, 16, 3);
    let pooled = net.global_pool("gap", b, false);
    let logits = net.linear("fc", pooled, 4);
    net.finish(&[logits])
}

#[test]
fn every_group_loses_the_ratio_asked_for() {
    let graph = two_layers();
    for (ratio, kept) in [(0.0, [32, 16]), (0.25, [24, 12]), (0.5, [16, 8]), (0.75, [8, 4]), (0.99, [1, 1])] {
        let decision = decide(&graph, ratio, Limits::default());
        let left: Vec<usize> = decision.groups.iter().map(|removal| removal.units - removal.remove.len()).collect();
        assert_eq!(left, kept, "{ratio}");
        assert_eq!(decision.is_empty(), ratio == 0.0);
    }
}

#[test]
fn the_lowest_scores_leave_and_the_order_stays() {
    let graph = two_layers();
    let found = groups(&graph).unwrap();
    let rising: Vec<f32> = (0..16).map(|unit| unit as f32).collect();
    let scores = Scores { groups: vec![vec![1.0; 32], rising] };
    let decision = Allocation::Uniform { ratio: 0.5 }.decide(&found, &scores, Limits::default()).unwrap();
    assert_eq!(decision.groups[1].remove, (0..8).collect::<Vec<_>>());
    let shrunk = shrink(&graph, &decision).unwrap();
    let bias = |graph: &Graph| graph.params.iter().find(|param| param.name == "b.bias").unwrap().data.clone();
    assert_eq!(bias(&shrunk), bias(&graph)[8..]);
}

#[test]
fn a_target_takes_the_smallest_ratio_that_reaches_it() {
    let graph = two_layers();
    let found = groups(&graph).unwrap();
    let scores = Norm::L1.scores(&graph, &found);
    let target = Target { channels: 0.5, macs: 0.6 };
    let limits = Limits::default();
    let (ratio, decision) = uniform_for(&graph, &found, &scores, target, limits).unwrap();
    let report = Report::new(&graph, &shrink(&graph, &decision).unwrap());
    assert!(report.channels_gone() >= 0.5 && report.macs_gone() >= 0.6, "{report}");
    let less = decide(&graph, ratio - 0.01, limits);
    let report = Report::new(&graph, &shrink(&graph, &less).unwrap());
    assert!(report.channels_gone() < 0.5 || report.macs_gone() < 0.6, "{report}");
}

#[test]
fn nothing_asked_removes_nothing() {
    let graph = two_layers();
    let found = groups(&graph).unwrap();
    let scores = Norm::L1.scores(&graph, &found);
    let (ratio, decision) = uniform_for(&graph, &found, &scores, Target::default(), Limits::default()).unwrap();
    assert_eq!(ratio, 0.0);
    assert_eq!(shrink(&graph, &decision).unwrap(), graph);
}

#[test]
fn a_target_out_of_reach_says_what_can_be_had() {
    let graph = two_layers();
    let found = groups(&graph).unwrap();
    let scores = Norm::L1.scores(&graph, &found);
    let limits = Limits { tile: 4, min_width: 16 };
    let error = uniform_for(&graph, &found, &scores, Target { channels: 0.9, macs: 0.0 }, limits).unwrap_err();
    assert!(matches!(error, PruneError::OutOfReach { .. }), "{error}");
    assert!(error.to_string().contains("lower the tile or the minimum width"), "{error}");
}

#[test]
fn ratios_outside_their_range_are_refused() {
    let graph = two_layers();
    let found = groups(&graph).unwrap();
    let scores = Norm::L1.scores(&graph, &found);
    for ratio in [-0.1, 1.0, f64::NAN] {
        let result = Allocation::Uniform { ratio }.decide(&found, &scores, Limits::default());
        assert!(matches!(result, Err(PruneError::Ratio { .. })), "{ratio}");
    }
    let target = Target { channels: 0.5, macs: 1.5 };
    let error = uniform_for(&graph, &found, &scores, target, Limits::default()).unwrap_err();
    assert!(error.to_string().contains("multiply-accumulates"), "{error}");
}
