//! Problems of element-wise kernels and of softmax.

use crate::problem::{Level, Problem, Random, Variant};
use alloc::{format, vec, vec::Vec};
use niwaki_blob::{MAX_ADD_MULTIPLIER, MAX_ADD_OFFSET, OpKind, Shape};

pub(super) fn all(variant: Variant, seed: u64) -> impl Iterator<Item = Problem> {
    let sizes = [1, 3, 4, 5, 15, 16, 17, 64, 100];
    let element_wise = sizes.into_iter().flat_map(move |elements| {
        [false, true].into_iter().flat_map(move |in_place| {
            [OpKind::Add, OpKind::Mul, OpKind::Lut]
                .map(|kind| Problem::element_wise(kind, elements, in_place, variant, seed))
        })
    });
    let depths = [1, 2, 3, 4, 10, 16, 17, 257];
    element_wise.chain(depths.into_iter().map(move |depth| Problem::softmax(3, depth, variant, seed)))
}

impl Problem {
    /// An add, mul or lut of a number of elements.
    pub fn element_wise(kind: OpKind, elements: usize, in_place: bool, variant: Variant, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let shape = Shape { height: 1, width: 1, channels: elements };
        let name = format!("{} {elements} in place: {in_place} {variant:?}", kind.name());
        let mut problem = Self::new(kind, name, shape, shape);
        problem.range(variant);
        problem.in_place = in_place;
        problem.a = variant.activations(elements, random);
        problem.b = variant.activations(elements, random);
        problem.weights = (0..256).map(|_| random.int8()).collect();
        if kind == OpKind::Mul {
            problem.shift = variant.shift;
            problem.q = [variant.multipliers(1, 1, random)[0], 0, 0];
        }
        if kind == OpKind::Add {
            problem.q = add_constants(variant, random);
        }
        problem
    }

    /// A softmax of a number of pixels.
    pub fn softmax(pixels: usize, channels: usize, variant: Variant, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let shape = Shape { height: 1, width: pixels, channels };
        let mut problem = Self::new(OpKind::Softmax, format!("softmax {pixels}x{channels} {variant:?}"), shape, shape);
        problem.a = variant.activations(shape.elements(), random);
        problem.table = match variant.level {
            // Any table that starts in full is allowed; halving every few steps looks like an exponential.
            Level::Fitting => (0..256).map(|step| (1u16 << 15) >> (step / 9).min(15)).collect(),
            Level::Largest => vec![1 << 15; 256],
            Level::Smallest => (0..256).map(|step| if step == 0 { 1 << 15 } else { 0 }).collect::<Vec<_>>(),
        };
        problem
    }
}

fn add_constants(variant: Variant, random: &mut Random) -> [i32; 3] {
    let largest = i64::from(MAX_ADD_MULTIPLIER);
    let limit = match variant.level {
        Level::Fitting => 1 << 16,
        Level::Largest => largest,
        Level::Smallest => 1,
    };
    let [a, b] = [0, 1].map(|_| random.between(-limit, limit) as i32);
    match variant.level {
        Level::Largest => [MAX_ADD_MULTIPLIER, -MAX_ADD_MULTIPLIER, MAX_ADD_OFFSET],
        _ => [a, b, (i32::from(variant.zero_points[2]) << 16) + (1 << 15)],
    }
}
