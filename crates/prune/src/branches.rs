//! Residual branches: what can be left out of a graph as a whole, because a shortcut carries on without it.

use niwaki_graph::{Binary, Graph, Op, ParamId, Unary, ValueId};
use std::collections::BTreeSet;

/// A branch that joins the rest of the network at one addition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branch {
    /// Where it joins: the addition, as an index into [`Graph::nodes`].
    pub(crate) join: usize,
    /// What the branch yields.
    pub(crate) value: ValueId,
    /// What the addition yields without it.
    pub(crate) shortcut: ValueId,
    /// Nodes that nothing but the branch needs.
    pub(crate) nodes: BTreeSet<usize>,
}

impl Branch {
    /// Weights of the branch's own convolutions and linear layers, each with the axis of its output channels.
    pub(crate) fn weights(&self, graph: &Graph) -> Vec<ParamId> {
        let weight = |index: &usize| match &graph.nodes[*index].op {
            Op::Conv(conv) => Some(conv.weight),
            Op::Linear(linear) => Some(linear.weight),
            _ => None,
        };
        self.nodes.iter().filter_map(weight).collect()
    }
}

/// The branches of a graph, in the order they join.
///
/// At an addition, the branch is the operand that is computed from the other one (an identity shortcut), or else the
/// one with more multiply-accumulates of its own (a projection shortcut). It must have layers that nothing else uses.
pub(crate) fn branches(graph: &Graph) -> Vec<Branch> {
    let joins = graph.nodes.iter().enumerate().filter(|(_, node)| matches!(node.op, Op::Binary(Binary::Add)));
    joins
        .filter_map(|(join, node)| {
            let [a, b] = node.inputs[..] else { return None };
            let own = |value| own_nodes(graph, join, value);
            let macs = |nodes: &BTreeSet<usize>| -> usize { nodes.iter().map(|n| graph.macs(&graph.nodes[*n])).sum() };
            let (of_a, of_b) = (own(a), own(b));
            let (value, shortcut, nodes) = match (depends(graph, a, b), depends(graph, b, a)) {
                (true, false) => (a, b, of_a),
                (false, true) => (b, a, of_b),
                _ if macs(&of_a) > macs(&of_b) => (a, b, of_a),
                _ => (b, a, of_b),
            };
            // The shortcut has to be a way from the input of the same shape, not a constant that is added.
            let carries = graph.inputs.iter().any(|input| depends(graph, shortcut, *input))
                && graph.value(shortcut).shape == graph.value(node.output).shape;
            (a != b && carries && macs(&nodes) > 0).then_some(Branch { join, value, shortcut, nodes })
        })
        .collect()
}

/// Whether a value is computed from another.
fn depends(graph: &Graph, value: ValueId, on: ValueId) -> bool {
    let mut open = vec![value];
    let mut seen = BTreeSet::new();
    while let Some(value) = open.pop() {
        if value == on {
            return true;
        }
        if let Some(index) = graph.producer(value).filter(|index| seen.insert(*index)) {
            open.extend(&graph.nodes[index].inputs);
        }
    }
    false
}

/// Nodes that nothing needs when `join` no longer reads `value`.
fn own_nodes(graph: &Graph, join: usize, value: ValueId) -> BTreeSet<usize> {
    let mut own = BTreeSet::new();
    // Readers come after what they read, so one pass backwards is enough.
    for index in (0..join).rev() {
        let output = graph.nodes[index].output;
        let needed = graph.outputs.contains(&output)
            || graph.nodes.iter().enumerate().any(|(reader, node)| {
                let as_branch = reader == join && output == value;
                node.inputs.contains(&output) && !own.contains(&reader) && !as_branch
            });
        let reaches = output == value || graph.consumers(output).iter().any(|reader| own.contains(reader));
        if !needed && reaches {
            own.insert(index);
        }
    }
    own
}

/// The graph without some of its branches. What nothing needs any more leaves; identifiers change, names do not.
pub(crate) fn without(graph: &Graph, gone: &[&Branch]) -> Graph {
    let mut smaller = graph.clone();
    // A shortcut may itself be a sum that loses a branch: follow it to what is left of it.
    let resolve = |mut value: ValueId| {
        while let Some(branch) = gone.iter().find(|branch| graph.nodes[branch.join].output == value) {
            value = branch.shortcut;
        }
        value
    };
    let dropped: BTreeSet<usize> =
        gone.iter().flat_map(|branch| branch.nodes.iter().copied().chain([branch.join])).collect();
    for node in &mut smaller.nodes {
        node.inputs.iter_mut().for_each(|value| *value = resolve(*value));
    }
    smaller.outputs.iter_mut().for_each(|value| *value = resolve(*value));
    let mut index = 0;
    smaller.nodes.retain(|_| {
        index += 1;
        !dropped.contains(&(index - 1))
    });
    smaller.compact();
    smaller
}

/// The graph in which some branches yield zeros: same shapes, same results as without them.
pub(crate) fn silenced(graph: &Graph, gone: &[&Branch]) -> Graph {
    let mut silent = graph.clone();
    let mut joins: Vec<&&Branch> = gone.iter().collect();
    // From the last, so that earlier indices stay right.
    joins.sort_by_key(|branch| std::cmp::Reverse(branch.join));
    for branch in joins {
        let name = format!("{} (silenced)", graph.nodes[branch.join].name);
        let zero = Op::Unary(Unary::Affine { scale: 0.0, offset: 0.0 });
        let output = silent.add_value(name.clone(), graph.value(branch.value).shape.clone());
        let join = &mut silent.nodes[branch.join];
        join.inputs.iter_mut().filter(|value| **value == branch.value).for_each(|value| *value = output);
        silent.nodes.insert(branch.join, niwaki_graph::Node { name, op: zero, inputs: vec![branch.value], output });
    }
    silent
}
