//! Typed views of the operations that sequences of tokens need: products of activations, layer normalisation, tables
//! of vectors, constants.

use crate::{Activation, Shape};

/// Product of two activations, matrix by matrix.
///
/// With `acc = sum over t of (a[i][y][t] - za) * (b[i][x][t] - zb)`:
/// `out[i][y][x] = clamp(zero_point + multiply_round(acc << shift, multiplier))`. Each of the three has its own order of
/// dimensions, so that heads need not be moved apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatMul {
    /// Matrices.
    pub matrices: usize,
    /// Rows of the output.
    pub rows: usize,
    /// Columns of the output.
    pub columns: usize,
    /// Products of one output.
    pub terms: usize,
    /// Elements between neighbours in the first operand: matrices, rows, terms.
    pub a: [usize; 3],
    /// Elements between neighbours in the second operand: matrices, columns, terms.
    pub b: [usize; 3],
    /// Elements between neighbours in the output: matrices, rows, columns.
    pub output: [usize; 3],
    /// Zero points of the operands.
    pub input_zero_points: [i8; 2],
    /// Even and not negative.
    pub multiplier: i32,
    /// Left shift of the accumulator.
    pub shift: u32,
    /// Output value that stands for zero.
    pub zero_point: i8,
    /// Output range.
    pub activation: Activation,
}

impl MatMul {
    /// A product of operands and an output of these shapes, which hold their dimensions in these orders: `[matrices,
    /// rows, terms]`, `[matrices, columns, terms]` and `[matrices, rows, columns]` are height (0), width (1) or channels
    /// (2). Its rule is neutral and for the caller to set.
    pub fn new(shapes: [Shape; 3], orders: [[usize; 3]; 3]) -> Self {
        let [(a, [_, _, terms]), (b, _), (output, [matrices, rows, columns])] =
            [(shapes[0], orders[0]), (shapes[1], orders[1]), (shapes[2], orders[2])].map(|(s, o)| strides(s, o));
        let activation = Activation { min: i8::MIN, max: i8::MAX };
        Self {
            matrices,
            rows,
            columns,
            terms,
            a,
            b,
            output,
            input_zero_points: [0; 2],
            multiplier: 0,
            shift: 0,
            zero_point: 0,
            activation,
        }
    }

    /// An order of dimensions as the format has it.
    pub fn order_code(order: [usize; 3]) -> u16 {
        (order[0] | order[1] << 2 | order[2] << 4) as u16
    }
}

/// Layer normalisation over the channels of every pixel, in integers; SPEC.md has the formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm<'a> {
    /// Shape of input and output.
    pub shape: Shape,
    /// What is added to the squared deviation, in its units: channels squared times input steps squared.
    pub epsilon: u64,
    /// Factor per channel: output steps in units of 2^-12.
    pub gamma: &'a [i32],
    /// Addend per channel, the output's zero point included: output steps in units of 2^-16.
    pub beta: &'a [i32],
    /// Output range.
    pub activation: Activation,
}

/// Fills its output with constant data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant<'a> {
    /// The output, in memory order.
    pub data: &'a [i8],
}

/// Looks up a row for every element of its input: `out[i] = table[min(x[i] + 128, rows - 1)]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Embedding<'a> {
    /// Rows of the table, at most 256.
    pub rows: usize,
    /// Elements of a row, which is one pixel of the output.
    pub channels: usize,
    /// `[rows][channels]`.
    pub table: &'a [i8],
}

/// An order of three dimensions as the format has it: two bits for each place, the first lowest.
pub(crate) fn order(code: u16) -> [usize; 3] {
    [code & 3, code >> 2 & 3, code >> 4].map(usize::from)
}

/// Where the elements of each dimension lie: how many elements apart, and how many there are, in another order.
/// Zeros for an order that is none.
pub(crate) fn strides(shape: Shape, order: [usize; 3]) -> ([usize; 3], [usize; 3]) {
    let sizes = [shape.height, shape.width, shape.channels];
    let steps = [shape.width * shape.channels, shape.channels, 1];
    let pick = |list: [usize; 3]| order.map(|axis| list.get(axis).copied().unwrap_or(0));
    (pick(steps), pick(sizes))
}
