//! What several tests need: repeatable numbers, small graphs, a data set that can be learnt.

use niwaki_graph::{BatchNorm, Binary, Conv, Graph, Linear, Op, ParamId, Pool, Unary, ValueId};
use niwaki_train::{ChaCha8Rng, Samples};
use rand::{RngExt, SeedableRng};

/// Repeatable numbers, evenly spread over -1 to 1.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Adds a parameter of repeatable weights, scaled by its fan-in.
pub(crate) fn weights(graph: &mut Graph, name: &str, shape: &[usize], fan_in: usize) -> ParamId {
    let scale = (3.0 / fan_in as f32).sqrt();
    let data = numbers(graph.params.len() as u64 + 1, shape.iter().product());
    graph.add_param(name, shape.to_vec(), data.iter().map(|x| x * scale).collect())
}

/// Appends a convolution (square kernel, stride and padding in every spatial dimension) with bias.
pub(crate) fn conv(
    graph: &mut Graph,
    name: &str,
    x: ValueId,
    out: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
) -> ValueId {
    let shape = graph.value(x).shape.clone();
    let spatial = shape.len() - 1;
    let per_group = shape[0] / groups;
    let mut filters = vec![out, per_group];
    filters.extend(vec![kernel; spatial]);
    let fan_in = filters[1..].iter().product();
    let weight = weights(graph, &format!("{name}.weight"), &filters, fan_in);
    let bias = Some(weights(graph, &format!("{name}.bias"), &[out], 30));
    let padding = vec![[kernel / 2; 2]; spatial];
    let conv = Conv { weight, bias, stride: vec![stride; spatial], padding, dilation: vec![1; spatial], groups };
    graph.push(name, Op::Conv(conv), &[x]).expect("fits")
}

/// Appends a batch normalisation with statistics that are neither zero nor one.
pub(crate) fn batch_norm(graph: &mut Graph, name: &str, x: ValueId) -> ValueId {
    let channels = graph.value(x).shape[0];
    let mut vector = |part: &str, offset: f32, scale: f32| {
        let data = numbers(graph.params.len() as u64 + 100, channels);
        let data = data.iter().map(|x| offset + scale * x).collect();
        graph.add_param(format!("{name}.{part}"), vec![channels], data)
    };
    let (gamma, beta) = (vector("gamma", 1.0, 0.3), vector("beta", 0.0, 0.3));
    let (mean, var) = (vector("running_mean", 0.0, 0.2), vector("running_var", 1.0, 0.5));
    let norm = BatchNorm { gamma, beta, mean, var, epsilon: 1e-5, momentum: 0.1 };
    graph.push(name, Op::BatchNorm(norm), &[x]).expect("fits")
}

/// Appends a fully connected layer with bias.
pub(crate) fn linear(graph: &mut Graph, name: &str, x: ValueId, out: usize) -> ValueId {
    let inputs = *graph.value(x).shape.last().expect("not a scalar");
    let weight = weights(graph, &format!("{name}.weight"), &[inputs, out], inputs);
    let bias = Some(weights(graph, &format!("{name}.bias"), &[out], 30));
    graph.push(name, Op::Linear(Linear { weight, bias }), &[x]).expect("fits")
}

/// Appends a ReLU.
pub(crate) fn relu(graph: &mut Graph, name: &str, x: ValueId) -> ValueId {
    graph.push(name, Op::Unary(Unary::Relu), &[x]).expect("fits")
}

/// A small network with what pruning has to cope with: batch normalisation, a depthwise convolution, a residual add
/// that a value with three readers feeds, pooling, a linear layer and a softmax at the end.
pub(crate) fn network(channels: usize, classes: usize) -> Graph {
    let mut graph = Graph::default();
    let x = graph.add_input("input0", vec![1, 8, 8]);
    let x = conv(&mut graph, "conv1", x, channels, 3, 1, 1);
    let x = batch_norm(&mut graph, "norm1", x);
    let x = relu(&mut graph, "relu1", x);
    let pool = Pool { kernel: vec![2; 2], stride: vec![2; 2], padding: vec![[0, 0]; 2], count_include_pad: true };
    let trunk = graph.push("pool", Op::MaxPool(pool), &[x]).expect("fits");
    let x = conv(&mut graph, "depthwise", trunk, channels, 3, 1, channels);
    let x = batch_norm(&mut graph, "norm2", x);
    let x = graph.push("add1", Op::Binary(Binary::Add), &[x, trunk]).expect("fits");
    let x = graph.push("add2", Op::Binary(Binary::Add), &[x, trunk]).expect("fits");
    let x = relu(&mut graph, "relu2", x);
    let x = graph.push("mean", Op::GlobalAvgPool { keep_dims: false }, &[x]).expect("fits");
    let x = linear(&mut graph, "fc", x, classes);
    let x = graph.push("softmax", Op::Softmax { axis: 0 }, &[x]).expect("fits");
    graph.outputs.push(x);
    graph.validate().expect("valid");
    graph
}

/// Noisy 8x8 images of as many patterns as there are classes.
pub(crate) fn patterns(seed: u64, count: usize, classes: usize) -> Samples {
    let prototypes: Vec<Vec<f32>> = (0..classes).map(|class| numbers(1000 + class as u64, 64)).collect();
    let noise = numbers(seed, count * 64);
    let labels: Vec<usize> = (0..count).map(|sample| sample % classes).collect();
    let pixel = |(place, noise): (usize, &f32)| prototypes[labels[place / 64]][place % 64] + 0.3 * noise;
    let inputs = noise.iter().enumerate().map(pixel).collect();
    Samples::new(vec![1, 8, 8], inputs, labels).expect("lengths agree")
}

/// The largest difference, relative to the larger of 1 and the expected magnitude.
pub(crate) fn difference(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let each = got.iter().zip(expected).map(|(a, b)| (a - b).abs() / b.abs().max(1.0));
    each.fold(0.0, |worst, x| if x > worst || x.is_nan() { x } else { worst })
}
