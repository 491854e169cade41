//! Rules for operations that only move metadata.

use super::{Rewrite, maker, shape};
use niwaki_graph::{Graph, Node, Op, Pool, Unary};

/// Operations that change nothing.
pub(super) fn identity(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let input = *node.inputs.first()?;
    let same = match &node.op {
        Op::Reshape { shape: target } => target == shape(graph, input),
        Op::Transpose { perm } => perm.iter().copied().eq(0..perm.len()),
        Op::Pad { padding, .. } => padding.iter().all(|pair| *pair == [0, 0]),
        Op::Unary(Unary::Affine { scale, offset }) => *scale == 1.0 && *offset == 0.0,
        Op::Unary(Unary::Clamp { min, max }) => *min == f32::MIN && *max == f32::MAX,
        Op::MaxPool(pool) | Op::AvgPool(pool) => *pool == unit(pool),
        _ => false,
    };
    same.then_some(Rewrite::Same(input))
}

/// A window of one element, and otherwise as the given one.
fn unit(pool: &Pool) -> Pool {
    let ones = vec![1; pool.kernel.len()];
    let padding = vec![[0, 0]; ones.len()];
    Pool { kernel: ones.clone(), stride: ones, padding, count_include_pad: pool.count_include_pad }
}

/// Two reshapes, or two transpositions, one after the other.
pub(super) fn consecutive(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let before = maker(graph, *node.inputs.first()?)?;
    let op = match (&before.op, &node.op) {
        (Op::Reshape { .. }, Op::Reshape { shape }) => Op::Reshape { shape: shape.clone() },
        (Op::Transpose { perm: first }, Op::Transpose { perm }) => {
            Op::Transpose { perm: perm.iter().map(|axis| first[*axis]).collect() }
        }
        _ => return None,
    };
    Some(Rewrite::Into(op, before.inputs.clone()))
}

/// A transposition that only moves dimensions of size 1 is a reshape.
pub(super) fn unit_transpose(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let Op::Transpose { perm } = &node.op else { return None };
    let from = shape(graph, node.inputs[0]);
    let kept: Vec<usize> = perm.iter().copied().filter(|axis| from[*axis] != 1).collect();
    let target = shape(graph, node.output).to_vec();
    kept.is_sorted().then(|| Rewrite::Into(Op::Reshape { shape: target }, node.inputs.clone()))
}
