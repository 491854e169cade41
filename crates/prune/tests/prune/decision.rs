//! Decisions: saved, read, and refused when they do not fit the graph.

use crate::{
    net::Net,
    support::{decide, shrink_checked},
};
use niwaki_graph::{Graph, ParamId};
use niwaki_prune::{Decision, Limits, PruneError, Removal, groups, mask, shrink};

fn graph() -> Graph {
    let mut net = Net::new(1);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 3);
    let b = net.conv("b", a, 4, 3);
    let c = net.conv("c", b, 2, 3);
    net.finish(&[c])
}

fn removal(group: &str, units: usize, remove: &[usize]) -> Removal {
    Removal { group: group.into(), units, remove: remove.to_vec() }
}

fn refused(groups: Vec<Removal>) -> PruneError {
    let decision = Decision { groups };
    let error = shrink(&graph(), &decision).unwrap_err();
    assert_eq!(mask(&graph(), &decision).unwrap_err(), error, "masking refuses what shrinking refuses");
    error
}

#[test]
fn a_decision_survives_its_file() {
    let decision = decide(&graph(), 0.5, Limits::default());
    let json = serde_json::to_string(&decision).unwrap();
    assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
    assert!(serde_json::from_str::<Decision>(r#"{"groups": [], "typo": 1}"#).is_err());
}

#[test]
fn groups_that_are_not_named_stay_whole() {
    let decision = Decision { groups: vec![removal("b", 4, &[0, 3])] };
    let shrunk = shrink_checked(&graph(), &decision);
    assert_eq!(shrunk.params[0].shape, [4, 2, 3, 3]);
    assert_eq!(shrunk.params[2].shape, [2, 4, 3, 3]);
    let kept = |graph: &Graph, channel: usize| graph.params[2].data[channel * 36..][..36].to_vec();
    assert_eq!(kept(&shrunk, 0), kept(&graph(), 1));
    assert_eq!(kept(&shrunk, 1), kept(&graph(), 2));
}

#[test]
fn masks_zero_what_reads_the_removed_and_nothing_else() {
    let masked = mask(&graph(), &Decision { groups: vec![removal("a", 4, &[1])] }).unwrap();
    for (param, (before, after)) in graph().params.iter().zip(&masked.params).enumerate() {
        for (place, (x, y)) in before.data.iter().zip(&after.data).enumerate() {
            let zeroed = param == 2 && place / 9 % 4 == 1;
            assert_eq!(*y, if zeroed { 0.0 } else { *x }, "parameter {param}, element {place}");
        }
    }
}

#[test]
fn decisions_that_do_not_fit_are_refused() {
    assert!(matches!(refused(vec![removal("z", 4, &[0])]), PruneError::UnknownGroup { .. }));
    assert!(matches!(refused(vec![removal("a", 8, &[0])]), PruneError::GroupWidth { decided: 8, found: 4, .. }));
    assert!(matches!(refused(vec![removal("a", 4, &[4])]), PruneError::UnknownUnit { unit: 4, .. }));
    assert!(matches!(refused(vec![removal("a", 4, &[0, 1, 2, 3])]), PruneError::Empty { .. }));
    let twice = vec![removal("a", 4, &[0, 1]), removal("a", 4, &[2, 3])];
    assert!(matches!(refused(twice), PruneError::RepeatedGroup { .. }));
}

#[test]
fn an_invalid_graph_is_refused_by_name() {
    let mut broken = graph();
    broken.params[0].shape = vec![4, 3, 3, 3];
    broken.params[0].data = vec![0.0; 108];
    let error = groups(&broken).unwrap_err();
    assert!(error.to_string().contains("node `a`"), "{error}");
}

#[test]
fn identifiers_and_names_do_not_change() {
    let before = graph();
    let after = shrink(&before, &decide(&before, 0.5, Limits::default())).unwrap();
    let names = |graph: &Graph| graph.params.iter().map(|param| param.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    assert_eq!(before.nodes.len(), after.nodes.len());
    assert_eq!(after.nodes[0].op.params(), [ParamId(0), ParamId(1)]);
}
