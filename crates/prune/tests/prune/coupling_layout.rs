//! Couplings through operations that move, join or drop dimensions.

use crate::{
    net::Net,
    support::{decide, frozen, halve, shape, shrink_checked, slices, widths},
};
use niwaki_graph::{Binary, Graph, Op, ValueId};
use niwaki_prune::{Limits, groups};

/// Flattens into a classifier.
fn finish(mut net: Net, x: ValueId) -> Graph {
    let flat = net.flatten("flatten", x);
    let logits = net.linear("fc", flat, 3);
    net.finish(&[logits])
}

#[test]
fn concatenated_channels_keep_their_own_groups() {
    let mut net = Net::new(1);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 1);
    let b = net.conv("b", x, 6, 3);
    let joined = net.concat("cat", &[a, b], 0);
    let normed = net.batch_norm("bn", joined);
    let c = net.conv("c", normed, 8, 1);
    let graph = finish(net, c);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 4), ("b", 6), ("c", 8)]);
    let unit = slices(&graph, &found, 1, 2);
    assert!(unit.contains(&"c.weight[1]=6".into()) && unit.contains(&"bn.gamma[0]=6".into()), "{unit:?}");
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "c.weight"), [4, 5, 1, 1]);
}

#[test]
fn concatenation_with_the_graph_input_prunes_the_rest() {
    let mut net = Net::new(2);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 3);
    let joined = net.concat("cat", &[x, a], 0);
    let b = net.conv("b", joined, 4, 1);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 4), ("b", 4)]);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "b.weight"), [2, 4, 1, 1]);
}

#[test]
fn concatenation_along_another_axis_couples() {
    let mut net = Net::new(3);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 1);
    let b = net.conv("b", x, 4, 3);
    let joined = net.concat("cat", &[a, b], 2);
    let graph = finish(net, joined);
    assert_eq!(widths(&groups(&graph).unwrap()), [("a+b", 4)]);
    halve(&graph);
}

#[test]
fn a_split_group_added_to_a_concatenation_has_two_groups() {
    let mut net = Net::new(4);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 1);
    let b = net.conv("b", x, 4, 3);
    let joined = net.concat("cat", &[a, b], 0);
    let c = net.conv("c", x, 8, 1);
    let sum = net.binary("add", Binary::Add, joined, c);
    let graph = finish(net, sum);
    assert_eq!(widths(&groups(&graph).unwrap()), [("a+c", 4), ("b+c", 4)]);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "c.weight"), [4, 2, 1, 1]);
}

#[test]
fn slices_are_groups_that_never_end_up_empty() {
    let mut net = Net::new(18);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 8, 3);
    let [first, second] = [[0, 2], [2, 8]].map(|[start, end]| Op::Slice { axis: 0, start, end });
    let (first, second) = (net.push("first", first, &[a]), net.push("second", second, &[a]));
    // One consumer reads all eight: but for the slices they would be one group.
    let turned = net.concat("turned", &[second, first], 0);
    let graph = finish(net, turned);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 2), ("a#2", 6)]);
    assert_eq!(slices(&graph, &found, 0, 1)[2], "fc.weight[0]=63");
    let shrunk = shrink_checked(&graph, &decide(&graph, 0.95, Limits::default()));
    assert_eq!(shrunk.nodes[1].op, Op::Slice { axis: 0, start: 0, end: 1 });
    assert_eq!(shrunk.nodes[2].op, Op::Slice { axis: 0, start: 1, end: 2 });
    // Rows that are left out take nothing with them.
    let mut net = Net::new(19);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 3);
    let rows = net.push("rows", Op::Slice { axis: 1, start: 1, end: 3 }, &[a]);
    let graph = finish(net, rows);
    assert_eq!(widths(&groups(&graph).unwrap()), [("a", 4)]);
    halve(&graph);
}

#[test]
fn flatten_repeats_each_channel() {
    let mut net = Net::new(5);
    let x = net.input(&[2, 3, 2]);
    let a = net.conv("a", x, 4, 3);
    let graph = finish(net, a);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 4)]);
    let unit = slices(&graph, &found, 0, 1);
    let rows: Vec<String> = (6..12).map(|row| format!("fc.weight[0]={row}")).collect();
    assert_eq!(unit[2..], rows);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "fc.weight"), [12, 3]);
    assert_eq!(shrunk.value(shrunk.nodes[1].output).shape, [12], "the reshape's target follows");
}

#[test]
fn flatten_after_a_transpose_to_channels_last_interleaves() {
    let mut net = Net::new(6);
    let x = net.input(&[2, 3, 2]);
    let a = net.conv("a", x, 4, 3);
    let last = net.transpose("nhwc", a, &[1, 2, 0]);
    let graph = finish(net, last);
    let found = groups(&graph).unwrap();
    let unit = slices(&graph, &found, 0, 1);
    let rows: Vec<String> = (0..6).map(|place| format!("fc.weight[0]={}", 4 * place + 1)).collect();
    assert_eq!(unit[2..], rows);
    halve(&graph);
}

#[test]
fn dimensions_of_size_one_come_and_go() {
    let mut net = Net::new(7);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 3);
    let pooled = net.global_pool("gap", a, true);
    let vector = net.reshape("squeeze", pooled, &[4]);
    let b = net.linear("b", vector, 8);
    let row = net.reshape("row", b, &[1, 8]);
    let column = net.reshape("column", row, &[8, 1, 1]);
    let c = net.conv("c", column, 4, 1);
    let graph = finish(net, c);
    assert_eq!(widths(&groups(&graph).unwrap()), [("a", 4), ("b", 8), ("c", 4)]);
    halve(&graph);
}

