//! Which channels hold the same number at every place, for every input: what dead channels are found by.

use niwaki_graph::{BatchNorm, Binary, Conv, Graph, Linear, Node, Op, ParamId, ValueId};

/// Per value, one entry per index of its dimension 0: the constant that all its elements are, if that is known.
pub(crate) struct Constants(Vec<Vec<Option<f32>>>);

impl Constants {
    /// Follows constants through a valid graph, from the weights that make them.
    pub(crate) fn new(graph: &Graph) -> Self {
        let width = |id: usize| graph.values[id].shape.first().copied().unwrap_or(1);
        let mut known = Self((0..graph.values.len()).map(|id| vec![None; width(id)]).collect());
        for node in &graph.nodes {
            let found = known.node(graph, node);
            if found.len() == width(node.output.0) {
                known.0[node.output.0] = found.into_iter().map(|c| c.filter(|c| c.is_finite())).collect();
            }
        }
        known
    }

    /// The constant at an index of a value's dimension 0.
    pub(crate) fn at(&self, value: ValueId, index: usize) -> Option<f32> {
        self.0[value.0].get(index).copied().flatten()
    }

    /// Empty for an operation that constants are not followed through.
    fn node(&self, graph: &Graph, node: &Node) -> Vec<Option<f32>> {
        let Some(&input) = node.inputs.first() else { return Vec::new() };
        let x = &self.0[input.0];
        let (shape, yielded) = (&graph.value(input).shape, &graph.value(node.output).shape);
        match &node.op {
            Op::Conv(conv) => self.conv(graph, conv, input),
            Op::Linear(linear) if shape.len() == 1 => self.linear(graph, linear, input),
            Op::BatchNorm(norm) => batch_norm(graph, norm, x),
            Op::Unary(function) => x.iter().map(|c| c.map(|c| function.apply(c))).collect(),
            // Operands that repeat may have their channels elsewhere.
            Op::Binary(function) if *shape == graph.value(node.inputs[1]).shape => {
                let other = &self.0[node.inputs[1].0];
                x.iter().zip(other).map(|(a, b)| binary(*function, *a, *b)).collect()
            }
            Op::Concat { axis: 0 } => node.inputs.iter().flat_map(|id| self.0[id.0].iter().copied()).collect(),
            Op::Slice { axis: 0, start, end } => x[*start..*end].to_vec(),
            Op::Slice { .. } | Op::MaxPool(_) | Op::GlobalAvgPool { .. } => x.clone(),
            Op::AvgPool(pool) => {
                let bordered = pool.count_include_pad && pool.padding.iter().any(|pair| *pair != [0, 0]);
                x.iter().map(|c| c.filter(|c| !bordered || *c == 0.0)).collect()
            }
            Op::Reshape { .. } if !shape.is_empty() && !yielded.is_empty() && yielded[0].is_multiple_of(shape[0]) => {
                // Every new row lies inside one old row.
                x.iter().flat_map(|c| std::iter::repeat_n(*c, yielded[0] / shape[0])).collect()
            }
            Op::Transpose { perm } if perm.first() == Some(&0) => x.clone(),
            Op::Pad { padding, value } => {
                let bordered = padding[1..].iter().any(|pair| *pair != [0, 0]);
                let border = |count: usize| std::iter::repeat_n(Some(*value), count);
                let inside = x.iter().map(|c| c.filter(|c| !bordered || c == value));
                border(padding[0][0]).chain(inside).chain(border(padding[0][1])).collect()
            }
            _ => Vec::new(),
        }
    }

    fn conv(&self, graph: &Graph, conv: &Conv, input: ValueId) -> Vec<Option<f32>> {
        let weight = graph.param(conv.weight);
        let (outputs, inputs) = (weight.shape[0], weight.shape[1]);
        let taps: usize = weight.shape[2..].iter().product();
        // A border of zeros differs from any other constant.
        let bordered = conv.padding.iter().any(|pair| *pair != [0, 0]);
        let channel = |out: usize| {
            let first = out / (outputs / conv.groups) * inputs;
            let terms = (0..inputs).map(|i| {
                let filter = &weight.data[(out * inputs + i) * taps..][..taps];
                let sum: f64 = filter.iter().map(|w| f64::from(*w)).sum();
                match self.at(input, first + i) {
                    _ if filter.iter().all(|w| *w == 0.0) => Some(0.0),
                    Some(c) if c == 0.0 || !bordered => Some(f64::from(c) * sum),
                    _ => None,
                }
            });
            total(terms, bias(graph, conv.bias, out))
        };
        (0..outputs).map(channel).collect()
    }

    fn linear(&self, graph: &Graph, linear: &Linear, input: ValueId) -> Vec<Option<f32>> {
        let weight = graph.param(linear.weight);
        let (inputs, outputs) = (weight.shape[0], weight.shape[1]);
        let output = |out: usize| {
            let terms = (0..inputs).map(|i| {
                let w = weight.data[i * outputs + out];
                if w == 0.0 { Some(0.0) } else { self.at(input, i).map(|c| f64::from(c) * f64::from(w)) }
            });
            total(terms, bias(graph, linear.bias, out))
        };
        (0..outputs).map(output).collect()
    }
}

fn bias(graph: &Graph, bias: Option<ParamId>, out: usize) -> f64 {
    bias.map_or(0.0, |id| f64::from(graph.param(id).data[out]))
}

fn total(mut terms: impl Iterator<Item = Option<f64>>, start: f64) -> Option<f32> {
    terms.try_fold(start, |sum, term| Some(sum + term?)).map(|sum| sum as f32)
}

fn batch_norm(graph: &Graph, norm: &BatchNorm, x: &[Option<f32>]) -> Vec<Option<f32>> {
    let at = |id: ParamId, channel: usize| f64::from(graph.param(id).data[channel]);
    let channel = |(channel, c): (usize, &Option<f32>)| {
        let scale = at(norm.gamma, channel) / (at(norm.var, channel) + norm.epsilon).sqrt();
        let offset = at(norm.beta, channel) - scale * at(norm.mean, channel);
        match c {
            Some(c) => Some((f64::from(*c) * scale + offset) as f32),
            None => (scale == 0.0).then_some(offset as f32),
        }
    };
    x.iter().enumerate().map(channel).collect()
}

fn binary(function: Binary, a: Option<f32>, b: Option<f32>) -> Option<f32> {
    match (function, a, b) {
        (Binary::Add, Some(a), Some(b)) => Some(a + b),
        (Binary::Sub, Some(a), Some(b)) => Some(a - b),
        (Binary::Mul, Some(a), Some(b)) => Some(a * b),
        _ => None,
    }
}
