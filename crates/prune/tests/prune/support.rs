//! What several tests check: agreement of masked and shrunk graphs, and groups in short.

use crate::{interpreter, net::Random};
use niwaki_graph::Graph;
use niwaki_prune::{Allocation, Decision, Groups, Limits, Norm, groups, mask, shrink};

/// `name: units` of every group, in order.
pub(crate) fn widths(groups: &Groups) -> Vec<(&str, usize)> {
    groups.prunable.iter().map(|group| (group.name.as_str(), group.units.len())).collect()
}

/// `name: channels, reason` of everything frozen, in order.
pub(crate) fn frozen(groups: &Groups) -> Vec<(&str, usize, &str)> {
    groups.frozen.iter().map(|entry| (entry.name.as_str(), entry.channels, entry.reason.as_str())).collect()
}

/// Slices of a unit as `parameter[axis] = index`.
pub(crate) fn slices(graph: &Graph, groups: &Groups, group: usize, unit: usize) -> Vec<String> {
    let unit = &groups.prunable[group].units[unit];
    let text = unit.slices.iter().map(|slice| {
        let name = &graph.param(slice.param).name;
        format!("{name}[{}]={}", slice.axis, slice.index)
    });
    text.collect()
}

/// The uniform decision by L1 magnitude.
pub(crate) fn decide(graph: &Graph, ratio: f64, limits: Limits) -> Decision {
    let groups = groups(graph).expect("valid");
    let scores = Norm::L1.scores(graph, &groups);
    Allocation::Uniform { ratio }.decide(&groups, &scores, limits).expect("scores fit")
}

/// Shrinks, and checks that masking computes the same on random inputs.
pub(crate) fn shrink_checked(graph: &Graph, decision: &Decision) -> Graph {
    let shrunk = shrink(graph, decision).expect("a decision for this graph");
    shrunk.validate().expect("a shrunk graph is valid");
    let masked = mask(graph, decision).expect("a decision for this graph");
    let mut random = Random::new(7);
    for _ in 0..2 {
        let shapes = graph.inputs.iter().map(|id| graph.value(*id).shape.iter().product());
        let inputs: Vec<Vec<f32>> = shapes.map(|size| random.list(size)).collect();
        let (small, large) = (interpreter::run(&shrunk, &inputs), interpreter::run(&masked, &inputs));
        for (small, large) in small.iter().zip(&large) {
            close(small, large);
        }
    }
    shrunk
}

/// Shrinks half of every group, and checks it.
pub(crate) fn halve(graph: &Graph) -> Graph {
    shrink_checked(graph, &decide(graph, 0.5, Limits::default()))
}

pub(crate) fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "outputs keep their shape");
    let largest = a.iter().chain(b).fold(0.0f32, |top, x| top.max(x.abs()));
    assert!(largest.is_finite(), "the test's graph keeps its values in range");
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= 1e-4 * largest.max(1e-3), "shrunk {x} differs from masked {y}");
    }
}

/// Shape of a parameter by name.
pub(crate) fn shape<'g>(graph: &'g Graph, name: &str) -> &'g [usize] {
    let found = graph.params.iter().find(|param| param.name == name);
    &found.unwrap_or_else(|| panic!("no parameter `{name}`")).shape
}
