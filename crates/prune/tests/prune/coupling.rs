//! Couplings through layers and element-wise operations: which groups they make, and that they shrink rightly.

use crate::{
    net::Net,
    support::{frozen, halve, shape, slices, widths},
};
use niwaki_graph::{Binary, Graph, Op, Unary};
use niwaki_prune::groups;

/// A classifier on top: global pooling and a linear layer.
fn finish(mut net: Net, x: niwaki_graph::ValueId) -> Graph {
    let pooled = net.global_pool("gap", x, false);
    let logits = net.linear("fc", pooled, 3);
    net.finish(&[logits])
}

#[test]
fn a_chain_has_one_group_per_layer() {
    let mut net = Net::new(1);
    let x = net.input(&[3, 5, 5]);
    let a = net.conv("conv1", x, 8, 3);
    let a = net.batch_norm("bn1", a);
    let a = net.unary("relu", Unary::Relu, a);
    let b = net.conv("conv2", a, 6, 3);
    let graph = finish(net, b);

    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("conv1", 8), ("conv2", 6)]);
    assert_eq!(found.prunable[0].followers, ["bn1", "conv2"]);
    assert_eq!(
        slices(&graph, &found, 0, 5),
        [
            "conv1.weight[0]=5",
            "conv1.bias[0]=5",
            "bn1.gamma[0]=5",
            "bn1.beta[0]=5",
            "bn1.mean[0]=5",
            "bn1.var[0]=5",
            "conv2.weight[1]=5"
        ]
    );
    // conv1: 27 weights, a bias; normalisation: 4; conv2: 6 filters of 9.
    assert_eq!(found.prunable[0].units[5].parameters, 27 + 1 + 4 + 54);
    assert_eq!(found.prunable[0].units[5].macs, 25 * 27 + 25 * 54);
    assert_eq!(
        frozen(&found),
        [("conv1 (input)", 3, "holds the graph input `x`"), ("fc", 3, "reaches the graph output `fc`")]
    );
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "conv2.weight"), [3, 4, 3, 3]);
    assert_eq!(shape(&shrunk, "fc.weight"), [3, 3]);
}

#[test]
fn residual_adds_couple_all_their_producers() {
    let mut net = Net::new(2);
    let x = net.input(&[2, 4, 4]);
    let stem = net.conv("stem", x, 8, 3);
    let a = net.conv("a1", stem, 6, 3);
    let a = net.conv("a2", a, 8, 3);
    let sum = net.binary("add1", Binary::Add, stem, a);
    let b = net.conv("b1", sum, 8, 3);
    let sum = net.binary("add2", Binary::Add, sum, b);
    let graph = finish(net, sum);

    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("stem+a2+b1", 8), ("a1", 6)]);
    assert_eq!(found.prunable[0].producers, ["stem", "a2", "b1"]);
    assert_eq!(found.prunable[0].followers, ["a1", "fc"]);
    // b1 loses a filter and an input channel that cross in one 3x3 kernel.
    let filters = (2 * 9 + 1) + (6 * 9 + 1) + (15 * 9 + 1);
    assert_eq!(found.prunable[0].units[0].parameters, filters + 6 * 9 + 3);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "b1.weight"), [4, 4, 3, 3]);
    assert_eq!(shape(&shrunk, "a2.weight"), [4, 3, 3, 3]);
}

#[test]
fn subtraction_and_gates_couple_like_addition() {
    for binary in [Binary::Sub, Binary::Mul] {
        let mut net = Net::new(3);
        let x = net.input(&[2, 4, 4]);
        let a = net.conv("a", x, 8, 3);
        let b = net.conv("b", a, 8, 1);
        let gate = net.unary("gate", Unary::Sigmoid, b);
        let y = net.binary("join", binary, a, gate);
        let graph = finish(net, y);
        assert_eq!(widths(&groups(&graph).unwrap()), [("a+b", 8)], "{binary:?}");
        halve(&graph);
    }
}

