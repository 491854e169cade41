//! Problems of the kernels that sequences of tokens need.

use crate::problem::{Level, Problem, Random, Variant};
use alloc::{format, vec::Vec};
use niwaki_blob::{OpKind, Shape};

/// Orders of a product's operands and output: as they come, heads apart in memory, transposed, and any.
const ORDERS: [[[usize; 3]; 3]; 4] = [
    [[0, 1, 2], [0, 1, 2], [0, 1, 2]],
    [[1, 0, 2], [1, 0, 2], [0, 1, 2]],
    [[0, 1, 2], [1, 2, 0], [1, 0, 2]],
    [[2, 1, 0], [0, 2, 1], [2, 0, 1]],
];

pub(super) fn all(variant: Variant, seed: u64) -> impl Iterator<Item = Problem> {
    // Matrices, rows, columns, terms.
    let sizes = [[1, 1, 1, 1], [2, 3, 5, 4], [1, 4, 4, 16], [3, 5, 2, 7], [4, 16, 16, 8], [2, 2, 9, 33], [1, 7, 3, 64]];
    let products = sizes
        .into_iter()
        .flat_map(move |sizes| ORDERS.into_iter().map(move |orders| Problem::matmul(sizes, orders, variant, seed)));
    let depths = [1, 2, 3, 4, 7, 16, 32, 33, 300];
    let norms = depths.into_iter().map(move |channels| Problem::layer_norm(3, channels, variant, seed));
    let tables = [(1, 4), (10, 3), (256, 16)];
    let embeddings =
        tables.into_iter().map(move |(rows, channels)| Problem::embedding(5, rows, channels, variant, seed));
    let repeated = [[3, 4, 1], [2, 3, 5], [1, 7, 16]].into_iter().flat_map(move |shape| {
        let forms = [(OpKind::Add, false), (OpKind::Add, true), (OpKind::Mul, false), (OpKind::Mul, true)];
        forms.map(|(kind, in_place)| Problem::repeated(kind, shape, in_place, variant, seed))
    });
    products.chain(norms).chain(embeddings).chain(repeated).chain([Problem::constant(17, seed)])
}

impl Problem {
    /// A product of `[matrices, rows, terms]` and `[matrices, columns, terms]`, each with its dimensions in an order.
    pub fn matmul(
        [matrices, rows, columns, terms]: [usize; 4],
        orders: [[usize; 3]; 3],
        variant: Variant,
        seed: u64,
    ) -> Self {
        let random = &mut Random::new(seed);
        let [a, b, output] = [[matrices, rows, terms], [matrices, columns, terms], [matrices, rows, columns]];
        let (input, second) = (ordered(a, orders[0]), ordered(b, orders[1]));
        let name = format!("matmul {matrices}x{rows}x{columns}x{terms} {orders:?} {variant:?}");
        let mut problem = Self::new(OpKind::MatMul, name, input, ordered(output, orders[2]));
        (problem.second, problem.orders, problem.shift) = (second, orders, variant.shift);
        problem.range(variant);
        problem.a = variant.activations(input.elements(), random);
        problem.b = variant.activations(second.elements(), random);
        problem.multipliers = variant.multipliers(1, terms, random);
        problem
    }

    /// A layer normalisation of a number of pixels.
    pub fn layer_norm(pixels: usize, channels: usize, variant: Variant, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let shape = Shape { height: 1, width: pixels, channels };
        let name = format!("layer_norm {pixels}x{channels} {variant:?}");
        let mut problem = Self::new(OpKind::LayerNorm, name, shape, shape);
        problem.range(variant);
        problem.a = variant.activations(shape.elements(), random);
        problem.epsilon = match variant.level {
            Level::Fitting => (channels * channels) as u64 * random.between(0, 3) as u64 / 2,
            Level::Largest => (i32::MAX as u64) << 31,
            Level::Smallest => 0,
        };
        let number = |random: &mut Random, fitting: i64| match variant.level {
            Level::Fitting => random.between(-fitting, fitting) as i32,
            Level::Largest => [i32::MIN, i32::MAX, random.bits() as i32][random.between(0, 2) as usize],
            Level::Smallest => random.between(-1, 1) as i32,
        };
        problem.multipliers = (0..channels).map(|_| number(random, 60 << 12)).collect();
        problem.bias = (0..channels).map(|_| number(random, 100 << 16)).collect();
        problem
    }

    /// A table of so many rows, looked up so many times.
    pub fn embedding(elements: usize, rows: usize, channels: usize, variant: Variant, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let input = Shape { height: 1, width: 1, channels: elements };
        let output = Shape { height: 1, width: elements, channels };
        let name = format!("embedding {elements} of {rows}x{channels} {variant:?}");
        let mut problem = Self::new(OpKind::Embedding, name, input, output);
        problem.rows = rows;
        problem.a = variant.activations(elements, random);
        problem.weights = (0..rows * channels).map(|_| random.int8()).collect();
        problem
    }

    /// A sum or product whose second operand is one row of the output, or one pixel if the output has one row.
    pub fn repeated(kind: OpKind, shape: [usize; 3], in_place: bool, variant: Variant, seed: u64) -> Self {
        let [height, width, channels] = shape;
        let mut problem = Self::element_wise(kind, height * width * channels, in_place, variant, seed);
        problem.name = format!("{} repeated {shape:?} in place: {in_place} {variant:?}", kind.name());
        problem.input = Shape { height, width, channels };
        problem.output = problem.input;
        problem.b.truncate(if height == 1 { channels } else { width * channels });
        problem
    }

    /// Constant data.
    pub fn constant(elements: usize, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let shape = Shape { height: 1, width: 1, channels: elements };
        let mut problem = Self::new(OpKind::Constant, format!("constant {elements}"), shape, shape);
        problem.weights = (0..elements).map(|_| random.int8()).collect::<Vec<_>>();
        problem
    }
}

/// The shape in memory of dimensions in an order.
fn ordered(sizes: [usize; 3], order: [usize; 3]) -> Shape {
    let mut shape = [0; 3];
    for (axis, size) in order.into_iter().zip(sizes) {
        shape[axis] = size;
    }
    let [height, width, channels] = shape;
    Shape { height, width, channels }
}
