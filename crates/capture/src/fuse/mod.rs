//! Patterns: what Burn or the user's code takes apart is put together, and what changes nothing is dropped.
//!
//! Every rule looks at one node and the nodes that yield its operands, and rewrites the node in place: operands that
//! others read stay, and what nobody reads any more is swept away at the end. So no rule has to count readers.

mod activation;
mod pool;
mod sequence;
mod view;

use niwaki_graph::{Graph, Node, Op, ValueId};

/// What a rule makes of a node.
enum Rewrite {
    /// The node yields one of the other values unchanged.
    Same(ValueId),
    /// Another operation on other operands yields the same.
    Into(Op, Vec<ValueId>),
}

type Rule = fn(&Graph, &Node) -> Option<Rewrite>;

/// Every rule makes the graph shorter, or one of its operations more specific, so there is an end to them.
const RULES: &[Rule] = &[
    view::identity,
    view::consecutive,
    view::unit_transpose,
    activation::consecutive,
    activation::hard_sigmoid,
    sequence::scaled_product,
    sequence::product_of_scaled,
    sequence::gelu_tanh,
    pool::padded,
    pool::separable_average,
    pool::global_average,
    pool::flattened_global_average,
    pool::global_average_of_flattened,
];

/// Applies all rules until none fits, and drops what does not reach an output.
pub(crate) fn fuse(graph: &mut Graph) {
    loop {
        let mut changed = activation::hard_swish(graph);
        for rule in RULES {
            changed |= apply(graph, *rule);
        }
        sweep(graph);
        if !changed {
            break;
        }
    }
    graph.compact();
}

fn apply(graph: &mut Graph, rule: Rule) -> bool {
    let mut changed = false;
    for index in 0..graph.nodes.len() {
        match rule(graph, &graph.nodes[index]) {
            Some(Rewrite::Same(value)) => {
                let output = graph.nodes[index].output;
                // Until it is swept, the node itself would match again.
                changed |= replace(graph, output, value);
            }
            Some(Rewrite::Into(op, inputs)) => {
                let node = &mut graph.nodes[index];
                (node.op, node.inputs) = (op, inputs);
                changed = true;
            }
            None => {}
        }
    }
    changed
}

/// Lets all readers of one value read another.
fn replace(graph: &mut Graph, old: ValueId, new: ValueId) -> bool {
    let nodes = graph.nodes.iter_mut().flat_map(|node| &mut node.inputs);
    let mut changed = false;
    for id in nodes.chain(&mut graph.outputs).filter(|id| **id == old) {
        *id = new;
        changed = true;
    }
    changed
}

fn sweep(graph: &mut Graph) {
    let mut read = vec![false; graph.values.len()];
    for id in &graph.outputs {
        read[id.0] = true;
    }
    let mut index = graph.nodes.len();
    while index > 0 {
        index -= 1;
        if read[graph.nodes[index].output.0] {
            for id in &graph.nodes[index].inputs {
                read[id.0] = true;
            }
        } else {
            graph.nodes.remove(index);
        }
    }
}

/// The node that yields a value.
fn maker(graph: &Graph, value: ValueId) -> Option<&Node> {
    graph.producer(value).map(|index| &graph.nodes[index])
}

fn shape(graph: &Graph, value: ValueId) -> &[usize] {
    &graph.value(value).shape
}