#[test]
fn squeeze_and_excite_keeps_its_bottleneck_separate() {
    let mut net = Net::new(4);
    let x = net.input(&[2, 4, 4]);
    let a = net.conv("a", x, 8, 3);
    let pooled = net.global_pool("gap", a, false);
    let squeezed = net.linear("squeeze", pooled, 4);
    let squeezed = net.unary("relu", Unary::Relu, squeezed);
    let gate = net.linear("excite", squeezed, 8);
    let gate = net.unary("sigmoid", Unary::Sigmoid, gate);
    let y = net.binary("gated", Binary::Mul, pooled, gate);
    let logits = net.linear("fc", y, 3);
    let graph = net.finish(&[logits]);
    assert_eq!(widths(&groups(&graph).unwrap()), [("a+excite", 8), ("squeeze", 4)]);
    halve(&graph);
}

#[test]
fn depthwise_convolutions_follow_their_input() {
    let mut net = Net::new(5);
    let x = net.input(&[2, 5, 5]);
    let a = net.conv("a", x, 8, 3);
    let d = net.depthwise("dw", a, 1);
    let graph = finish(net, d);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 8)]);
    assert_eq!(
        slices(&graph, &found, 0, 2),
        ["a.weight[0]=2", "a.bias[0]=2", "dw.weight[0]=2", "dw.bias[0]=2", "fc.weight[0]=2"]
    );
    let shrunk = halve(&graph);
    assert!(matches!(&shrunk.nodes[1].op, Op::Conv(conv) if conv.groups == 4));
}

#[test]
fn a_depthwise_multiplier_couples_all_outputs_of_a_channel() {
    let mut net = Net::new(6);
    let x = net.input(&[2, 5, 5]);
    let a = net.conv("a", x, 4, 3);
    let d = net.depthwise("dw", a, 2);
    let graph = finish(net, d);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 4)]);
    let unit = slices(&graph, &found, 0, 1);
    assert!(unit.contains(&"dw.weight[0]=2".into()) && unit.contains(&"dw.weight[0]=3".into()), "{unit:?}");
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "dw.weight"), [4, 1, 3, 3]);
}

#[test]
fn a_depthwise_convolution_of_the_input_is_frozen() {
    let mut net = Net::new(7);
    let x = net.input(&[4, 5, 5]);
    let d = net.depthwise("dw", x, 1);
    let graph = finish(net, d);
    let found = groups(&graph).unwrap();
    assert!(found.prunable.is_empty());
    assert!(frozen(&found).contains(&("dw", 4, "holds the graph input `x`")), "{found}");
}

#[test]
fn grouped_convolutions_lose_the_same_channels_in_every_group() {
    let mut net = Net::new(8);
    let x = net.input(&[2, 4, 4]);
    let a = net.conv("a", x, 8, 3);
    let g = net.grouped("g", a, 12, 3, 2);
    let graph = finish(net, g);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 4), ("g", 6)]);
    assert_eq!(
        slices(&graph, &found, 0, 1),
        ["a.weight[0]=1", "a.weight[0]=5", "a.bias[0]=1", "a.bias[0]=5", "g.weight[1]=1"]
    );
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "g.weight"), [6, 2, 3, 3]);
    assert!(matches!(&shrunk.nodes[1].op, Op::Conv(conv) if conv.groups == 2));
}

#[test]
fn a_grouped_convolution_may_shrink_into_a_depthwise_one() {
    let mut net = Net::new(9);
    let x = net.input(&[2, 4, 4]);
    let a = net.conv("a", x, 8, 3);
    let g = net.grouped("g", a, 8, 3, 4);
    let graph = finish(net, g);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "g.weight"), [4, 1, 3, 3]);
    assert_eq!(widths(&groups(&shrunk).unwrap()), [("a", 4)]);
    halve(&shrunk);
}

#[test]
fn a_shared_layer_couples_both_of_its_uses() {
    let mut net = Net::new(10);
    let x = net.input(&[2, 4, 4]);
    let a = net.conv("a", x, 6, 3);
    let conv = net.conv_op("tied", a, 6, 3, 1);
    let b = net.push("tied_1", Op::Conv(conv.clone()), &[a]);
    let c = net.push("tied_2", Op::Conv(conv), &[b]);
    let graph = finish(net, c);
    // The input of the first use is the output of `a`, that of the second the output of the first: all one group.
    assert_eq!(widths(&groups(&graph).unwrap()), [("a+tied_1+tied_2", 6)]);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "tied.weight"), [3, 3, 3, 3]);
}

