//! SPEC.md's formulas, one output at a time, in 128-bit integers and with explicit indices.

use niwaki_blob::{Activation, Binary, Conv2d, LayerNorm, MatMul, Op, Requantise, Shape, Window};
use niwaki_kernels::problem::Problem;

/// The output of a problem.
pub(crate) fn solve(problem: &Problem) -> Vec<i8> {
    // Another layout of the weights changes no result.
    if let Some(plain) = &problem.plain {
        return solve(plain);
    }
    let x = |shape: Shape, y: i128, column: i128, channel: i128| -> Option<i128> {
        let inside = y >= 0 && y < shape.height as i128 && column >= 0 && column < shape.width as i128;
        let at = (y * shape.width as i128 + column) * shape.channels as i128 + channel;
        inside.then(|| i128::from(problem.a[at as usize]))
    };
    let place = |y, column, channel| x(problem.input, y, column, channel);
    let shape = problem.output;
    let mut output = vec![];
    for y in 0..shape.height as i128 {
        for column in 0..shape.width as i128 {
            for channel in 0..shape.channels as i128 {
                let at = (y * shape.width as i128 + column) * shape.channels as i128 + channel;
                output.push(element(problem, &place, [y, column, channel], at as usize));
            }
        }
    }
    output
}

type Read<'a> = dyn Fn(i128, i128, i128) -> Option<i128> + 'a;

fn element(problem: &Problem, x: &Read<'_>, index: [i128; 3], at: usize) -> i8 {
    let [y, column, channel] = index;
    let pair = || (i128::from(problem.a[at]), i128::from(problem.b[at % problem.b.len()]));
    match problem.op() {
        Op::Conv2d(op) => convolution(&op, x, index, false),
        Op::DepthwiseConv2d(op) => convolution(&op, x, index, true),
        Op::FullyConnected(op) => {
            let products = (0..op.inputs).map(|i| product(problem.a[i], op.weights[at * op.inputs + i]));
            requantised(i128::from(op.bias[at]) + products.sum::<i128>(), at, &op.requantise)
        }
        Op::Add(op) => {
            let (a, b) = pair();
            let [qa, qb, offset] = op.q.map(i128::from);
            clamped((a * qa + b * qb + offset).div_euclid(1 << 16), op.activation)
        }
        Op::Mul(op) => {
            let (a, b) = pair();
            multiplied(&op, a, b)
        }
        Op::MaxPool(op) => {
            let taps = taps(&op.window, y, column);
            taps.filter_map(|[_, _, y, column]| x(y, column, channel)).max().unwrap() as i8
        }
        Op::AvgPool(op) => {
            let inside: Vec<i128> =
                taps(&op.window, y, column).filter_map(|[_, _, y, column]| x(y, column, channel)).collect();
            let sum = inside.iter().map(|x| x - i128::from(op.input_zero_point)).sum();
            let rule = if op.requantise.multipliers.len() == 1 { 0 } else { inside.len() - 1 };
            requantised(sum, rule, &op.requantise)
        }
        Op::Lut(op) => op.table[(i32::from(problem.a[at]) + 128) as usize],
        Op::Softmax(op) => {
            let depth = op.shape.channels;
            let pixel = &problem.a[at / depth * depth..][..depth];
            let max = i32::from(*pixel.iter().max().unwrap());
            let exp = |x: i8| i128::from(op.table[(max - i32::from(x)) as usize]);
            let sum: i128 = pixel.iter().map(|x| exp(*x)).sum();
            clamped((256 * exp(problem.a[at]) + sum / 2) / sum - 128, FULL)
        }
        Op::Concat(op) => placed(op.origin, op.input, index, x).unwrap_or(i128::from(BEFORE)) as i8,
        Op::Pad(op) => placed(op.place.origin, op.place.input, index, x).unwrap_or(i128::from(op.value)) as i8,
        Op::PackedConv2d(_)
        | Op::PackedDepthwiseConv2d(_)
        | Op::PackedFullyConnected(_)
        | Op::SparseConv2d(_)
        | Op::SparseFullyConnected(_)
        | Op::InterleavedFullyConnected(_)
        | Op::SparseInterleavedFullyConnected(_)
        | Op::WinogradFullyConnected(_)
        | Op::CompactConv2d(_)
        | Op::CompactFullyConnected(_)
        | Op::BlockConv2d(_)
        | Op::BlockFullyConnected(_) => unreachable!("solved as the plain problem that it was"),
        Op::MatMul(op) => matmul(problem, &op, index),
        Op::LayerNorm(op) => layer_norm(&op, &problem.a[at / op.shape.channels * op.shape.channels..], at),
        Op::Constant(op) => op.data[at],
        Op::Embedding(op) => {
            let row = (i32::from(problem.a[at / op.channels]) + 128).min(op.rows as i32 - 1);
            op.table[row as usize * op.channels + at % op.channels]
        }
        Op::Transpose(op) => {
            let mut source = [0; 3];
            for (axis, position) in op.perm.into_iter().zip(index) {
                source[axis] = position;
            }
            x(source[0], source[1], source[2]).unwrap() as i8
        }
    }
}

/// What outputs hold before a kernel runs, in the harness: a concat leaves it.
const BEFORE: i8 = 0x5a;

const FULL: Activation = Activation { min: -128, max: 127 };