#[test]
fn features_that_become_an_image_leave_by_the_channel() {
    let mut net = Net::new(8);
    let x = net.input(&[5]);
    let a = net.linear("a", x, 4 * 3 * 3);
    let image = net.reshape("image", a, &[4, 3, 3]);
    let b = net.conv("b", image, 4, 3);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 4), ("b", 4)]);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "a.weight"), [5, 18]);
    assert_eq!(shrunk.value(shrunk.nodes[1].output).shape, [2, 3, 3]);
}

#[test]
fn a_channel_shuffle_keeps_the_groups_equal() {
    let mut net = Net::new(9);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 8, 3);
    let g = net.grouped("g", a, 8, 1, 2);
    let split = net.reshape("split", g, &[2, 4, 3, 3]);
    let turned = net.transpose("turn", split, &[1, 0, 2, 3]);
    let merged = net.reshape("merge", turned, &[8, 3, 3]);
    let h = net.grouped("h", merged, 8, 1, 2);
    let graph = finish(net, h);
    let found = groups(&graph).unwrap();
    // `h` couples the i-th channels of both halves of the shuffled channels: of 4 places of `g`, 2 units are left.
    assert_eq!(widths(&found), [("a", 4), ("g", 2), ("h", 4)]);
    halve(&graph);
}

#[test]
fn a_reshape_that_regroups_freezes_with_the_reason() {
    let mut net = Net::new(10);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 3);
    let odd = net.reshape("odd", a, &[6, 6]);
    let graph = finish(net, odd);
    let found = groups(&graph).unwrap();
    assert!(found.prunable.is_empty());
    let reason = "is regrouped by `odd` from [4, 3, 3] to [6, 6], where channels cannot be followed";
    assert!(frozen(&found).contains(&("a", 4, reason)), "{found}");
}

#[test]
fn merging_two_dimensions_with_channels_keeps_the_wider() {
    let mut net = Net::new(11);
    let x = net.input(&[5, 6]);
    let a = net.linear("a", x, 8);
    let turned = net.transpose("turn", a, &[1, 0]);
    let b = net.linear("b", turned, 4);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 8)]);
    let reason = "is merged by `flatten` with another dimension that holds channels";
    assert!(frozen(&found).contains(&("b", 4, reason)), "{found}");
    halve(&graph);
}

#[test]
fn channels_turned_into_space_freeze() {
    let mut net = Net::new(12);
    let x = net.input(&[2, 4, 4]);
    let a = net.conv("a", x, 4, 3);
    let turned = net.transpose("turn", a, &[1, 0, 2]);
    let b = net.conv("b", turned, 4, 3);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("b", 4)]);
    let reason = "lies along a dimension that the windows of `b` slide over";
    assert!(frozen(&found).contains(&("a", 4, reason)), "{found}");
    halve(&graph);
}

#[test]
fn padded_channels_of_a_residual_shortcut_leave_with_their_partners() {
    // ResNet's parameter-free shortcut: zero channels around the narrow input.
    let mut net = Net::new(13);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 3);
    let wide = net.push("widen", Op::Pad { padding: vec![[2, 2], [0, 0], [0, 0]], value: 0.5 }, &[a]);
    let b = net.conv("b", a, 8, 3);
    let sum = net.binary("add", Binary::Add, wide, b);
    let graph = finish(net, sum);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a+b", 4), ("b", 4)]);
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "b.weight"), [4, 2, 3, 3]);
    let Op::Pad { padding, .. } = &shrunk.nodes[1].op else { panic!("node 1 pads") };
    assert_eq!(padding[0].iter().sum::<usize>(), 2);
}

#[test]
fn constant_channels_alone_are_no_group() {
    let mut net = Net::new(14);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 4, 3);
    let wide = net.push("widen", Op::Pad { padding: vec![[0, 4], [1, 1], [0, 0]], value: 1.0 }, &[a]);
    let b = net.conv("b", wide, 4, 3);
    let graph = finish(net, b);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("a", 4), ("b", 4)]);
    assert!(frozen(&found).contains(&("b (input)", 4, "holds channels that no layer computes (a constant border)")));
    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "b.weight"), [2, 6, 3, 3]);
}

#[test]
fn softmax_freezes_the_axis_it_normalises_only() {
    let build = |axis| {
        let mut net = Net::new(15);
        let x = net.input(&[2, 3, 3]);
        let a = net.conv("a", x, 4, 3);
        let soft = net.push("soft", Op::Softmax { axis }, &[a]);
        finish(net, soft)
    };
    let found = groups(&build(0)).unwrap();
    assert!(found.prunable.is_empty());
    assert!(frozen(&found).contains(&("a", 4, "is normalised over by `soft`")), "{found}");
    assert_eq!(widths(&groups(&build(1)).unwrap()), [("a", 4)]);
    halve(&build(1));
}

#[test]
fn pools_pass_channels_on() {
    for average in [false, true] {
        let mut net = Net::new(16);
        let x = net.input(&[2, 5, 5]);
        let a = net.conv("a", x, 8, 3);
        let pool = net.pool_op(a, average);
        let op = if average { Op::AvgPool(pool) } else { Op::MaxPool(pool) };
        let a = net.push("pool", op, &[a]);
        let graph = finish(net, a);
        assert_eq!(widths(&groups(&graph).unwrap()), [("a", 8)]);
        halve(&graph);
    }
}

#[test]
fn tiles_keep_multiples_of_four() {
    let mut net = Net::new(17);
    let x = net.input(&[2, 3, 3]);
    let a = net.conv("a", x, 12, 3);
    let b = net.conv("b", a, 6, 3);
    let graph = finish(net, b);
    let decision = decide(&graph, 0.5, Limits { tile: 4, min_width: 4 });
    let shrunk = shrink_checked(&graph, &decision);
    assert_eq!(shape(&shrunk, "b.weight"), [4, 8, 3, 3]);
}
