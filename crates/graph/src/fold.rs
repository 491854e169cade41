//! Folding batch normalisation into the convolution or linear layer before it.

use crate::{BatchNorm, Graph, Op, ParamId};

/// Folds every [`BatchNorm`] whose input comes from a convolution or linear layer that nothing else reads; where that
/// is not so, the node stays as a depthwise 1x1 convolution, which computes the same.
///
/// With `k = gamma / sqrt(var + epsilon)`: `weight' = k * weight`, `bias' = k * (bias - mean) + beta`
/// (Jacob et al. 2018, arXiv:1712.05877, section 3.2).
pub fn fold_batch_norm(graph: &Graph) -> Graph {
    let mut folded = graph.clone();
    let mut index = 0;
    while index < folded.nodes.len() {
        let node = &folded.nodes[index];
        let Op::BatchNorm(norm) = node.op.clone() else {
            index += 1;
            continue;
        };
        let (input, output) = (node.inputs[0], node.output);
        let (scale, offset) = scale_offset(&folded, &norm);
        let single = folded.consumers(input).len() == 1 && !folded.outputs.contains(&input);
        let producer = folded.producer(input).filter(|producer| {
            // A linear layer over a sequence normalises its last dimension, batch normalisation the first.
            let flat = folded.value(input).shape.len() == 1;
            single && (matches!(folded.nodes[*producer].op, Op::Conv(_)) || flat)
        });
        if producer.is_some_and(|producer| fold_into(&mut folded, producer, &scale, &offset)) {
            let producer = producer.expect("checked just above");
            folded.nodes[producer].output = output;
            folded.nodes.remove(index);
        } else {
            depthwise(&mut folded, index, scale, offset);
            index += 1;
        }
    }
    folded.compact();
    folded
}

fn scale_offset(graph: &Graph, norm: &BatchNorm) -> (Vec<f32>, Vec<f32>) {
    let data = |id: ParamId| graph.param(id).data.iter().map(|x| f64::from(*x));
    let scale: Vec<f64> =
        data(norm.gamma).zip(data(norm.var)).map(|(gamma, var)| gamma / (var + norm.epsilon).sqrt()).collect();
    let offset = data(norm.beta).zip(data(norm.mean)).zip(&scale).map(|((beta, mean), k)| (beta - k * mean) as f32);
    let offset = offset.collect();
    (scale.into_iter().map(|k| k as f32).collect(), offset)
}

/// Scales the output channels of a convolution or linear layer; false where the node is neither, or where its
/// parameters are shared with another node.
fn fold_into(graph: &mut Graph, index: usize, scale: &[f32], offset: &[f32]) -> bool {
    let op = graph.nodes[index].op.clone();
    let (weight, bias) = match &op {
        Op::Conv(conv) => (conv.weight, conv.bias),
        Op::Linear(linear) => (linear.weight, linear.bias),
        _ => return false,
    };
    let shared = |id: ParamId| graph.nodes.iter().filter(|node| node.op.params().contains(&id)).count() > 1;
    if shared(weight) || bias.is_some_and(shared) {
        return false;
    }
    let outputs = scale.len();
    let inner = graph.param(weight).data.len() / outputs;
    for (place, x) in graph.params[weight.0].data.iter_mut().enumerate() {
        // Convolutions hold the output channel first, linear layers last.
        let channel = if matches!(op, Op::Conv(_)) { place / inner } else { place % outputs };
        *x *= scale[channel];
    }
    let old = bias.map(|id| graph.param(id).data.clone()).unwrap_or_else(|| vec![0.0; outputs]);
    let data = old.iter().zip(scale).zip(offset).map(|((b, k), o)| k * b + o).collect();
    let name = match bias {
        Some(id) => graph.param(id).name.clone(),
        None => format!("{}.bias", graph.nodes[index].name),
    };
    let id = graph.add_param(name, vec![outputs], data);
    match &mut graph.nodes[index].op {
        Op::Conv(conv) => conv.bias = Some(id),
        Op::Linear(linear) => linear.bias = Some(id),
        _ => unreachable!("matched above"),
    }
    true
}

fn depthwise(graph: &mut Graph, index: usize, scale: Vec<f32>, offset: Vec<f32>) {
    let name = graph.nodes[index].name.clone();
    let channels = scale.len();
    let spatial = graph.value(graph.nodes[index].inputs[0]).shape.len() - 1;
    let mut shape = vec![channels, 1];
    shape.extend(std::iter::repeat_n(1, spatial));
    let weight = graph.add_param(format!("{name}.scale"), shape, scale);
    let bias = Some(graph.add_param(format!("{name}.offset"), vec![channels], offset));
    graph.nodes[index].op = Op::Conv(crate::Conv {
        weight,
        bias,
        stride: vec![1; spatial],
        padding: vec![[0, 0]; spatial],
        dilation: vec![1; spatial],
        groups: channels,
    });
}