#[test]
fn a_layer_shared_with_the_graph_input_is_frozen() {
    let mut net = Net::new(11);
    let x = net.input(&[4, 4, 4]);
    let conv = net.conv_op("tied", x, 4, 3, 1);
    let a = net.push("tied_1", Op::Conv(conv.clone()), &[x]);
    let b = net.push("tied_2", Op::Conv(conv), &[a]);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert!(found.prunable.is_empty());
    assert!(frozen(&found).contains(&("tied_1+tied_2", 4, "holds the graph input `x`")), "{found}");
}

#[test]
fn adding_the_graph_input_freezes() {
    let mut net = Net::new(12);
    let x = net.input(&[4, 4, 4]);
    let a = net.conv("a", x, 4, 3);
    let sum = net.binary("add", Binary::Add, a, x);
    let b = net.conv("b", sum, 8, 3);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("b", 8)]);
    assert!(frozen(&found).contains(&("a", 4, "holds the graph input `x`")), "{found}");
    halve(&graph);
}

#[test]
fn an_intermediate_output_freezes() {
    let mut net = Net::new(13);
    let x = net.input(&[2, 4, 4]);
    let a = net.conv("a", x, 4, 3);
    let b = net.conv("b", a, 4, 3);
    let graph = net.finish(&[a, b]);
    let found = groups(&graph).unwrap();
    assert!(found.prunable.is_empty());
    assert!(frozen(&found).contains(&("a", 4, "reaches the graph output `a`")), "{found}");
}

#[test]
fn a_layer_with_one_channel_is_frozen() {
    let mut net = Net::new(14);
    let x = net.input(&[2, 4, 4]);
    let a = net.conv("a", x, 1, 3);
    let b = net.conv("b", a, 4, 3);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("b", 4)]);
    assert!(found.frozen.iter().any(|entry| entry.name == "a" && entry.reason.contains("one unit")), "{found}");
}

#[test]
fn sequences_of_features_are_pruned_on_both_sides() {
    // A mixer: one linear layer over positions' features, one over the positions of each feature.
    let mut net = Net::new(15);
    let x = net.input(&[5, 6]);
    let a = net.linear("features", x, 8);
    let a = net.transpose("t1", a, &[1, 0]);
    let b = net.linear("positions", a, 4);
    let b = net.transpose("t2", b, &[1, 0]);
    let c = net.linear("fc", b, 6);
    let flat = net.global_pool("gap", c, false);
    let logits = net.linear("head", flat, 3);
    let graph = net.finish(&[logits]);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("features", 8), ("positions", 4)]);
    // `positions` runs once per feature, so a feature costs its multiply-accumulates too: 5 rows of 6, 5 x 4, 4 x 6.
    assert_eq!(found.prunable[0].units[0].macs, 5 * 6 + 5 * 4 + 4 * 6);
    assert!(frozen(&found).contains(&("fc", 6, "lies along a dimension that `gap` averages over")), "{found}");
    let before = graph.total_macs();
    let shrunk = halve(&graph);
    assert!(shrunk.total_macs() < before / 2);
}

#[test]
fn batch_norm_of_a_bias_free_convolution_on_a_sequence_follows() {
    let mut net = Net::new(16);
    let x = net.input(&[2, 12]);
    let mut conv = net.conv_op("a", x, 8, 3, 1);
    conv.bias = None;
    conv.stride = vec![2];
    conv.dilation = vec![2];
    conv.padding = vec![[3, 1]];
    let a = net.push("a", Op::Conv(conv), &[x]);
    let a = net.batch_norm("bn", a);
    let graph = finish(net, a);
    assert_eq!(widths(&groups(&graph).unwrap()), [("a", 8)]);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "a.weight"), [4, 2, 3]);
    assert_eq!(shape(&shrunk, "bn.var"), [4]);
}
