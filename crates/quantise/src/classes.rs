//! One quantisation per value, shared where an operation only moves bytes.

use crate::{Quantisation, QuantiseError, Range};
use niwaki_graph::{Graph, Op, ValueId};

/// Largest ratio between the scales of an addition's operand and of its sum that the format can express with room.
const MAX_ADD_RATIO: f32 = 16.0;

/// Values that must share scale and zero point, as a union-find forest.
struct Classes(Vec<usize>);

impl Classes {
    fn root(&mut self, value: usize) -> usize {
        if self.0[value] != value {
            self.0[value] = self.root(self.0[value]);
        }
        self.0[value]
    }

    fn join(&mut self, a: ValueId, b: ValueId) {
        let (a, b) = (self.root(a.0), self.root(b.0));
        self.0[a.max(b)] = a.min(b);
    }
}

/// Chooses the quantisation of every value.
pub(crate) fn assign(graph: &Graph, ranges: &[Range]) -> Result<Vec<Quantisation>, QuantiseError> {
    let mut classes = Classes((0..graph.values.len()).collect());
    for node in &graph.nodes {
        let moves = matches!(
            node.op,
            Op::MaxPool(_)
                | Op::Reshape { .. }
                | Op::Transpose { .. }
                | Op::Concat { .. }
                | Op::Slice { .. }
                | Op::Pad { .. }
        );
        if moves {
            node.inputs.iter().for_each(|input| classes.join(*input, node.output));
        }
    }
    let mut merged: Vec<Option<Range>> = vec![None; graph.values.len()];
    for (value, range) in ranges.iter().enumerate() {
        if !(range.min.is_finite() && range.max.is_finite()) {
            return Err(QuantiseError::NoRange(graph.values[value].name.clone()));
        }
        let root = classes.root(value);
        merged[root] = Some(merged[root].map_or(*range, |other| other.union(*range)));
    }
    for node in &graph.nodes {
        if let Op::Pad { value, .. } = node.op {
            let root = classes.root(node.output.0);
            merged[root] = merged[root].map(|range| range.union(Range { min: value, max: value }));
        }
    }
    let mut values: Vec<Quantisation> = (0..graph.values.len())
        .map(|value| {
            let root = classes.root(value);
            merged[root].map_or(Quantisation::PROBABILITY, Quantisation::of)
        })
        .collect();
    pin_softmax(graph, &mut classes, &mut values);
    pin_indices(graph, &mut classes, &mut values)?;
    widen_sums(graph, &mut classes, &mut values);
    Ok(values)
}

/// Softmax yields steps of 1/256; whatever only moves its result keeps them.
fn pin_softmax(graph: &Graph, classes: &mut Classes, values: &mut [Quantisation]) {
    for node in graph.nodes.iter().filter(|node| matches!(node.op, Op::Softmax { .. })) {
        let root = classes.root(node.output.0);
        let others = graph.nodes.iter().filter(|other| !std::ptr::eq(*other, node));
        // A class that something else writes into keeps the common range; planning rescales the softmax then.
        let alone = others.filter(|other| classes.root(other.output.0) == root).all(|other| {
            matches!(other.op, Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } | Op::MaxPool(_))
        });
        if alone {
            (0..values.len()).filter(|value| classes.root(*value) == root).for_each(|value| {
                values[value] = Quantisation::PROBABILITY;
            });
        }
    }
}

/// What an embedding looks up are whole numbers, and stay so.
fn pin_indices(graph: &Graph, classes: &mut Classes, values: &mut [Quantisation]) -> Result<(), QuantiseError> {
    for node in &graph.nodes {
        let Op::Embedding(table) = node.op else { continue };
        let rows = graph.param(table).shape[0];
        if rows > 256 {
            return Err(QuantiseError::Rows(node.name.clone(), rows));
        }
        let root = classes.root(node.inputs[0].0);
        for value in (0..values.len()).filter(|value| classes.root(*value) == root) {
            values[value] = Quantisation::INDEX;
        }
    }
    Ok(())
}

/// A sum whose terms cancel can have a range far smaller than theirs; its scale is raised to what the format can add.
fn widen_sums(graph: &Graph, classes: &mut Classes, values: &mut [Quantisation]) {
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if !matches!(node.op, Op::Binary(_)) {
            continue;
        }
        let output = crate::fused_output(graph, index);
        let coarsest = node.inputs.iter().map(|input| values[input.0].scale).fold(0.0, f32::max);
        let floor = coarsest / MAX_ADD_RATIO;
        if values[output.0].scale < floor {
            let root = classes.root(output.0);
            for value in (0..values.len()).filter(|value| classes.root(*value) == root) {
                values[value].scale = floor;
            }
        }
    }
}
