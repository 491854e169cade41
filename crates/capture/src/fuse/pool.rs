//! Rules for padding and pooling: separate padding, separable and global averages.

use super::{Rewrite, maker, shape};
use niwaki_graph::{Graph, Node, Op, Pool};

/// A border that the convolution or pooling behind it can make itself.
///
/// Burn writes asymmetric padding of pools so: by -inf before a maximum, by zeros before an average that counts them.
pub(super) fn padded(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let before = maker(graph, *node.inputs.first()?)?;
    let Op::Pad { padding: border, value } = &before.op else { return None };
    let (channels, border) = border.split_first()?;
    if *channels != [0, 0] {
        return None;
    }
    let sum = |padding: &[[usize; 2]]| -> Vec<[usize; 2]> {
        padding.iter().zip(border).map(|(a, b)| [a[0] + b[0], a[1] + b[1]]).collect()
    };
    let op = match &node.op {
        Op::Conv(conv) if *value == 0.0 => {
            let mut conv = conv.clone();
            conv.padding = sum(&conv.padding);
            Op::Conv(conv)
        }
        Op::MaxPool(pool) if *value == f32::MIN => {
            let mut pool = pool.clone();
            pool.padding = sum(&pool.padding);
            // A window of padding alone has no maximum.
            let inside = pool.padding.iter().zip(&pool.kernel).all(|(pair, kernel)| pair.iter().max() < Some(kernel));
            if !inside {
                return None;
            }
            Op::MaxPool(pool)
        }
        Op::AvgPool(pool) if *value == 0.0 && (pool.count_include_pad || unpadded(pool)) => {
            let mut pool = pool.clone();
            pool.padding = sum(&pool.padding);
            pool.count_include_pad = true;
            Op::AvgPool(pool)
        }
        _ => return None,
    };
    Some(Rewrite::Into(op, before.inputs.clone()))
}

/// Averages over one dimension after the other: `x.mean_dim(2).mean_dim(3)`.
pub(super) fn separable_average(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let before = maker(graph, *node.inputs.first()?)?;
    let (Op::AvgPool(first), Op::AvgPool(second)) = (&before.op, &node.op) else { return None };
    let axes = 0..second.kernel.len();
    let still = |pool: &Pool, axis: usize| pool.kernel[axis] == 1 && pool.stride[axis] == 1;
    let separable = axes.clone().all(|axis| still(first, axis) || still(second, axis));
    if !separable || !unpadded(first) || !unpadded(second) {
        return None;
    }
    let product = |a: &[usize], b: &[usize]| a.iter().zip(b).map(|(a, b)| a * b).collect();
    let pool = Pool {
        kernel: product(&first.kernel, &second.kernel),
        stride: product(&first.stride, &second.stride),
        padding: second.padding.clone(),
        count_include_pad: true,
    };
    Some(Rewrite::Into(Op::AvgPool(pool), before.inputs.clone()))
}

/// An average over all there is.
pub(super) fn global_average(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let Op::AvgPool(pool) = &node.op else { return None };
    let whole = shape(graph, node.inputs[0])[1..] == pool.kernel && unpadded(pool);
    whole.then(|| Rewrite::Into(Op::GlobalAvgPool { keep_dims: true }, node.inputs.clone()))
}

/// A global average whose spatial dimensions are dropped at once; not where they are needed as well.
pub(super) fn flattened_global_average(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let Op::Reshape { shape: target } = &node.op else { return None };
    let pooled = node.inputs[0];
    let before = maker(graph, pooled)?;
    let single = graph.consumers(pooled).len() == 1 && !graph.outputs.contains(&pooled);
    let fits = matches!(before.op, Op::GlobalAvgPool { .. }) && target[..] == shape(graph, pooled)[..1];
    (single && fits).then(|| Rewrite::Into(Op::GlobalAvgPool { keep_dims: false }, before.inputs.clone()))
}

/// A global average of spatial dimensions that were put into one: `x.flatten(2, 3).mean_dim(2)`.
pub(super) fn global_average_of_flattened(graph: &Graph, node: &Node) -> Option<Rewrite> {
    let Op::GlobalAvgPool { keep_dims: false } = &node.op else { return None };
    let before = maker(graph, node.inputs[0])?;
    let Op::Reshape { shape: target } = &before.op else { return None };
    let same_channels = target.first() == shape(graph, before.inputs[0]).first();
    same_channels.then(|| Rewrite::Into(node.op.clone(), before.inputs.clone()))
}

fn unpadded(pool: &Pool) -> bool {
    pool.padding.iter().all(|pair| *pair == [0, 0])
}
