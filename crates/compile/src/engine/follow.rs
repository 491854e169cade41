//! Which channels a pruned network still has of the one it was pruned from.
//!
//! A copy of the unpruned network whose biases hold the numbers of their channels is pruned along: what is left of a bias
//! says which channels are left.

use niwaki_graph::{Graph, Op, ValueId};
use niwaki_train::{FeaturePair, feature_pairs};

/// A copy whose biases are the numbers of their channels.
pub(super) fn numbered(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let biases: Vec<_> = graph.nodes.iter().filter_map(|node| bias(&node.op)).collect();
    for bias in biases {
        graph.params[bias.0].data.iter_mut().enumerate().for_each(|(channel, x)| *x = channel as f32);
    }
    graph
}

/// Features to match between a pruned network and its teacher, with the channels that are left by what `numbered` became.
pub(super) fn pairs(student: &Graph, teacher: &Graph, numbered: Option<&Graph>) -> Vec<FeaturePair> {
    let mut pairs = feature_pairs(student, teacher);
    let shape = |graph: &Graph, name: &str| {
        let value = graph.values.iter().find(|value| value.name == name);
        value.map_or_else(Vec::new, |value| value.shape.clone())
    };
    for pair in &mut pairs {
        let (ours, theirs) = (shape(student, &pair.student), shape(teacher, &pair.teacher));
        let value = |graph: &Graph| graph.values.iter().position(|value| value.name == pair.student).map(ValueId);
        let left = numbered.and_then(|graph| channels(graph, value(graph)?));
        pair.channels = left.filter(|left| ours[0] == left.len() && ours[1..] == theirs[1..]);
    }
    pairs
}

/// The numbers of a value's channels, where the layer that yields them has a bias.
fn channels(graph: &Graph, value: ValueId) -> Option<Vec<usize>> {
    let node = &graph.nodes[graph.producer(value)?];
    match &node.op {
        Op::Conv(_) | Op::Linear(_) => {
            Some(graph.param(bias(&node.op)?).data.iter().map(|channel| *channel as usize).collect())
        }
        Op::Unary(_)
        | Op::Binary(_)
        | Op::BatchNorm(_)
        | Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::GlobalAvgPool { .. } => channels(graph, node.inputs[0]),
        Op::Reshape { .. } if graph.value(value).shape[0] == graph.value(node.inputs[0]).shape[0] => {
            channels(graph, node.inputs[0])
        }
        _ => None,
    }
}

fn bias(op: &Op) -> Option<niwaki_graph::ParamId> {
    match op {
        Op::Conv(conv) => conv.bias,
        Op::Linear(linear) => linear.bias,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use niwaki_graph::{Linear, Unary};
    use niwaki_prune::{Decision, Removal, Structure, remove};

    #[test]
    fn channels_are_followed_through_two_removals() {
        let mut graph = Graph::default();
        let mut x = graph.add_input("input0", vec![2]);
        for (name, inputs, outputs) in [("a", 2, 5), ("b", 5, 3)] {
            let weight = graph.add_param(format!("{name}.weight"), vec![inputs, outputs], vec![1.0; inputs * outputs]);
            let bias = graph.add_param(format!("{name}.bias"), vec![outputs], vec![1.0; outputs]);
            x = graph.push(name, Op::Linear(Linear { weight, bias: Some(bias) }), &[x]).expect("fits");
            x = graph.push(format!("{name}.relu"), Op::Unary(Unary::Relu), &[x]).expect("fits");
        }
        graph.outputs = vec![x];
        let mut left = numbered(&graph);
        let group = niwaki_prune::sites(&graph, Structure::Channels).expect("valid").sites[0].name.clone();
        for (units, gone) in [(5, vec![1]), (4, vec![0, 3])] {
            let decision = Decision { groups: vec![Removal { group: group.clone(), units, remove: gone }] };
            left = remove(&left, Structure::Channels, &decision).expect("fits");
        }
        let pairs = pairs(&left, &graph, Some(&left));
        assert_eq!(pairs.len(), 1, "what b reads: {pairs:?}");
        assert_eq!(pairs[0].channels, Some(vec![2, 3]));
    }
}
