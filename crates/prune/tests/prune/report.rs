//! The comparison of a graph before and after, and the text forms people read.

use crate::{net::Net, support::decide};
use niwaki_graph::{Graph, Op};
use niwaki_prune::{Limits, Report, Size, groups, shrink};

fn graph() -> Graph {
    let mut net = Net::new(1);
    let x = net.input(&[1, 4, 4]);
    let a = net.conv("conv1", x, 8, 3);
    let a = net.batch_norm("bn1", a);
    let pooled = net.global_pool("gap", a, false);
    let logits = net.linear("fc", pooled, 2);
    net.finish(&[logits])
}

#[test]
fn layers_and_totals_are_exact() {
    let before = graph();
    let after = shrink(&before, &decide(&before, 0.5, Limits::default())).unwrap();
    let report = Report::new(&before, &after);
    let names: Vec<&str> = report.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["conv1", "bn1", "fc"]);
    assert_eq!(report.layers[0].shape_after, [4, 1, 3, 3]);
    assert_eq!(report.layers[0].before, Size { channels: 8, parameters: 80, macs: 16 * 8 * 9 });
    assert_eq!(report.layers[2].after, Size { channels: 2, parameters: 10, macs: 8 });
    assert_eq!(report.before, Size { channels: 10, parameters: before.parameter_count(), macs: before.total_macs() });
    assert_eq!(report.after, Size { channels: 6, parameters: after.parameter_count(), macs: after.total_macs() });
    assert!((report.channels_gone() - 0.4).abs() < 1e-9);
    assert!((report.macs_gone() - 0.5).abs() < 1e-9);
    let text = report.to_string();
    assert!(text.ends_with("gone: 40.0 % of the channels, 49.2 % of the parameters, 50.0 % of the MACs"), "{text}");
    assert!(text.contains("[8, 1, 3, 3] -> [4, 1, 3, 3]"), "{text}");
}

#[test]
fn shared_parameters_count_once() {
    let mut net = Net::new(2);
    let x = net.input(&[2, 4, 4]);
    let conv = net.conv_op("tied", x, 2, 3, 1);
    let a = net.push("tied_1", Op::Conv(conv.clone()), &[x]);
    let b = net.push("tied_2", Op::Conv(conv), &[a]);
    let graph = net.finish(&[b]);
    let report = Report::new(&graph, &graph);
    assert_eq!(report.before.parameters, graph.parameter_count());
    assert_eq!(report.layers[1].before.parameters, 0);
    assert_eq!(report.parameters_gone(), 0.0);
}

#[test]
fn groups_print_what_goes_and_what_stays() {
    let text = groups(&graph()).unwrap().to_string();
    assert_eq!(
        text,
        "conv1: 8 units, each 16 parameters and 146 MACs; also cuts bn1, fc\n\
         conv1 (input): 1 channels stay, it holds the graph input `x`\n\
         fc: 2 channels stay, it reaches the graph output `fc`\n"
    );
}
