//! The integer rules against real arithmetic: what a planner has to put into an operation, and how near it comes.

use niwaki_blob::{
    Activation, AvgPool, Binary, FullyConnected, LayerNorm, MatMul, Requantise, Shape, Softmax, Window,
    round_multiplier,
};
use niwaki_kernels::{problem::Random, scalar};

const FULL: Activation = Activation { min: i8::MIN, max: i8::MAX };

fn real(value: i8, scale: f64, zero_point: i8) -> f64 {
    (f64::from(value) - f64::from(zero_point)) * scale
}

/// Whether an output is the nearest one to a real number, or a neighbour of it.
fn near(found: i8, expected: f64, scale: f64, zero_point: i8) {
    let ideal = (expected / scale + f64::from(zero_point)).clamp(-128.0, 127.0);
    assert!((f64::from(found) - ideal).abs() <= 0.51, "{found} for {ideal}");
}

#[test]
fn add_is_a_real_sum() {
    let (sa, za, sb, zb, so, zo) = (0.05, -3, 0.11, 17, 0.13, -20);
    let fixed = |scale: f64| (scale / so * 65536.0).round() as i32;
    let (qa, qb) = (fixed(sa), fixed(sb));
    let offset = (i32::from(zo) << 16) + (1 << 15) - i32::from(za) * qa - i32::from(zb) * qb;
    let op = Binary {
        elements: 1,
        q: [qa, qb, offset],
        input_zero_points: [za, zb],
        zero_point: zo,
        shift: 0,
        activation: FULL,
    };
    for a in i8::MIN..=i8::MAX {
        for b in i8::MIN..=i8::MAX {
            let mut output = [0];
            scalar::add(&op, &[a], &[b], &mut output);
            near(output[0], real(a, sa, za) + real(b, sb, zb), so, zo);
        }
    }
}

#[test]
fn mul_is_a_real_product() {
    let (sa, za, sb, zb, so, zo) = (0.05, -3, 0.11, 17, 0.004, -20);
    let shift = 2;
    let multiplier = round_multiplier(sa * sb / so, shift).unwrap();
    let op = Binary {
        elements: 1,
        q: [multiplier, 0, 0],
        input_zero_points: [za, zb],
        zero_point: zo,
        shift,
        activation: FULL,
    };
    for a in i8::MIN..=i8::MAX {
        for b in i8::MIN..=i8::MAX {
            let mut output = [0];
            scalar::mul(&op, &[a], &[b], &mut output);
            near(output[0], real(a, sa, za) * real(b, sb, zb), so, zo);
        }
    }
}

#[test]
fn fully_connected_is_a_real_product_of_matrices() {
    let random = &mut Random::new(5);
    let (si, zi, sw, so, zo) = (0.02, -90, 0.007, 0.09, 11);
    let weights: Vec<i8> = (0..200).map(|_| random.int8()).collect();
    let input: Vec<i8> = (0..40).map(|_| random.int8()).collect();
    // The zero point is folded into the bias.
    let sums = weights.chunks(40).map(|row| row.iter().map(|w| i32::from(*w)).sum::<i32>());
    let bias: Vec<i32> = sums.map(|sum| 1000 - zi * sum).collect();
    let multipliers = [round_multiplier(si * sw / so, 0).unwrap(); 5];
    let requantise = Requantise { multipliers: &multipliers, shift: 0, zero_point: zo, activation: FULL };
    let op = FullyConnected { inputs: 40, outputs: 5, weights: &weights, bias: &bias, requantise };
    let mut output = [0; 5];
    scalar::fully_connected(&op, &input, &mut output);
    for (row, found) in weights.chunks(40).zip(output) {
        let products = row.iter().zip(&input).map(|(w, x)| f64::from(*w) * sw * real(*x, si, zi as i8));
        near(found, products.sum::<f64>() + 1000.0 * si * sw, so, zo);
    }
}

#[test]
fn average_is_a_real_mean_without_the_padding() {
    let random = &mut Random::new(6);
    let input: Vec<i8> = (0..25).map(|_| random.int8()).collect();
    let (si, zi, so, zo) = (0.1, 40, 0.09, -7);
    let multipliers: Vec<i32> = (1..=9).map(|n| round_multiplier(si / so / f64::from(n) / 4.0, 0).unwrap()).collect();
    let shape = Shape { height: 5, width: 5, channels: 1 };
    let op = AvgPool {
        input: shape,
        output: shape,
        window: Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], padding: [1; 2] },
        input_zero_point: zi,
        requantise: Requantise { multipliers: &multipliers, shift: 2, zero_point: zo, activation: FULL },
    };
    let mut output = [0; 25];
    scalar::avg_pool(&op, &input, &mut output);
    for (at, found) in output.into_iter().enumerate() {
        let (y, x) = (at / 5, at % 5);
        let inside = (0..25).filter(|i| (i / 5usize).abs_diff(y) <= 1 && (i % 5usize).abs_diff(x) <= 1);
        let values: Vec<f64> = inside.map(|i| real(input[i], si, zi)).collect();
        near(found, values.iter().sum::<f64>() / values.len() as f64, so, zo);
    }
}

