//! Couplings of transformers: heads, feed-forward neurons, and why the width of the residual stream stays.

use crate::{
    net::Net,
    support::{frozen, halve, shape, slices, widths},
};
use niwaki_graph::{Binary, Graph, Unary};
use niwaki_prune::groups;

/// An encoder layer over six tokens, four heads of two, eight feed-forward neurons; with layer normalisation or without.
fn encoder(norm: bool) -> Graph {
    let mut net = Net::new(5);
    let x = net.input(&[6, 3]);
    let x = net.linear("embed", x, 5);
    let position = net.constant("position", &[6, 5]);
    let x = net.binary("embedded", Binary::Add, x, position);
    let y = if norm { net.layer_norm("norm1", x) } else { x };
    let y = net.attention("mha", y, 4, 2);
    let x = net.binary("add1", Binary::Add, x, y);
    let y = if norm { net.layer_norm("norm2", x) } else { x };
    let y = net.linear("inner", y, 8);
    let y = net.unary("gelu", Unary::Gelu, y);
    let y = net.linear("outer", y, 5);
    let x = net.binary("add2", Binary::Add, x, y);
    let x = net.transpose("turn", x, &[1, 0]);
    let x = net.global_pool("mean", x, false);
    let logits = net.linear("head", x, 3);
    net.finish(&[logits])
}

#[test]
fn heads_and_feed_forward_neurons_leave() {
    let graph = encoder(true);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("mha.query+mha.key+mha.value", 4), ("inner", 8)]);
    assert_eq!(found.prunable[0].followers, ["mha.output"]);
    assert_eq!(
        slices(&graph, &found, 0, 1),
        [
            "mha.query.weight[1]=2",
            "mha.query.weight[1]=3",
            "mha.query.bias[0]=2",
            "mha.query.bias[0]=3",
            "mha.key.weight[1]=2",
            "mha.key.weight[1]=3",
            "mha.key.bias[0]=2",
            "mha.key.bias[0]=3",
            "mha.value.weight[1]=2",
            "mha.value.weight[1]=3",
            "mha.value.bias[0]=2",
            "mha.value.bias[0]=3",
            "mha.output.weight[0]=2",
            "mha.output.weight[0]=3",
        ]
    );
    let head = &found.prunable[0].units[1];
    assert_eq!(head.parameters, 3 * 2 * (5 + 1) + 2 * 5);
    // Three projections and one back, and two products over six by six tokens.
    assert_eq!(head.macs, 6 * (3 * 2 * 5 + 2 * 5) + 2 * 6 * 6 * 2);

    let shrunk = halve(&graph);
    assert_eq!(shape(&shrunk, "mha.query.weight"), [5, 4]);
    assert_eq!(shape(&shrunk, "mha.value.weight"), [5, 4]);
    assert_eq!(shape(&shrunk, "mha.output.weight"), [4, 5]);
    assert_eq!(shape(&shrunk, "inner.weight"), [5, 4]);
    assert_eq!(shape(&shrunk, "outer.weight"), [4, 5]);
    assert_eq!(graph.total_macs() - shrunk.total_macs(), 2 * head.macs + 4 * 6 * 10);
}

#[test]
fn the_residual_stream_stays_where_it_is_normalised() {
    let found = groups(&encoder(true)).unwrap();
    let reasons = frozen(&found);
    assert!(
        reasons.iter().any(|(_, channels, reason)| *channels == 5 && reason.contains("normalised over by `norm1`"))
    );
    // Without normalisation its channels are as any: the constant goes with them.
    let graph = encoder(false);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found)[0], ("embed+mha.output+outer", 5));
    assert!(slices(&graph, &found, 0, 0).contains(&"position[1]=0".to_string()));
    assert!(halve(&graph).parameter_count() < graph.parameter_count());
}

/// Query and key could lose what only their product reads, but nothing masks it: heads leave whole.
#[test]
fn what_a_product_sums_over_stays() {
    let mut net = Net::new(6);
    let x = net.input(&[4, 3]);
    let y = net.attention("single", x, 1, 6);
    let logits = net.linear("head", y, 2);
    let graph = net.finish(&[logits]);
    let found = groups(&graph).unwrap();
    assert_eq!(widths(&found), [("single.value", 6), ("single.output", 3)]);
    assert!(frozen(&found).iter().any(|(name, _, _)| name.contains("single.query")));
}
