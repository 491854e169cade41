//! Each operation against plain loops, on a batch of two: that the mapping to Burn keeps the graph's semantics.

use crate::common::{difference, numbers};
use niwaki_graph::{BatchNorm, Binary, Conv, Graph, Linear, Op, Pool, Unary};
use niwaki_train::{Device, DynTensor, GraphModule};

const BATCH: usize = 2;

/// Runs one operation on inputs of these shapes; returns the inputs and the output, without the batch's structure.
fn run(graph: &mut Graph, op: Op, shapes: &[&[usize]]) -> (Vec<Vec<f32>>, Vec<f32>) {
    let ids: Vec<_> = (0..shapes.len()).map(|i| graph.add_input(format!("input{i}"), shapes[i].to_vec())).collect();
    let output = graph.push("op", op, &ids).expect("fits");
    graph.outputs.push(output);
    let device = Device::flex();
    let data: Vec<Vec<f32>> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| {
            numbers(50 + i as u64, BATCH * shape.iter().product::<usize>()).iter().map(|x| 4.0 * x).collect()
        })
        .collect();
    let tensors = data.iter().zip(shapes).map(|(data, shape)| {
        let shape: Vec<usize> = [BATCH].into_iter().chain(shape.iter().copied()).collect();
        DynTensor::from_vec(data.clone(), &shape, &device)
    });
    let module = GraphModule::new(graph, &device).expect("can be run");
    let result = module.forward(tensors.collect()).expect("inputs fit").remove(0);
    let expected: Vec<usize> = [BATCH].into_iter().chain(graph.value(output).shape.iter().copied()).collect();
    assert_eq!(result.shape(), expected);
    (data, result.into_vec())
}

/// Two spatial dimensions of one image plane; one dimension is a plane of height 1.
struct Window {
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
}

impl Window {
    fn output(&self) -> [usize; 2] {
        std::array::from_fn(|i| {
            let extent = self.dilation[i] * (self.kernel[i] - 1) + 1;
            (self.size[i] + self.padding[i][0] + self.padding[i][1] - extent) / self.stride[i] + 1
        })
    }

    /// Calls `tap(output place, kernel place, input place)`; no input place is padding.
    fn each(&self, mut tap: impl FnMut(usize, usize, Option<usize>)) {
        let out = self.output();
        for place in 0..out[0] * out[1] {
            for k in 0..self.kernel[0] * self.kernel[1] {
                let (o, k2) = ([place / out[1], place % out[1]], [k / self.kernel[1], k % self.kernel[1]]);
                let at: [Option<usize>; 2] = std::array::from_fn(|i| {
                    let at = (o[i] * self.stride[i] + k2[i] * self.dilation[i]).checked_sub(self.padding[i][0])?;
                    (at < self.size[i]).then_some(at)
                });
                tap(place, k, at[0].zip(at[1]).map(|(y, x)| y * self.size[1] + x));
            }
        }
    }
}

fn reference_conv(x: &[f32], weight: &[f32], bias: &[f32], inputs: usize, groups: usize, window: &Window) -> Vec<f32> {
    let (plane, taps, outputs) = (window.size[0] * window.size[1], window.kernel[0] * window.kernel[1], bias.len());
    let per_group = inputs / groups;
    let mut result = Vec::new();
    for sample in x.chunks_exact(inputs * plane) {
        for out in 0..outputs {
            let mut sums = vec![bias[out]; window.output().iter().product()];
            for i in 0..per_group {
                let channel = out / (outputs / groups) * per_group + i;
                window.each(|place, k, at| {
                    let x = at.map_or(0.0, |at| sample[channel * plane + at]);
                    sums[place] += weight[(out * per_group + i) * taps + k] * x;
                });
            }
            result.extend(sums);
        }
    }
    result
}

fn check_conv(inputs: usize, outputs: usize, groups: usize, window: &Window, spatial: usize) {
    let mut graph = Graph::default();
    let last = |values: &[usize; 2]| values[2 - spatial..].to_vec();
    let filters: Vec<usize> = [outputs, inputs / groups].into_iter().chain(last(&window.kernel)).collect();
    let weight = graph.add_param("weight", filters.clone(), numbers(1, filters.iter().product()));
    let bias = graph.add_param("bias", vec![outputs], numbers(2, outputs));
    let padding = window.padding[2 - spatial..].to_vec();
    let conv = Conv {
        weight,
        bias: Some(bias),
        stride: last(&window.stride),
        padding,
        dilation: last(&window.dilation),
        groups,
    };
    let shape: Vec<usize> = [inputs].into_iter().chain(last(&window.size)).collect();
    let (x, got) = run(&mut graph, Op::Conv(conv), &[&shape]);
    let expected = reference_conv(&x[0], &graph.param(weight).data, &graph.param(bias).data, inputs, groups, window);
    assert!(difference(&got, &expected) < 1e-5);
}

