//! Problems of kernels that only move bytes.

use crate::problem::{Problem, Random};
use alloc::{format, vec::Vec};
use niwaki_blob::{OpKind, Shape};

pub(super) fn all(seed: u64) -> impl Iterator<Item = Problem> {
    let places = [
        ([1, 1, 1], [1, 1, 1], [0, 0, 0]),
        ([2, 3, 4], [2, 3, 9], [0, 0, 5]),
        ([2, 3, 4], [5, 3, 4], [2, 0, 0]),
        ([2, 3, 4], [2, 7, 4], [0, 4, 0]),
        ([3, 2, 5], [6, 4, 8], [1, 2, 3]),
        ([1, 1, 16], [1, 1, 33], [0, 0, 16]),
        ([4, 1, 3], [4, 1, 17], [0, 0, 14]),
    ];
    let placed = places.into_iter().flat_map(move |(input, output, origin)| {
        [OpKind::Concat, OpKind::Pad].map(|kind| Problem::placed(kind, input, output, origin, seed))
    });
    let perms = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let shapes = [[1, 1, 5], [2, 3, 4], [5, 1, 3], [4, 16, 17]];
    let turned = shapes.into_iter().flat_map(move |shape| perms.map(|perm| Problem::transpose(shape, perm, seed)));
    placed.chain(turned)
}

impl Problem {
    /// A concat or a pad of an input shape into an output shape at an origin.
    pub fn placed(kind: OpKind, input: [usize; 3], output: [usize; 3], origin: [usize; 3], seed: u64) -> Self {
        let name = format!("{} {input:?} in {output:?} at {origin:?}", kind.name());
        let mut problem = Self::new(kind, name, shape(input), shape(output));
        let random = &mut Random::new(seed);
        problem.a = elements(problem.input, random);
        problem.origin = origin;
        problem.zero_point = random.int8();
        problem
    }

    /// A transpose of an input shape.
    pub fn transpose(input: [usize; 3], perm: [usize; 3], seed: u64) -> Self {
        let name = format!("transpose {input:?} by {perm:?}");
        let mut problem = Self::new(OpKind::Transpose, name, shape(input), shape(perm.map(|axis| input[axis])));
        problem.a = elements(problem.input, &mut Random::new(seed));
        problem.perm = perm;
        problem
    }
}

fn shape([height, width, channels]: [usize; 3]) -> Shape {
    Shape { height, width, channels }
}

fn elements(shape: Shape, random: &mut Random) -> Vec<i8> {
    (0..shape.elements()).map(|_| random.int8()).collect()
}
