//! Magnitude scores: what counts, and what does not.

use crate::net::Net;
use niwaki_graph::{Graph, Op};
use niwaki_prune::{Allocation, Limits, Norm, PruneError, Scores, groups};

/// A linear layer with known columns, then a classifier.
fn columns() -> Graph {
    let mut net = Net::new(1);
    let x = net.input(&[2]);
    let a = net.linear("a", x, 3);
    let b = net.linear("b", a, 2);
    let mut graph = net.finish(&[b]);
    graph.params[0].data = vec![3.0, 0.0, 1.0, -4.0, 6.0, 1.0];
    // A bias does not count.
    graph.params[1].data = vec![0.0, 0.0, 100.0];
    graph
}

#[test]
fn l1_and_l2_rank_columns_differently() {
    let graph = columns();
    let found = groups(&graph).unwrap();
    let l1 = Norm::L1.scores(&graph, &found).groups[0].clone();
    let l2 = Norm::L2.scores(&graph, &found).groups[0].clone();
    let near = |scores: &[f32], norms: [f32; 3]| {
        let mean = norms.iter().sum::<f32>() / 3.0;
        scores.iter().zip(norms).for_each(|(score, norm)| assert!((score - norm / mean).abs() < 1e-6, "{scores:?}"));
    };
    near(&l1, [7.0, 6.0, 2.0]);
    near(&l2, [5.0, 6.0, 2.0f32.sqrt()]);
}

#[test]
fn batch_norm_scales_the_filters_before_it() {
    let mut net = Net::new(2);
    let x = net.input(&[1, 3, 3]);
    let a = net.conv("a", x, 2, 1);
    let a = net.batch_norm("bn", a);
    let b = net.conv("b", a, 2, 1);
    let mut graph = net.finish(&[b]);
    let Op::BatchNorm(norm) = graph.nodes[1].op.clone() else { panic!("node 1 normalises") };
    graph.params[0].data = vec![10.0, 1.0];
    graph.params[norm.gamma.0].data = vec![0.1, -3.0];
    graph.params[norm.var.0].data = vec![1.0, 1.0];
    let scores = Norm::L1.scores(&graph, &groups(&graph).unwrap()).groups[0].clone();
    assert!((scores[0] - 0.5).abs() < 1e-4 && (scores[1] - 1.5).abs() < 1e-4, "{scores:?}");
}

#[test]
fn layers_of_a_group_count_equally() {
    let mut net = Net::new(3);
    let x = net.input(&[1, 3, 3]);
    let a = net.conv("a", x, 2, 1);
    let d = net.depthwise("dw", a, 1);
    let b = net.conv("b", d, 2, 1);
    let mut graph = net.finish(&[b]);
    // Huge filters in one layer do not drown the other: (1.5 + 0.2) / 2 and (0.5 + 1.8) / 2.
    graph.params[0].data = vec![3000.0, 1000.0];
    graph.params[2].data = [[0.1; 9], [0.9; 9]].concat();
    let scores = Norm::L1.scores(&graph, &groups(&graph).unwrap()).groups[0].clone();
    assert!((scores[0] - 0.85).abs() < 1e-5 && (scores[1] - 1.15).abs() < 1e-5, "{scores:?}");
}

#[test]
fn a_layer_of_zeros_has_finite_scores() {
    let mut graph = columns();
    graph.params[0].data.fill(0.0);
    assert_eq!(Norm::L2.scores(&graph, &groups(&graph).unwrap()).groups, [[0.0; 3]]);
}

#[test]
fn scores_that_do_not_fit_are_refused() {
    let graph = columns();
    let found = groups(&graph).unwrap();
    let decide = |scores: Vec<Vec<f32>>| {
        Allocation::Uniform { ratio: 0.5 }.decide(&found, &Scores { groups: scores }, Limits::default()).unwrap_err()
    };
    assert!(matches!(decide(vec![]), PruneError::Scores { expected: 1, found: 0, .. }));
    assert!(matches!(decide(vec![vec![1.0; 2]]), PruneError::Scores { expected: 3, found: 2, .. }));
    let error = decide(vec![vec![1.0, f32::NAN, 0.0]]);
    assert_eq!(
        error.to_string(),
        "unit 1 of group `a` has the score NaN; check the weights or gradients of its layers"
    );
}

#[test]
fn scores_are_saved_and_read() {
    let graph = columns();
    let scores = Norm::L1.scores(&graph, &groups(&graph).unwrap());
    let json = serde_json::to_string(&scores).unwrap();
    assert_eq!(serde_json::from_str::<Scores>(&json).unwrap(), scores);
}
