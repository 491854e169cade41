//! A graph interpreter in plain loops: obvious enough to judge the pruner by.

use niwaki_graph::{BatchNorm, Binary, Conv, Graph, LayerNorm, Linear, MatMul, Node, Op, Pool};

/// A value: its per-sample shape and its elements.
#[derive(Clone, Debug)]
struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// Runs a graph on one sample and returns its outputs.
pub(crate) fn run(graph: &Graph, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let mut values: Vec<Option<Tensor>> = vec![None; graph.values.len()];
    for (id, data) in graph.inputs.iter().zip(inputs) {
        values[id.0] = Some(Tensor { shape: graph.value(*id).shape.clone(), data: data.clone() });
    }
    for node in &graph.nodes {
        let operands: Vec<&Tensor> = node.inputs.iter().map(|id| values[id.0].as_ref().expect("in order")).collect();
        let data = apply(graph, node, &operands);
        let shape = graph.value(node.output).shape.clone();
        assert_eq!(data.len(), shape.iter().product::<usize>(), "node `{}` fills its shape", node.name);
        values[node.output.0] = Some(Tensor { shape, data });
    }
    graph.outputs.iter().map(|id| values[id.0].clone().expect("computed").data).collect()
}

fn apply(graph: &Graph, node: &Node, operands: &[&Tensor]) -> Vec<f32> {
    if let Op::Constant(data) = node.op {
        return graph.param(data).data.clone();
    }
    let x = operands[0];
    let out = &graph.value(node.output).shape;
    match &node.op {
        Op::Conv(conv) => convolve(graph, conv, x, out),
        Op::Linear(layer) => linear(graph, layer, x),
        Op::BatchNorm(norm) => batch_norm(graph, norm, x),
        Op::Unary(unary) => x.data.iter().map(|x| unary.apply(*x)).collect(),
        Op::Binary(binary) => {
            let stretched = |operand: &Tensor, place: usize| {
                let index = indices(place, out).into_iter().zip(&operand.shape);
                at(operand, index.map(|(index, size)| if *size == 1 { 0 } else { index }))
            };
            (0..out.iter().product())
                .map(|place| (stretched(x, place), stretched(operands[1], place)))
                .map(|(a, b)| match binary {
                    Binary::Add => a + b,
                    Binary::Sub => a - b,
                    Binary::Mul => a * b,
                })
                .collect()
        }
        Op::Concat { axis } => concat(operands, *axis),
        Op::Slice { axis, start, .. } => {
            let source = |place| {
                let mut index = indices(place, out);
                index[*axis] += start;
                at(x, index.into_iter())
            };
            (0..out.iter().product()).map(source).collect()
        }
        Op::MaxPool(pool) => pooled(pool, x, out, |window, _| window.iter().copied().fold(f32::MIN, f32::max)),
        Op::AvgPool(pool) => pooled(pool, x, out, |window, whole| {
            let count = if pool.count_include_pad { whole } else { window.len() };
            window.iter().sum::<f32>() / count as f32
        }),
        Op::GlobalAvgPool { .. } => {
            let size = x.data.len() / x.shape[0];
            x.data.chunks(size).map(|channel| channel.iter().sum::<f32>() / size as f32).collect()
        }
        Op::Reshape { .. } => x.data.clone(),
        Op::Transpose { perm } => transpose(x, perm),
        Op::Pad { padding, value } => pad(x, padding, *value, out),
        Op::Softmax { axis } => softmax(x, *axis),
        Op::MatMul(product) => matmul(product, x, operands[1], out),
        Op::LayerNorm(norm) => layer_norm(graph, norm, x),
        Op::Embedding(table) => {
            let (table, columns) = (graph.param(*table), graph.param(*table).shape[1]);
            x.data.iter().flat_map(|x| table.data[*x as usize * columns..][..columns].to_vec()).collect()
        }
        Op::Constant(_) => unreachable!("handled above"),
    }
}