fn placed(origin: [usize; 3], input: Shape, index: [i128; 3], x: &Read<'_>) -> Option<i128> {
    let [y, column, channel] = [0, 1, 2].map(|axis| index[axis] - origin[axis] as i128);
    (channel >= 0 && channel < input.channels as i128).then(|| x(y, column, channel)).flatten()
}

/// Every tap of a window: its place in the window, and the row and column that it reads.
fn taps(window: &Window, y: i128, column: i128) -> impl Iterator<Item = [i128; 4]> {
    let Window { kernel, stride, dilation, padding } = *window;
    let at = move |axis: usize, output: i128, tap: i128| {
        output * stride[axis] as i128 + tap * dilation[axis] as i128 - padding[axis] as i128
    };
    (0..kernel[0] as i128)
        .flat_map(move |ky| (0..kernel[1] as i128).map(move |kx| [ky, kx, at(0, y, ky), at(1, column, kx)]))
}

fn convolution(op: &Conv2d<'_>, x: &Read<'_>, [y, column, channel]: [i128; 3], depthwise: bool) -> i8 {
    let depth = (op.input.channels / op.groups) as i128;
    let group = channel / (op.output.channels / op.groups) as i128;
    let width = op.window.kernel[1] as i128;
    let height = op.window.kernel[0] as i128;
    let mut acc = i128::from(op.bias[channel as usize]);
    for [ky, kx, row, at] in taps(&op.window, y, column) {
        for i in 0..depth {
            let weight = match depthwise {
                true => (ky * width + kx) * op.output.channels as i128 + channel,
                false => ((channel * height + ky) * width + kx) * depth + i,
            };
            let element = x(row, at, group * depth + i).unwrap_or(i128::from(op.input_zero_point));
            acc += element * i128::from(op.weights[weight as usize]);
        }
    }
    requantised(acc, channel as usize, &op.requantise)
}

/// Operands are found through the problem's shapes and orders, not through the operation's strides.
fn matmul(problem: &Problem, op: &MatMul, index: [i128; 3]) -> i8 {
    let [matrix, row, column] = problem.orders[2].map(|axis| index[axis]);
    let read = |data: &[i8], shape: Shape, order: [usize; 3], logical: [i128; 3]| {
        let mut place = [0; 3];
        for (axis, position) in order.into_iter().zip(logical) {
            place[axis] = position;
        }
        i128::from(data[((place[0] * shape.width as i128 + place[1]) * shape.channels as i128 + place[2]) as usize])
    };
    let [za, zb] = op.input_zero_points.map(i128::from);
    let term = |t: i128| {
        let a = read(&problem.a, problem.input, problem.orders[0], [matrix, row, t]);
        let b = read(&problem.b, problem.second, problem.orders[1], [matrix, column, t]);
        (a - za) * (b - zb)
    };
    let acc = (0..op.terms as i128).map(term).sum();
    scaled(acc, op.multiplier, op.shift, op.zero_point, op.activation)
}

/// One output from its pixel.
fn layer_norm(op: &LayerNorm<'_>, pixel: &[i8], at: usize) -> i8 {
    let (n, channel) = (op.shape.channels as i128, at % op.shape.channels);
    let pixel = &pixel[..op.shape.channels];
    let sum: i128 = pixel.iter().map(|x| i128::from(*x)).sum();
    let squares: i128 = pixel.iter().map(|x| i128::from(*x) * i128::from(*x)).sum();
    let s = (n * squares - sum * sum + i128::from(op.epsilon)).max(1);
    // The number of bits that are brought to the top two of 64, an even number.
    let k = (0..32).filter(|k| s << (2 * k) < 1 << 64).max().unwrap();
    let m = (s << (2 * k)) >> 32;
    let root = (0..1 << 16).rev().find(|root| root * root <= m).unwrap();
    let inverse = (1i128 << 31) / root;
    let a = ((n * i128::from(pixel[channel]) - sum) * inverse * 16).div_euclid(1 << (31 - k));
    let scaled = a * i128::from(op.gamma[channel]) + i128::from(op.beta[channel]) * (1 << 16) + (1 << 31);
    clamped(scaled.div_euclid(1 << 32), op.activation)
}

fn product(a: i8, b: i8) -> i128 {
    i128::from(a) * i128::from(b)
}

fn multiplied(op: &Binary, a: i128, b: i128) -> i8 {
    let [za, zb] = op.input_zero_points.map(i128::from);
    scaled((a - za) * (b - zb), op.q[0], op.shift, op.zero_point, op.activation)
}

fn requantised(acc: i128, channel: usize, rule: &Requantise<'_>) -> i8 {
    scaled(acc, rule.multipliers[channel], rule.shift, rule.zero_point, rule.activation)
}

fn scaled(acc: i128, multiplier: i32, shift: u32, zero_point: i8, activation: Activation) -> i8 {
    let shifted = wrapped(wrapped(acc) << shift);
    // Rounding half up is the floor of a half more.
    let rounded = (shifted * i128::from(multiplier) + (1 << 31)).div_euclid(1 << 32);
    clamped(i128::from(zero_point) + rounded, activation)
}

/// The number of -2^31..2^31 that is congruent modulo 2^32.
fn wrapped(value: i128) -> i128 {
    (value + (1 << 31)).rem_euclid(1 << 32) - (1 << 31)
}

fn clamped(value: i128, activation: Activation) -> i8 {
    if value < i128::from(activation.min) {
        activation.min
    } else if value > i128::from(activation.max) {
        activation.max
    } else {
        value as i8
    }
}
