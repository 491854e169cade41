//! Whether the parameters of an operation fit: with the checks of `check.rs` before it, kernels stay inside their buffers.

use crate::{
    Blob, CONV_STEP, Conv2d, FULLY_CONNECTED_STEP, FullyConnected, INTERLEAVED_STEP, MAX_ADD_MULTIPLIER,
    MAX_ADD_OFFSET, NO_INPUT, Op, OpRecord, Requantise, Shape, Tensor, Window, block, compact, packed,
    sequence::{order, strides},
    winograd,
};

/// Whether an operation's parameters agree with each other and with its tensors.
pub(crate) fn fits(blob: &Blob<'_>, record: &OpRecord, op: &Op<'_>) -> bool {
    let (input, output) = (blob.tensor(record.inputs[0]), blob.tensor(record.output));
    let second = blob.tensor(record.inputs[1]);
    match op {
        Op::Conv2d(conv) => convolves(conv, input.shape, output.shape) && !conv.weights.is_empty(),
        Op::DepthwiseConv2d(conv) => {
            let channels = output.shape.channels;
            conv.groups == channels
                && conv.groups == input.shape.channels
                && convolves(conv, input.shape, output.shape)
                && !conv.weights.is_empty()
        }
        Op::FullyConnected(layer) => connects(layer) && !layer.weights.is_empty(),
        Op::CompactConv2d(op) => {
            convolves(&op.conv, input.shape, output.shape)
                && compact::fits(record, op.conv.weights, op.bits, output.shape.channels, op.terms())
        }
        Op::CompactFullyConnected(op) => {
            connects(&op.layer) && compact::fits(record, op.layer.weights, op.bits, op.layer.outputs, op.layer.inputs)
        }
        Op::Add(add) => {
            let [a, b, offset] = add.q.map(i32::unsigned_abs);
            let (limit, offset_limit) = (MAX_ADD_MULTIPLIER.unsigned_abs(), MAX_ADD_OFFSET.unsigned_abs());
            let bounded = a <= limit && b <= limit && offset <= offset_limit;
            bounded && input.shape == output.shape && repeats(second.shape, output.shape)
        }
        Op::Mul(mul) => multiplier(mul.q[0]) && input.shape == output.shape && repeats(second.shape, output.shape),
        Op::MaxPool(pool) => {
            pool.window.dilation == [1, 1]
                && input.shape.channels == output.shape.channels
                && slides(&pool.window, input.shape, output.shape)
        }
        Op::AvgPool(pool) => {
            let taps = pool.window.kernel[0] * pool.window.kernel[1];
            let multipliers = pool.requantise.multipliers.len();
            pool.window.dilation == [1, 1]
                && (multipliers == 1 || multipliers == taps)
                && rule(&pool.requantise, multipliers)
                && input.shape.channels == output.shape.channels
                && slides(&pool.window, input.shape, output.shape)
        }
        Op::Lut(lut) => lut.table.len() == 256 && input.shape == output.shape,
        Op::Softmax(softmax) => {
            // The first entry is exp(0) in full: with it no sum is zero. 2^16 channels keep the sum in 32 bits.
            softmax.table.len() == 256
                && softmax.table.first() == Some(&(1 << 15))
                && softmax.table.iter().all(|entry| *entry <= 1 << 15)
                && input.shape == output.shape
        }
        Op::Concat(place) => placed(place.origin, input.shape, output.shape),
        Op::Pad(pad) => placed(pad.place.origin, input.shape, output.shape),
        Op::Transpose(transpose) => {
            let mut sorted = transpose.perm;
            sorted.sort_unstable();
            let sizes = dims(&input);
            let same = |(axis, size): (&usize, &usize)| sizes.get(*axis) == Some(size);
            sorted == [0, 1, 2] && transpose.perm.iter().zip(&dims(&output)).all(same)
        }
        Op::PackedConv2d(conv) => {
            packed::convolution(record, conv)
                && !conv.packed.weights.is_empty()
                && slides(&conv.window, conv.input, conv.output)
        }
        Op::SparseConv2d(conv) => {
            packed::convolution(record, conv)
                && matches!(conv.packed.rows, 1 | 2)
                && packed::streams(&conv.packed, conv.output.channels, conv.quads(), CONV_STEP)
                && slides(&conv.window, conv.input, conv.output)
        }
        Op::PackedDepthwiseConv2d(conv) => {
            packed::depthwise(record, conv) && slides(&conv.window, conv.input, conv.output)
        }
        Op::PackedFullyConnected(layer) | Op::InterleavedFullyConnected(layer) => {
            packed::rules(record, &layer.packed) && !layer.packed.weights.is_empty()
        }
        Op::WinogradFullyConnected(layer) => {
            packed::rules(record, &layer.packed) && winograd::fits(&layer.packed, layer.outputs, layer.quads())
        }
        Op::SparseInterleavedFullyConnected(layer) => {
            packed::rules(record, &layer.packed)
                && packed::streams(&layer.packed, layer.outputs, layer.quads(), INTERLEAVED_STEP)
        }
        Op::SparseFullyConnected(layer) => {
            packed::rules(record, &layer.packed)
                && matches!(layer.packed.rows, 1 | 2 | 4)
                && packed::streams(&layer.packed, layer.outputs, layer.quads(), FULLY_CONNECTED_STEP)
        }
        Op::BlockConv2d(conv) => {
            block::fits(record, &conv.blocks, conv.output.channels, conv.terms())
                && slides(&conv.window, conv.input, conv.output)
        }
        Op::BlockFullyConnected(layer) => block::fits(record, &layer.blocks, layer.outputs, layer.inputs),
        Op::MatMul(product) => {
            multiplier(product.multiplier) && multiplies(record, [input.shape, second.shape, output.shape])
        }
        Op::LayerNorm(norm) => {
            record.q[0] >= 0
                && (0..32).contains(&record.q[1])
                && input.shape == output.shape
                && !norm.gamma.is_empty()
                && !norm.beta.is_empty()
        }
        Op::Constant(constant) => record.inputs == [NO_INPUT; 2] && !constant.data.is_empty(),
        Op::Embedding(embedding) => {
            let elements = output.shape.height * output.shape.width;
            (1..=256).contains(&embedding.rows)
                && record.q[0] > 0
                && !embedding.table.is_empty()
                && input.shape.elements() == elements
        }
    }
}

