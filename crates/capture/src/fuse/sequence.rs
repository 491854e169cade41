//! Rules for attention and for the GELU that is spelled out with a hyperbolic tangent.

use super::{Rewrite, maker};
use niwaki_graph::{Binary, Graph, MatMul, Node, Op, Unary, ValueId};

fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * b.abs().max(1.0)
}

/// A value as a positive number times another value.
fn scaled(graph: &Graph, value: ValueId) -> (ValueId, f32) {
    match maker(graph, value).map(|node| (&node.op, &node.inputs)) {
        Some((Op::Unary(Unary::Affine { scale, offset: 0.0 }), inputs)) if *scale > 0.0 => (inputs[0], *scale),
        _ => (value, 1.0),
    }
}

/// A product of values that is multiplied by a number afterwards, where nothing else reads it.
pub(super) fn scaled_product(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let Op::Unary(Unary::Affine { scale, offset: 0.0 }) = node.op else { return None };
    let input = node.inputs[0];
    let before = maker(graph, input)?;
    let Op::MatMul(product) = before.op else { return None };
    let alone = graph.consumers(input).len() == 1 && !graph.outputs.contains(&input) && scale > 0.0;
    alone.then(|| Rewrite::Into(Op::MatMul(MatMul { scale: product.scale * scale, ..product }), before.inputs.clone()))
}

/// A product of values of which one was multiplied by a number.
pub(super) fn product_of_scaled(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let Op::MatMul(product) = node.op else { return None };
    let [(a, x), (b, y)] = [scaled(graph, node.inputs[0]), scaled(graph, node.inputs[1])];
    let scale = product.scale * x * y;
    ([a, b] != node.inputs[..]).then(|| Rewrite::Into(Op::MatMul(MatMul { scale, ..product }), vec![a, b]))
}

/// `0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`, whichever factor the half is at.
pub(super) fn gelu_tanh(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let (x, factor) = match &node.op {
        Op::Binary(Binary::Mul) => gated(graph, node)?,
        Op::Unary(Unary::Affine { scale, offset: 0.0 }) => {
            let product = maker(graph, node.inputs[0])?;
            let (x, factor) = gated(graph, product)?;
            (x, factor * scale)
        }
        _ => return None,
    };
    near(factor, 0.5).then(|| Rewrite::Into(Op::Unary(Unary::GeluTanh), vec![x]))
}

/// The value and the factor for which a product is `factor * x * (1 + tanh(..))`.
fn gated(graph: &Graph, node: &Node) -> Option<(ValueId, f32)> {
    let (Op::Binary(Binary::Mul), [a, b]) = (&node.op, &node.inputs[..]) else { return None };
    let try_as = |a: ValueId, gate: ValueId| {
        let ((x, before), (argument, factor)) = (scaled(graph, a), one_plus_tanh(graph, gate)?);
        let (sum, slope) = scaled(graph, argument);
        let right = near(slope, (2.0 / std::f32::consts::PI).sqrt()) && is_cubic(graph, sum, x);
        right.then_some((x, before * factor))
    };
    try_as(*a, *b).or_else(|| try_as(*b, *a))
}

/// What the tangent is of, and the factor of `factor * (1 + tanh(..))`.
fn one_plus_tanh(graph: &Graph, value: ValueId) -> Option<(ValueId, f32)> {
    let node = maker(graph, value)?;
    let Op::Unary(Unary::Affine { scale, offset }) = node.op else { return None };
    let tanh = maker(graph, node.inputs[0]).filter(|node| matches!(node.op, Op::Unary(Unary::Tanh)))?;
    near(scale, offset).then(|| (tanh.inputs[0], scale))
}

/// Whether a value is `x + 0.044715 * x^3`.
fn is_cubic(graph: &Graph, value: ValueId, x: ValueId) -> bool {
    let Some(node) = maker(graph, value).filter(|node| node.op == Op::Binary(Binary::Add)) else { return false };
    let is_term = |term: ValueId| {
        let (cube, factor) = scaled(graph, term);
        near(factor, 0.044715) && is_cube(graph, cube, x)
    };
    matches!(node.inputs[..], [a, b] if (a == x && is_term(b)) || (b == x && is_term(a)))
}

/// Whether a value is `x * x * x`, in either order.
fn is_cube(graph: &Graph, value: ValueId, x: ValueId) -> bool {
    let product = |value: ValueId| {
        let node = maker(graph, value).filter(|node| node.op == Op::Binary(Binary::Mul))?;
        Some([node.inputs[0], node.inputs[1]])
    };
    let is_square = |value: ValueId| product(value) == Some([x, x]);
    product(value).is_some_and(|[a, b]| (a == x && is_square(b)) || (b == x && is_square(a)))
}
