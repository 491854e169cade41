//! Bands of an operation: parts of its output that can be computed apart, each by an operation of the same kind that reads
//! and writes less. Several cores can so share one operation, and every byte is the one that a single core computes.

use core::ops::Range;
use niwaki_blob::{Conv2d, FullyConnected, Op, Requantise, Shape, Window};

/// A part of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Band<'a> {
    /// What computes it.
    pub op: Op<'a>,
    /// From where to where it reads the operation's only operand.
    pub input: (usize, usize),
    /// Elements that it writes: bands follow each other without gaps.
    pub output: usize,
}

impl Band<'_> {
    /// The elements that it reads.
    pub const fn reads(&self) -> Range<usize> {
        self.input.0..self.input.1
    }
}

/// How much an operation that can be cut into bands computes: products, or elements under windows. 0 for all others.
pub fn work(op: &Op<'_>) -> usize {
    let products = |output: Shape, window: &Window, depth: usize| {
        let taps = window.kernel[0].saturating_mul(window.kernel[1]).saturating_mul(depth);
        output.height.saturating_mul(output.width).saturating_mul(output.channels).saturating_mul(taps)
    };
    match op {
        Op::Conv2d(op) => products(op.output, &op.window, op.input.channels / op.groups.max(1)),
        Op::DepthwiseConv2d(op) => products(op.output, &op.window, 1),
        Op::BlockConv2d(op) => {
            let pixels = op.output.height.saturating_mul(op.output.width);
            pixels.saturating_mul(op.blocks.weights.len())
        }
        Op::MaxPool(op) => products(op.output, &op.window, 1),
        Op::AvgPool(op) => products(op.output, &op.window, 1),
        Op::FullyConnected(op) => op.weights.len(),
        _ => 0,
    }
}

/// The most bands that an operation can be cut into: rows of its output, or outputs of a fully connected layer by eight.
pub fn most(op: &Op<'_>) -> usize {
    match op {
        Op::Conv2d(op) | Op::DepthwiseConv2d(op) => op.output.height,
        Op::BlockConv2d(op) => op.output.height,
        Op::MaxPool(op) => op.output.height,
        Op::AvgPool(op) => op.output.height,
        Op::FullyConnected(op) => op.outputs / OUTPUTS,
        _ => 1,
    }
}

/// Outputs of a fully connected layer that stay together, as kernels take some at a time.
const OUTPUTS: usize = 8;

/// One of `parts` bands of about the same size. `None` where the operation cannot be cut so: all of it is one then.
pub fn band<'a>(op: &Op<'a>, part: usize, parts: usize) -> Option<Band<'a>> {
    if parts == 0 || part >= parts || parts > most(op) {
        return None;
    }
    match op {
        Op::Conv2d(op) => {
            let rows = Rows::of(&op.window, op.input, op.output, part, parts)?;
            Some(rows.band(Op::Conv2d(Conv2d { input: rows.input, output: rows.output, window: rows.window, ..*op })))
        }
        Op::DepthwiseConv2d(op) => {
            let rows = Rows::of(&op.window, op.input, op.output, part, parts)?;
            let (input, output, window) = (rows.input, rows.output, rows.window);
            Some(rows.band(Op::DepthwiseConv2d(Conv2d { input, output, window, ..*op })))
        }
        Op::BlockConv2d(op) => {
            let rows = Rows::of(&op.window, op.input, op.output, part, parts)?;
            let mut op = *op;
            (op.input, op.output, op.window) = (rows.input, rows.output, rows.window);
            Some(rows.band(Op::BlockConv2d(op)))
        }
        Op::MaxPool(op) => {
            let rows = Rows::of(&op.window, op.input, op.output, part, parts)?;
            let mut op = *op;
            (op.input, op.output, op.window) = (rows.input, rows.output, rows.window);
            Some(rows.band(Op::MaxPool(op)))
        }
        Op::AvgPool(op) => {
            let rows = Rows::of(&op.window, op.input, op.output, part, parts)?;
            let mut op = *op;
            (op.input, op.output, op.window) = (rows.input, rows.output, rows.window);
            Some(rows.band(Op::AvgPool(op)))
        }
        Op::FullyConnected(op) => connected(op, part, parts),
        _ => None,
    }
}

/// From where to where the part reaches, of so many.
fn share(count: usize, part: usize, parts: usize) -> (usize, usize) {
    let start = |part: usize| count / parts * part + (count % parts).min(part);
    (start(part), start(part + 1))
}

fn connected<'a>(op: &FullyConnected<'a>, part: usize, parts: usize) -> Option<Band<'a>> {
    let (first, last) = share(op.outputs / OUTPUTS, part, parts);
    // The last takes what is no whole eight.
    let outputs = first * OUTPUTS..if part + 1 == parts { op.outputs } else { last * OUTPUTS };
    let weights = outputs.start.checked_mul(op.inputs)?..outputs.end.checked_mul(op.inputs)?;
    let band = FullyConnected {
        outputs: outputs.len(),
        weights: op.weights.get(weights)?,
        bias: op.bias.get(outputs.clone())?,
        requantise: Requantise { multipliers: op.requantise.multipliers.get(outputs.clone())?, ..op.requantise },
        ..*op
    };
    Some(Band { op: Op::FullyConnected(band), input: (0, op.inputs), output: outputs.len() })
}

/// Rows of an output, with the rows of the input that they need.
struct Rows {
    input: Shape,
    output: Shape,
    window: Window,
    /// The first of the input.
    first: usize,
}

impl Rows {
    fn of(window: &Window, input: Shape, output: Shape, part: usize, parts: usize) -> Option<Self> {
        let (start, end) = share(output.height, part, parts);
        let (stride, padding) = (window.stride[0], window.padding[0]);
        let extent = window.kernel[0].checked_sub(1)?.checked_mul(window.dilation[0])?.checked_add(1)?;
        let top = start.checked_mul(stride)?;
        let bottom = end.checked_sub(1)?.checked_mul(stride)?.checked_add(extent)?;
        let first = top.saturating_sub(padding);
        // One row at least, where all that a window covers is padding above.
        let last = bottom.saturating_sub(padding).max(1).min(input.height);
        let rows = last.checked_sub(first).filter(|rows| *rows > 0)?;
        Some(Self {
            input: Shape { height: rows, ..input },
            output: Shape { height: end - start, ..output },
            window: Window { padding: [padding.saturating_sub(top), window.padding[1]], ..*window },
            first,
        })
    }

    fn band<'a>(&self, op: Op<'a>) -> Band<'a> {
        let row = self.input.width * self.input.channels;
        let input = (self.first * row, (self.first + self.input.height) * row);
        Band { op, input, output: self.output.elements() }
    }
}