/// Spatial sizes as height and width: a sequence has height 1.
fn plane<T: Copy>(sizes: &[T], one: T) -> [T; 2] {
    match sizes {
        [width] => [one, *width],
        [height, width] => [*height, *width],
        _ => panic!("one or two spatial dimensions"),
    }
}

fn convolve(graph: &Graph, conv: &Conv, x: &Tensor, out: &[usize]) -> Vec<f32> {
    let weight = graph.param(conv.weight);
    let ([kh, kw], [h, w]) = (plane(&weight.shape[2..], 1), plane(&x.shape[1..], 1));
    let ([oh, ow], [sh, sw]) = (plane(&out[1..], 1), plane(&conv.stride, 1));
    let ([dh, dw], [ph, pw]) = (plane(&conv.dilation, 1), plane(&conv.padding, [0, 0]));
    let (per_group, out_per_group) = (weight.shape[1], out[0] / conv.groups);
    let mut data = Vec::new();
    for o in 0..out[0] {
        for (row, column) in (0..oh * ow).map(|place| (place / ow, place % ow)) {
            let mut sum = conv.bias.map_or(0.0, |bias| graph.param(bias).data[o]);
            for i in 0..per_group {
                let channel = o / out_per_group * per_group + i;
                for (a, b) in (0..kh * kw).map(|tap| (tap / kw, tap % kw)) {
                    let y = (row * sh + a * dh).checked_sub(ph[0]).filter(|y| *y < h);
                    let z = (column * sw + b * dw).checked_sub(pw[0]).filter(|z| *z < w);
                    if let (Some(y), Some(z)) = (y, z) {
                        let tap = weight.data[((o * per_group + i) * kh + a) * kw + b];
                        sum += tap * x.data[(channel * h + y) * w + z];
                    }
                }
            }
            data.push(sum);
        }
    }
    data
}

fn linear(graph: &Graph, layer: &Linear, x: &Tensor) -> Vec<f32> {
    let weight = graph.param(layer.weight);
    let [inputs, outputs] = [weight.shape[0], weight.shape[1]];
    let mut data = Vec::new();
    for row in x.data.chunks(inputs) {
        for o in 0..outputs {
            let bias = layer.bias.map_or(0.0, |bias| graph.param(bias).data[o]);
            data.push(row.iter().enumerate().fold(bias, |sum, (i, x)| sum + x * weight.data[i * outputs + o]));
        }
    }
    data
}

fn matmul(product: &MatMul, a: &Tensor, b: &Tensor, out: &[usize]) -> Vec<f32> {
    let terms = *a.shape.last().expect("two dimensions at least");
    let element = |place: usize| {
        let index = indices(place, out);
        let (outer, [row, column]) = index.split_last_chunk().expect("two dimensions at least");
        let read = |x: &Tensor, pair: [usize; 2]| at(x, outer.iter().copied().chain(pair));
        let term = |t| read(a, [*row, t]) * read(b, if product.transposed { [*column, t] } else { [t, *column] });
        (0..terms).map(term).sum::<f32>() * product.scale
    };
    (0..out.iter().product()).map(element).collect()
}

fn layer_norm(graph: &Graph, norm: &LayerNorm, x: &Tensor) -> Vec<f32> {
    let gamma = &graph.param(norm.gamma).data;
    let size = gamma.len() as f32;
    let normal = x.data.chunks(gamma.len()).flat_map(|row| {
        let mean = row.iter().sum::<f32>() / size;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / size;
        row.iter().map(move |x| (x - mean) / (variance + norm.epsilon as f32).sqrt())
    });
    let scaled = normal.zip(gamma.iter().cycle()).enumerate().map(|(at, (x, gamma))| {
        x * gamma + norm.beta.map_or(0.0, |beta| graph.param(beta).data[at % graph.param(beta).data.len()])
    });
    scaled.collect()
}

