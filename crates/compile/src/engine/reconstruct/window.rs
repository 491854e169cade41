//! What a layer reads and yields at some of its output's places, as rows of a regression.

use super::solve::Normal;
use niwaki_graph::{Graph, Node, Op, ParamId, ValueId};

/// A convolution or linear layer whose weights can be fitted.
pub(super) struct Window {
    pub(super) name: String,
    pub(super) input: ValueId,
    pub(super) output: ValueId,
    pub(super) weight: ParamId,
    pub(super) bias: Option<ParamId>,
    /// Output channels.
    pub(super) channels: usize,
    /// Products per output.
    pub(super) terms: usize,
    /// Of a convolution; a linear layer has none.
    conv: Option<Taps>,
}

/// A convolution's geometry over two dimensions; the second one of a one-dimensional convolution is 1.
struct Taps {
    inputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Before the first element.
    padding: [usize; 2],
    dilation: [usize; 2],
    /// Height and width of the output.
    output: [usize; 2],
}

impl Window {
    /// `None` for other operations and for convolutions in groups.
    pub(super) fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let window = |weight: ParamId, bias, channels, terms, conv| {
            let name = node.name.clone();
            Some(Self { name, input: node.inputs[0], output: node.output, weight, bias, channels, terms, conv })
        };
        match &node.op {
            Op::Linear(linear) => {
                let shape = &graph.param(linear.weight).shape;
                window(linear.weight, linear.bias, shape[1], shape[0], None)
            }
            Op::Conv(conv) if conv.groups == 1 => {
                let shape = &graph.param(conv.weight).shape;
                let two = |values: &[usize]| [values[0], values.get(1).copied().unwrap_or(1)];
                let padding: Vec<usize> = conv.padding.iter().map(|pair| pair[0]).chain([0]).collect();
                let taps = Taps {
                    inputs: shape[1],
                    kernel: two(&shape[2..]),
                    stride: two(&conv.stride),
                    padding: two(&padding),
                    dilation: two(&conv.dilation),
                    output: two(&graph.value(node.output).shape[1..]),
                };
                window(conv.weight, conv.bias, shape[0], shape[1..].iter().product(), Some(taps))
            }
            _ => None,
        }
    }

    /// The places of one sample that are looked at: spread evenly, others in every sample.
    fn places(count: usize, most: usize, sample: usize) -> impl Iterator<Item = usize> {
        let taken = count.min(most);
        // A step that shares no factor with the usual powers of two visits every row and column in turn.
        (0..taken).map(move |k| (k * count / taken.max(1) + sample * 37) % count)
    }

    /// Appends, per sample and place, the layer's outputs in these channels.
    pub(super) fn outputs(&self, shape: &[usize], data: &[f32], channels: &[usize], most: usize, rows: &mut Vec<f32>) {
        let size: usize = shape.iter().product();
        for (sample, data) in data.chunks_exact(size).enumerate() {
            let (total, first) = match self.conv {
                Some(_) => (shape[0], true),
                None => (shape[shape.len() - 1], false),
            };
            let count = size / total;
            for place in Self::places(count, most, sample) {
                let element =
                    |channel: &usize| if first { data[channel * count + place] } else { data[place * total + channel] };
                rows.extend(channels.iter().map(element));
            }
        }
    }

    /// Appends, per sample and place, what the layer multiplies with its weights there, in their order, and a one for the
    /// bias.
    pub(super) fn inputs(&self, shape: &[usize], data: &[f32], most: usize, rows: &mut Vec<f32>) {
        let size: usize = shape.iter().product();
        let Some(taps) = &self.conv else {
            let count = size / self.terms;
            for (sample, data) in data.chunks_exact(size).enumerate() {
                for place in Self::places(count, most, sample) {
                    rows.extend_from_slice(&data[place * self.terms..(place + 1) * self.terms]);
                    rows.push(1.0);
                }
            }
            return;
        };
        let [height, width] = [shape[1], shape.get(2).copied().unwrap_or(1)];
        let out = taps.output;
        for (sample, data) in data.chunks_exact(size).enumerate() {
            for place in Self::places(out[0] * out[1], most, sample) {
                let corner = [place / out[1] * taps.stride[0], place % out[1] * taps.stride[1]];
                for channel in 0..taps.inputs {
                    for tap in 0..taps.kernel[0] * taps.kernel[1] {
                        let at = [tap / taps.kernel[1], tap % taps.kernel[1]];
                        let [y, x] =
                            [0, 1].map(|d| (corner[d] + at[d] * taps.dilation[d]).wrapping_sub(taps.padding[d]));
                        let inside = y < height && x < width;
                        rows.push(if inside { data[(channel * height + y) * width + x] } else { 0.0 });
                    }
                }
                rows.push(1.0);
            }
        }
    }

    /// Where in the parameter the weight of an output channel for a product is.
    pub(super) fn place(&self, channel: usize, term: usize) -> usize {
        match self.conv {
            None => term * self.channels + channel,
            Some(_) => channel * self.terms + term,
        }
    }

    /// Adds what is missing to the weights and the bias; `held` leaves weights that are zero.
    pub(super) fn add(&self, graph: &mut Graph, held: bool, normal: &Normal) {
        let mut solved: Option<(Vec<usize>, Vec<Vec<f64>>)> = None;
        for channel in 0..self.channels {
            let weights = &graph.params[self.weight.0].data;
            let live = |term: &usize| !held || weights[self.place(channel, *term)] != 0.0;
            let mut terms: Vec<usize> = (0..self.terms).filter(live).collect();
            if self.bias.is_some() {
                terms.push(self.terms);
            }
            if solved.as_ref().is_none_or(|(known, _)| *known != terms) {
                let factor = normal.factor(&terms);
                solved = Some((terms.clone(), factor));
            }
            let Some((_, factor)) = &solved else { continue };
            let change = normal.solve(factor, &terms, channel);
            for (term, change) in terms.iter().zip(change) {
                match (*term == self.terms, self.bias) {
                    (true, Some(bias)) => graph.params[bias.0].data[channel] += change as f32,
                    _ => graph.params[self.weight.0].data[self.place(channel, *term)] += change as f32,
                }
            }
        }
    }
}