#[test]
fn softmax_is_a_real_softmax() {
    let random = &mut Random::new(8);
    let scale = 0.06;
    let table: Vec<u16> = (0..256).map(|d| (32768.0 * (-f64::from(d) * scale).exp()).round() as u16).collect();
    for channels in [1, 2, 10, 300] {
        let input: Vec<i8> = (0..channels).map(|_| random.int8()).collect();
        let op = Softmax { shape: Shape { height: 1, width: 1, channels }, table: &table };
        let mut output = vec![0; channels];
        scalar::softmax(&op, &input, &mut output);
        let sum: f64 = input.iter().map(|x| (f64::from(*x) * scale).exp()).sum();
        for (x, found) in input.iter().zip(output) {
            near(found, (f64::from(*x) * scale).exp() / sum, 1.0 / 256.0, -128);
        }
    }
}

#[test]
fn matmul_is_a_real_product_of_activations() {
    let random = &mut Random::new(9);
    let (sa, za, sb, zb, so, zo) = (0.03, -3, 0.11, 17, 0.4, -20);
    let shape = |height, width, channels| Shape { height, width, channels };
    // Three heads of five rows and seven columns, eight terms each, side by side in memory.
    let (a_shape, b_shape, out_shape) = (shape(5, 3, 8), shape(7, 3, 8), shape(3, 5, 7));
    let [a, b] = [a_shape, b_shape].map(|s| (0..s.elements()).map(|_| random.int8()).collect::<Vec<_>>());
    let op = MatMul {
        input_zero_points: [za, zb],
        multiplier: round_multiplier(sa * sb / so, 0).unwrap(),
        zero_point: zo,
        ..MatMul::new([a_shape, b_shape, out_shape], [[1, 0, 2], [1, 0, 2], [0, 1, 2]])
    };
    let mut output = [0; 105];
    scalar::matmul(&op, &a, &b, &mut output);
    for (at, found) in output.into_iter().enumerate() {
        let (head, row, column) = (at / 35, at / 7 % 5, at % 7);
        let term = |t| real(a[(row * 3 + head) * 8 + t], sa, za) * real(b[(column * 3 + head) * 8 + t], sb, zb);
        near(found, (0..8).map(term).sum(), so, zo);
    }
}

/// A real layer normalisation of random pixels, wide and narrow, flat and spread; the integer one is within 0.53 output
/// steps of it.
#[test]
fn layer_norm_is_a_real_layer_norm() {
    let random = &mut Random::new(10);
    let (si, so, zo) = (0.04, 0.031, -9);
    for channels in [1usize, 2, 3, 8, 32, 64, 257, 1024] {
        for spread in [0i64, 1, 3, 20, 128] {
            let pixel: Vec<i8> =
                (0..channels).map(|_| random.between(-spread, spread).clamp(-128, 127) as i8).collect();
            let gamma: Vec<f64> = (0..channels).map(|_| random.between(-2000, 2000) as f64 / 1000.0).collect();
            let beta: Vec<f64> = (0..channels).map(|_| random.between(-1000, 1000) as f64 / 1000.0).collect();
            let epsilon = 1e-5;
            let fixed_gamma: Vec<i32> = gamma.iter().map(|g| (g / so * 4096.0).round() as i32).collect();
            let fixed_beta: Vec<i32> =
                beta.iter().map(|b| ((b / so + f64::from(zo)) * 65536.0).round() as i32).collect();
            let op = LayerNorm {
                shape: Shape { height: 1, width: 1, channels },
                epsilon: (epsilon * (channels * channels) as f64 / (si * si)).round() as u64,
                gamma: &fixed_gamma,
                beta: &fixed_beta,
                activation: FULL,
            };
            let mut output = vec![0; channels];
            scalar::layer_norm(&op, &pixel, &mut output);
            let reals: Vec<f64> = pixel.iter().map(|x| f64::from(*x) * si).collect();
            let mean = reals.iter().sum::<f64>() / channels as f64;
            let variance = reals.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / channels as f64;
            // What the writer rounds is no error of the kernel: epsilon as it was stored.
            let stored = op.epsilon as f64 * si * si / (channels * channels) as f64;
            for (at, found) in output.into_iter().enumerate() {
                // A flat pixel has no deviation to divide.
                let deviation = (variance + stored).sqrt();
                let normal = if deviation > 0.0 { (reals[at] - mean) / deviation } else { 0.0 };
                let ideal = ((normal * gamma[at] + beta[at]) / so + f64::from(zo)).clamp(-128.0, 127.0);
                assert!((f64::from(found) - ideal).abs() <= 0.53, "{channels} {spread}: {found} for {ideal}");
            }
        }
    }
}