fn batch_norm(graph: &Graph, norm: &BatchNorm, x: &Tensor) -> Vec<f32> {
    let [gamma, beta, mean, var] = [norm.gamma, norm.beta, norm.mean, norm.var].map(|id| &graph.param(id).data);
    let size = x.data.len() / x.shape[0];
    let scaled = x.data.iter().enumerate().map(|(place, x)| {
        let c = place / size;
        gamma[c] * (x - mean[c]) / (var[c] + norm.epsilon as f32).sqrt() + beta[c]
    });
    scaled.collect()
}

fn concat(operands: &[&Tensor], axis: usize) -> Vec<f32> {
    let outer: usize = operands[0].shape[..axis].iter().product();
    let run = |x: &Tensor| x.data.len() / outer;
    (0..outer).flat_map(|o| operands.iter().flat_map(move |x| x.data[o * run(x)..][..run(x)].to_vec())).collect()
}

/// Windows without their padding, and the number of elements with it.
fn pooled(pool: &Pool, x: &Tensor, out: &[usize], reduce: impl Fn(&[f32], usize) -> f32) -> Vec<f32> {
    let ([kh, kw], [h, w]) = (plane(&pool.kernel, 1), plane(&x.shape[1..], 1));
    let ([oh, ow], [sh, sw]) = (plane(&out[1..], 1), plane(&pool.stride, 1));
    let [ph, pw] = plane(&pool.padding, [0, 0]);
    let mut data = Vec::new();
    for (channel, row, column) in (0..out[0] * oh * ow).map(|n| (n / (oh * ow), n / ow % oh, n % ow)) {
        let mut window = Vec::new();
        for (a, b) in (0..kh * kw).map(|tap| (tap / kw, tap % kw)) {
            let y = (row * sh + a).checked_sub(ph[0]).filter(|y| *y < h);
            let z = (column * sw + b).checked_sub(pw[0]).filter(|z| *z < w);
            if let (Some(y), Some(z)) = (y, z) {
                window.push(x.data[(channel * h + y) * w + z]);
            }
        }
        data.push(reduce(&window, kh * kw));
    }
    data
}

/// Index along each dimension of an element.
fn indices(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|size| {
            let index = place % size;
            place /= size;
            index
        })
        .collect();
    indices.reverse();
    indices
}

/// The element at these indices.
fn at(x: &Tensor, indices: impl Iterator<Item = usize>) -> f32 {
    x.data[indices.zip(&x.shape).fold(0, |place, (index, size)| place * size + index)]
}

fn transpose(x: &Tensor, perm: &[usize]) -> Vec<f32> {
    let shape: Vec<usize> = perm.iter().map(|axis| x.shape[*axis]).collect();
    let moved = (0..x.data.len()).map(|place| {
        let out = indices(place, &shape);
        let mut source = vec![0; perm.len()];
        for (axis, index) in perm.iter().zip(out) {
            source[*axis] = index;
        }
        at(x, source.into_iter())
    });
    moved.collect()
}

fn pad(x: &Tensor, padding: &[[usize; 2]], value: f32, out: &[usize]) -> Vec<f32> {
    let element = |place: usize| {
        let inner: Option<Vec<usize>> = indices(place, out)
            .into_iter()
            .zip(padding)
            .zip(&x.shape)
            .map(|((index, [before, _]), size)| index.checked_sub(*before).filter(|index| index < size))
            .collect();
        inner.map_or(value, |inner| at(x, inner.into_iter()))
    };
    (0..out.iter().product()).map(element).collect()
}

fn softmax(x: &Tensor, axis: usize) -> Vec<f32> {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let size = x.shape[axis];
    let mut data = x.data.clone();
    for (o, i) in (0..x.data.len() / size).map(|n| (n / inner, n % inner)) {
        let place = |k: usize| (o * size + k) * inner + i;
        let top = (0..size).map(|k| x.data[place(k)]).fold(f32::MIN, f32::max);
        let sum: f32 = (0..size).map(|k| (x.data[place(k)] - top).exp()).sum();
        for k in 0..size {
            data[place(k)] = (x.data[place(k)] - top).exp() / sum;
        }
    }
    data
}
