//! Cross-layer equalisation: channels that a layer yields and the next one reads are rescaled between the two.

use niwaki_graph::{Graph, Op, ParamId, Unary};

/// Sweeps over all pairs, at most: each layer is in two pairs, whose scales depend on each other.
const SWEEPS: usize = 100;

/// Sweeps end where no scale is farther from 1 than this.
const SETTLED: f64 = 1e-3;

/// The same network with weights whose ranges agree between neighbours (Nagel et al. 2019, arXiv:1906.04721, section 4.1).
///
/// For every channel `i` that one layer yields with weights of range `r1` and the next reads with weights of range `r2`, the
/// first is divided by `s = sqrt(r1 / r2)`, bias included, and the second multiplied by it; all pairs in turn until nothing
/// changes. Between the two stand only functions `f` with `f(s * x) = s * f(x)` for positive `s`: ReLU, leaky ReLU, pooling
/// and moves; no clamp, which has a bound, and no value that anything else reads.
///
/// Batch normalisation that is not folded before ends a chain. Channels of zeros stay as they are, so they change no other's scale.
pub fn equalise(graph: &Graph) -> Graph {
    let pairs: Vec<Pair> = (0..graph.nodes.len()).filter_map(|node| Pair::from(graph, node)).collect();
    let mut data: Vec<Vec<f64>> =
        graph.params.iter().map(|param| param.data.iter().map(|x| f64::from(*x)).collect()).collect();
    for _ in 0..SWEEPS {
        let mut farthest = 0.0f64;
        for pair in &pairs {
            let scales = pair.scales(&data);
            pair.rescale(&mut data, &scales);
            farthest = scales.iter().map(|scale| (scale - 1.0).abs()).fold(farthest, f64::max);
        }
        if farthest < SETTLED {
            break;
        }
    }
    let mut equal = graph.clone();
    for (param, data) in equal.params.iter_mut().zip(data) {
        param.data = data.into_iter().map(|x| x as f32).collect();
    }
    equal
}

/// A layer and the one that alone reads what it yields.
struct Pair {
    weight: ParamId,
    bias: Option<ParamId>,
    reader: ParamId,
    /// Per weight of the first layer, the channel that it yields.
    yields: Vec<usize>,
    /// Per weight of the second, the channel of the first that it reads.
    reads: Vec<usize>,
    channels: usize,
}

impl Pair {
    fn from(graph: &Graph, node: usize) -> Option<Self> {
        let alone = |param: ParamId| graph.nodes.iter().filter(|node| node.op.params().contains(&param)).count() == 1;
        let node = &graph.nodes[node];
        let mut value = node.output;
        // Where the channels are in the value, and how many indices of that axis each has.
        let (weight, bias, yields, mut axis, mut run) = match &node.op {
            Op::Conv(conv) => {
                let shape = &graph.param(conv.weight).shape;
                let filter: usize = shape[1..].iter().product();
                (conv.weight, conv.bias, (0..shape[0] * filter).map(|at| at / filter).collect(), 0, 1)
            }
            Op::Linear(linear) => {
                let shape = &graph.param(linear.weight).shape;
                let yields: Vec<usize> = (0..shape[0] * shape[1]).map(|at| at % shape[1]).collect();
                (linear.weight, linear.bias, yields, graph.value(value).shape.len() - 1, 1)
            }
            _ => return None,
        };
        let channels = graph.value(value).shape[axis];
        loop {
            let &[next] = graph.consumers(value).as_slice() else { return None };
            if graph.outputs.contains(&value) {
                return None;
            }
            let next = &graph.nodes[next];
            let reader = match &next.op {
                Op::Unary(Unary::Relu | Unary::LeakyRelu { .. }) => None,
                Op::MaxPool(_) | Op::AvgPool(_) | Op::GlobalAvgPool { .. } if axis == 0 => None,
                Op::Pad { padding, value } if *value == 0.0 && padding[axis] == [0, 0] => None,
                Op::Transpose { perm } => {
                    axis = perm.iter().position(|from| *from == axis)?;
                    None
                }
                Op::Reshape { shape } if axis == 0 => {
                    let per_channel = shape.iter().product::<usize>() / channels;
                    let per_index: usize = shape.get(1..)?.iter().product();
                    if !per_channel.is_multiple_of(per_index) {
                        return None;
                    }
                    run = per_channel / per_index;
                    None
                }
                Op::Conv(conv) if axis == 0 => {
                    let shape = &graph.param(conv.weight).shape;
                    let (inputs, taps) = (shape[1], shape[2..].iter().product::<usize>());
                    let group = |at: usize| at / (taps * inputs) / (shape[0] / conv.groups);
                    let input = |at: usize| group(at) * inputs + at / taps % inputs;
                    Some((conv.weight, (0..shape[0] * inputs * taps).map(|at| input(at) / run).collect()))
                }
                Op::Linear(linear) if axis + 1 == graph.value(value).shape.len() => {
                    let shape = &graph.param(linear.weight).shape;
                    Some((linear.weight, (0..shape[0] * shape[1]).map(|at| at / shape[1] / run).collect()))
                }
                _ => return None,
            };
            if let Some((reader, reads)) = reader {
                let own = alone(weight) && bias.is_none_or(alone) && alone(reader);
                return own.then_some(Self { weight, bias, reader, yields, reads, channels });
            }
            value = next.output;
        }
    }

    fn scales(&self, data: &[Vec<f64>]) -> Vec<f64> {
        let ranges = |param: ParamId, channel: &[usize]| {
            let mut ranges = vec![0.0f64; self.channels];
            for (x, channel) in data[param.0].iter().zip(channel) {
                ranges[*channel] = ranges[*channel].max(x.abs());
            }
            ranges
        };
        let both = ranges(self.weight, &self.yields).into_iter().zip(ranges(self.reader, &self.reads));
        both.map(|(first, second)| if first > 0.0 && second > 0.0 { (first / second).sqrt() } else { 1.0 }).collect()
    }

    fn rescale(&self, data: &mut [Vec<f64>], scales: &[f64]) {
        data[self.weight.0].iter_mut().zip(&self.yields).for_each(|(x, channel)| *x /= scales[*channel]);
        data[self.reader.0].iter_mut().zip(&self.reads).for_each(|(x, channel)| *x *= scales[*channel]);
        if let Some(bias) = self.bias {
            data[bias.0].iter_mut().zip(scales).for_each(|(x, scale)| *x /= scale);
        }
    }
}
