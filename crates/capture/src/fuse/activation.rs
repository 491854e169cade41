//! Rules for functions of one element: affine chains, clamps, hard sigmoid and hard swish.

use super::{Rewrite, maker};
use niwaki_graph::{Binary, Graph, Node, Op, Unary, ValueId};

fn unary(node: &Node) -> Option<Unary> {
    match node.op {
        Op::Unary(unary) => Some(unary),
        _ => None,
    }
}

fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}

/// Lower and upper bound of a function that clamps.
fn bounds(op: Unary) -> Option<(f32, f32)> {
    match op {
        Unary::Relu => Some((0.0, f32::MAX)),
        Unary::Clamp { min, max } => Some((min, max)),
        _ => None,
    }
}

/// Two affine functions, or two clamps, one after the other; a clamp from zero upwards is a ReLU.
pub(super) fn consecutive(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let op = unary(node)?;
    if op == (Unary::Clamp { min: 0.0, max: f32::MAX }) {
        return Some(Rewrite::Into(Op::Unary(Unary::Relu), node.inputs.clone()));
    }
    let before = maker(graph, node.inputs[0])?;
    let merged = match (unary(before)?, op) {
        (Unary::Affine { scale: a, offset: b }, Unary::Affine { scale, offset }) => {
            let (a, b, c, d) = (f64::from(a), f64::from(b), f64::from(scale), f64::from(offset));
            let (scale, offset) = ((a * c) as f32, (b * c + d) as f32);
            // `x / 6 * 6` is meant to be `x`.
            let scale = if near(scale, 1.0) { 1.0 } else { scale };
            Unary::Affine { scale, offset }
        }
        (first, second) => {
            let ((low, high), (min, max)) = (bounds(first)?, bounds(second)?);
            let bound = |x: f32| x.max(min).min(max);
            Unary::Clamp { min: bound(low), max: bound(high) }
        }
    };
    Some(Rewrite::Into(Op::Unary(merged), before.inputs.clone()))
}

/// `clamp(alpha * x + beta, 0, 1)`, also where it is scaled after the clamp: `clamp(x + 3, 0, 6) / 6`.
pub(super) fn hard_sigmoid(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let (clamp, after) = match unary(node)? {
        Unary::Affine { scale, offset: 0.0 } => (maker(graph, node.inputs[0])?, scale),
        _ => (node, 1.0),
    };
    let Unary::Clamp { min: 0.0, max } = unary(clamp)? else { return None };
    let inner = maker(graph, clamp.inputs[0])?;
    let Unary::Affine { scale, offset } = unary(inner)? else { return None };
    if !near(max * after, 1.0) {
        return None;
    }
    let op = Unary::HardSigmoid { alpha: scale * after, beta: offset * after };
    Some(Rewrite::Into(Op::Unary(op), inner.inputs.clone()))
}

/// `x * hard_sigmoid(x)` with slope 1/6 in all its spellings: a product of `x` and a gate, each times a number.
///
/// Where the numbers do not amount to 1, an affine function that follows may do the rest (`x * clamp(x + 3, 0, 6) / 6`),
/// so a node for the factor is put behind and left to [`consecutive`].
pub(super) fn hard_swish(graph: &mut Graph) -> bool {
    let found = graph.nodes.iter().enumerate().find_map(|(index, node)| {
        let (Op::Binary(Binary::Mul), [a, b]) = (&node.op, &node.inputs[..]) else { return None };
        swish_factor(graph, *a, *b).or_else(|| swish_factor(graph, *b, *a)).map(|(x, factor)| (index, x, factor))
    });
    let Some((index, x, factor)) = found else { return false };
    let swish = Op::Unary(Unary::HardSwish);
    if near(factor, 1.0) {
        (graph.nodes[index].op, graph.nodes[index].inputs) = (swish, vec![x]);
        return true;
    }
    let name = format!("{}.swish", graph.nodes[index].name);
    let between = graph.add_value(name.clone(), graph.value(x).shape.clone());
    let node = &mut graph.nodes[index];
    (node.op, node.inputs) = (Op::Unary(Unary::Affine { scale: factor, offset: 0.0 }), vec![between]);
    graph.nodes.insert(index, Node { name, op: swish, inputs: vec![x], output: between });
    true
}

/// The value and the factor for which `a * gate` is `factor * hard_swish(x)`.
fn swish_factor(graph: &Graph, a: ValueId, gate: ValueId) -> Option<(ValueId, f32)> {
    let (x, gate_factor) = swish_gate(graph, gate)?;
    if a == x {
        return Some((x, gate_factor));
    }
    match scaled(graph, a) {
        (value, factor) if value == x => Some((x, factor * gate_factor)),
        _ => None,
    }
}

/// The value and the factor for which a value is `factor * hard_sigmoid(x)` with slope 1/6.
fn swish_gate(graph: &Graph, gate: ValueId) -> Option<(ValueId, f32)> {
    let (gate, factor) = scaled(graph, gate);
    let node = maker(graph, gate)?;
    match unary(node)? {
        Unary::HardSigmoid { alpha, beta } if near(alpha, 1.0 / 6.0) && near(beta, 0.5) => {
            Some((node.inputs[0], factor))
        }
        Unary::Clamp { min: 0.0, max: 6.0 } => {
            let inner = maker(graph, node.inputs[0])?;
            (unary(inner)? == Unary::Affine { scale: 1.0, offset: 3.0 }).then(|| (inner.inputs[0], 6.0 * factor))
        }
        _ => None,
    }
}

/// A value as a number times another value.
fn scaled(graph: &Graph, value: ValueId) -> (ValueId, f32) {
    match maker(graph, value).map(|node| (&node.op, &node.inputs)) {
        Some((Op::Unary(Unary::Affine { scale, offset: 0.0 }), inputs)) => (inputs[0], *scale),
        _ => (value, 1.0),
    }
}