#[test]
fn convolutions() {
    let plain = |size, kernel| Window { size, kernel, stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2] };
    check_conv(3, 5, 1, &plain([7, 6], [3, 2]), 2);
    let asymmetric = Window { stride: [2, 2], padding: [[0, 1], [1, 2]], ..plain([8, 7], [3, 3]) };
    check_conv(4, 6, 2, &asymmetric, 2);
    check_conv(4, 4, 4, &asymmetric, 2);
    check_conv(4, 8, 4, &Window { dilation: [2, 1], ..asymmetric }, 2);
    check_conv(3, 5, 1, &plain([1, 9], [1, 3]), 1);
    let asymmetric = Window { stride: [1, 2], padding: [[0, 0], [0, 2]], ..plain([1, 10], [1, 4]) };
    check_conv(4, 4, 4, &asymmetric, 1);
    check_conv(4, 6, 2, &Window { dilation: [1, 2], ..asymmetric }, 1);
}

fn check_pool(window: &Window, spatial: usize, count_include_pad: bool) {
    let pool = Pool {
        kernel: window.kernel[2 - spatial..].to_vec(),
        stride: window.stride[2 - spatial..].to_vec(),
        padding: window.padding[2 - spatial..].to_vec(),
        count_include_pad,
    };
    let shape: Vec<usize> = [3].into_iter().chain(window.size[2 - spatial..].iter().copied()).collect();
    let (x, averages) = run(&mut Graph::default(), Op::AvgPool(pool.clone()), &[&shape]);
    let (_, maxima) = run(&mut Graph::default(), Op::MaxPool(pool), &[&shape]);
    let (mut expected_averages, mut expected_maxima) = (Vec::new(), Vec::new());
    for plane in x[0].chunks_exact(window.size[0] * window.size[1]) {
        let places = window.output().iter().product();
        let (mut sums, mut counts, mut largest) = (vec![0.0; places], vec![0.0; places], vec![f32::MIN; places]);
        window.each(|place, _, at| {
            counts[place] += if at.is_some() || count_include_pad { 1.0 } else { 0.0 };
            if let Some(at) = at {
                sums[place] += plane[at];
                largest[place] = largest[place].max(plane[at]);
            }
        });
        expected_averages.extend(sums.iter().zip(&counts).map(|(sum, count)| sum / count));
        expected_maxima.extend(largest);
    }
    assert!(difference(&averages, &expected_averages) < 1e-6);
    assert_eq!(maxima, expected_maxima);
}

#[test]
fn pooling() {
    for count_include_pad in [false, true] {
        let window = Window { size: [6, 7], kernel: [2, 3], stride: [2, 2], padding: [[0; 2]; 2], dilation: [1; 2] };
        check_pool(&window, 2, count_include_pad);
        check_pool(&Window { padding: [[1, 1], [1, 1]], ..window }, 2, count_include_pad);
        check_pool(&Window { padding: [[0, 1], [1, 0]], ..window }, 2, count_include_pad);
        let window = Window { size: [1, 9], kernel: [1, 3], stride: [1, 2], padding: [[0; 2]; 2], dilation: [1; 2] };
        check_pool(&window, 1, count_include_pad);
        check_pool(&Window { padding: [[0, 0], [1, 0]], ..window }, 1, count_include_pad);
    }
}

#[test]
fn linear_on_vectors_and_on_sequences() {
    for shape in [vec![6], vec![4, 6], vec![2, 3, 6]] {
        let mut graph = Graph::default();
        let weight = graph.add_param("weight", vec![6, 5], numbers(1, 30));
        let bias = graph.add_param("bias", vec![5], numbers(2, 5));
        let (x, got) = run(&mut graph, Op::Linear(Linear { weight, bias: Some(bias) }), &[&shape]);
        let (weight, bias) = (&graph.param(weight).data, &graph.param(bias).data);
        let dot = |row: &[f32], out: usize| bias[out] + (0..6).map(|i| row[i] * weight[i * 5 + out]).sum::<f32>();
        let expected: Vec<f32> = x[0].chunks_exact(6).flat_map(|row| (0..5).map(move |out| dot(row, out))).collect();
        assert!(difference(&got, &expected) < 1e-5);
    }
}

#[test]
fn batch_norm_of_every_rank() {
    for shape in [vec![3], vec![3, 4], vec![3, 4, 2]] {
        let mut graph = Graph::default();
        let mut vector = |name: &str, data: [f32; 3]| graph.add_param(name, vec![3], data.to_vec());
        let (gamma, beta) = (vector("gamma", [1.0, -2.0, 0.5]), vector("beta", [0.1, 0.2, 0.3]));
        let (mean, var) = (vector("mean", [0.5, -0.5, 0.0]), vector("var", [1.0, 4.0, 0.25]));
        let norm = BatchNorm { gamma, beta, mean, var, epsilon: 1e-3, momentum: 0.1 };
        let (x, got) = run(&mut graph, Op::BatchNorm(norm), &[&shape]);
        let inner: usize = shape[1..].iter().product();
        let at = |id, place: usize| graph.param(id).data[place / inner % 3];
        let expected: Vec<f32> = x[0]
            .iter()
            .enumerate()
            .map(|(i, x)| at(gamma, i) * (x - at(mean, i)) / (at(var, i) + 1e-3).sqrt() + at(beta, i))
            .collect();
        assert!(difference(&got, &expected) < 1e-5);
    }
}