/// What holds for plain and compact convolutions.
fn convolves(conv: &Conv2d<'_>, input: Shape, output: Shape) -> bool {
    conv.groups > 0
        && input.channels.is_multiple_of(conv.groups)
        && output.channels.is_multiple_of(conv.groups)
        && conv.bias.len() == output.channels
        && rule(&conv.requantise, output.channels)
        && slides(&conv.window, input, output)
}

/// What holds for plain and compact fully connected layers.
fn connects(layer: &FullyConnected<'_>) -> bool {
    layer.bias.len() == layer.outputs && rule(&layer.requantise, layer.outputs)
}

/// Whether a shape is the other, or what is left of it without its first dimensions.
fn repeats(second: Shape, output: Shape) -> bool {
    if second.elements() == 1 {
        return true;
    }
    let pixel = second.height == 1 && second.width == 1;
    let row = second.height == 1 && second.width == output.width;
    second.channels == output.channels && (pixel || row || second == output)
}

/// Whether the orders are orders, and matrices, rows, columns and terms are the same everywhere.
fn multiplies(record: &OpRecord, shapes: [Shape; 3]) -> bool {
    let orders = [record.p[0], record.p[1], record.p[2]].map(order);
    let good = orders.iter().all(|order| {
        let mut sorted = *order;
        sorted.sort_unstable();
        sorted == [0, 1, 2]
    });
    let sizes = |at: usize| -> [usize; 3] {
        let pair = shapes.get(at).zip(orders.get(at));
        pair.map(|(shape, order)| strides(*shape, *order).1).unwrap_or_default()
    };
    let ([matrices, rows, terms], [b_matrices, columns, b_terms]) = (sizes(0), sizes(1));
    good && b_matrices == matrices && b_terms == terms && sizes(2) == [matrices, rows, columns]
}

fn dims(tensor: &Tensor) -> [usize; 3] {
    [tensor.shape.height, tensor.shape.width, tensor.shape.channels]
}

pub(crate) fn multiplier(value: i32) -> bool {
    value >= 0 && value % 2 == 0
}

fn rule(rule: &Requantise<'_>, channels: usize) -> bool {
    rule.multipliers.len() == channels && channels > 0 && rule.multipliers.iter().all(|value| multiplier(*value))
}

/// Whether every window overlaps the input. The taps of a dilated window may still all miss it.
fn slides(window: &Window, input: Shape, output: Shape) -> bool {
    let axis = |place: usize, size: usize, count: usize| {
        let (kernel, stride, dilation) = (window.kernel[place], window.stride[place], window.dilation[place]);
        let padding = window.padding[place] as u64;
        let extent = dilation as u64 * (kernel as u64).saturating_sub(1) + 1;
        kernel > 0
            && stride > 0
            && dilation > 0
            && padding < extent
            && (count as u64 - 1) * (stride as u64) < size as u64 + padding
    };
    axis(0, input.height, output.height) && axis(1, input.width, output.width)
}

fn placed(origin: [usize; 3], input: Shape, output: Shape) -> bool {
    let fits = |start: usize, len: usize, size: usize| start.checked_add(len).is_some_and(|end| end <= size);
    fits(origin[0], input.height, output.height)
        && fits(origin[1], input.width, output.width)
        && fits(origin[2], input.channels, output.channels)
}