#[test]
fn functions_of_one_element() {
    let functions = [
        Unary::Relu,
        Unary::Clamp { min: -0.5, max: 2.0 },
        Unary::Clamp { min: 0.0, max: 6.0 },
        Unary::Sigmoid,
        Unary::Tanh,
        Unary::LeakyRelu { slope: 0.1 },
        Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Unary::HardSwish,
        Unary::Affine { scale: -2.0, offset: 0.25 },
    ];
    for function in functions {
        for shape in [vec![7], vec![2, 5], vec![2, 3, 4], vec![2, 2, 3, 2]] {
            let (x, got) = run(&mut Graph::default(), Op::Unary(function), &[&shape]);
            let expected: Vec<f32> = x[0].iter().map(|x| function.apply(*x)).collect();
            assert!(difference(&got, &expected) < 1e-6, "{function:?}");
        }
    }
}

#[test]
fn functions_of_two_elements() {
    type Plain = fn(f32, f32) -> f32;
    let functions: [(_, Plain); 3] =
        [(Binary::Add, |a, b| a + b), (Binary::Sub, |a, b| a - b), (Binary::Mul, |a, b| a * b)];
    for (function, plain) in functions {
        let (x, got) = run(&mut Graph::default(), Op::Binary(function), &[&[2, 3], &[2, 3]]);
        let expected: Vec<f32> = x[0].iter().zip(&x[1]).map(|(a, b)| plain(*a, *b)).collect();
        assert_eq!(got, expected);
    }
}

#[test]
fn concatenation_along_each_axis() {
    let (x, got) = run(&mut Graph::default(), Op::Concat { axis: 0 }, &[&[1, 2], &[2, 2], &[1, 2]]);
    let expected: Vec<f32> = (0..BATCH)
        .flat_map(|i| [&x[0][i * 2..i * 2 + 2], &x[1][i * 4..i * 4 + 4], &x[2][i * 2..i * 2 + 2]].concat())
        .collect();
    assert_eq!(got, expected);
    let (x, got) = run(&mut Graph::default(), Op::Concat { axis: 1 }, &[&[2, 1], &[2, 3]]);
    let expected: Vec<f32> = (0..BATCH * 2).flat_map(|i| [&x[0][i..i + 1], &x[1][i * 3..i * 3 + 3]].concat()).collect();
    assert_eq!(got, expected);
}

#[test]
fn averages_over_all_places() {
    for shape in [vec![3], vec![3, 4], vec![3, 4, 2]] {
        for keep_dims in [false, true] {
            let (x, got) = run(&mut Graph::default(), Op::GlobalAvgPool { keep_dims }, &[&shape]);
            let inner: usize = shape[1..].iter().product();
            let expected: Vec<f32> = x[0].chunks(inner).map(|plane| plane.iter().sum::<f32>() / inner as f32).collect();
            assert!(difference(&got, &expected) < 1e-6);
        }
    }
}

#[test]
fn moving_elements() {
    let (x, got) = run(&mut Graph::default(), Op::Reshape { shape: vec![6] }, &[&[2, 3]]);
    assert_eq!(got, x[0]);
    let (x, got) = run(&mut Graph::default(), Op::Transpose { perm: vec![2, 0, 1] }, &[&[2, 3, 4]]);
    let mut expected = Vec::new();
    for sample in x[0].chunks_exact(24) {
        for c in 0..4 {
            expected.extend((0..6).map(|ab| sample[ab * 4 + c]));
        }
    }
    assert_eq!(got, expected);
    let (x, got) = run(&mut Graph::default(), Op::Pad { padding: vec![[0, 1], [2, 0]], value: 9.0 }, &[&[1, 2]]);
    let expected: Vec<f32> =
        x[0].chunks_exact(2).flat_map(|row| [9.0, 9.0, row[0], row[1], 9.0, 9.0, 9.0, 9.0]).collect();
    assert_eq!(got, expected);
}

#[test]
fn softmax_along_each_axis() {
    let (x, got) = run(&mut Graph::default(), Op::Softmax { axis: 1 }, &[&[2, 3]]);
    let expected: Vec<f32> = x[0]
        .chunks_exact(3)
        .flat_map(|row| {
            let total: f32 = row.iter().map(|x| x.exp()).sum();
            row.iter().map(|x| x.exp() / total).collect::<Vec<_>>()
        })
        .collect();
    assert!(difference(&got, &expected) < 1e-6);
    let (_, got) = run(&mut Graph::default(), Op::Softmax { axis: 0 }, &[&[2, 1]]);
    assert!(got.chunks_exact(2).all(|pair| (pair[0] + pair[1] - 1.0).abs() < 1e-6));
}
