//! Generated problems: the harness's own, and random shapes.

use crate::naive;
use niwaki_blob::{Activation, OpKind};
use niwaki_kernels::{
    Isa,
    problem::{self, Fill, Geometry, Level, Problem, Variant},
};
use proptest::prelude::*;

fn check(problem: &Problem) {
    let expected = naive::solve(problem);
    assert_eq!(problem.solve(Isa::Scalar).as_ref(), Ok(&expected), "{}", problem.name);
}

#[test]
fn the_harness_problems() {
    let mut kinds = 0;
    for problem in problem::all(7) {
        check(&problem);
        kinds |= problem.kind.bit();
    }
    assert_eq!(kinds, niwaki_kernels::ALL_OPS, "a kind has no problem");
}

#[test]
fn most_ordinary_outputs_do_not_saturate() {
    // A test of the generator: problems whose outputs are all at the ends would not show a wrong sum.
    let (mut all, mut ends) = (0, 0);
    for problem in problem::all(3).filter(|problem| problem.kind == OpKind::Conv2d) {
        if problem.name.contains("fill: Random, level: Fitting") {
            let output = problem.solve(Isa::Scalar).unwrap();
            all += output.len();
            ends += output.iter().filter(|x| **x == problem.activation.min || **x == problem.activation.max).count();
        }
    }
    assert!(all > 1000 && ends * 4 < all * 3, "{ends} of {all}");
}

fn geometry() -> impl Strategy<Value = Geometry> {
    let size = || prop_oneof![1usize..8, 1usize..24];
    let input = (1usize..9, 1usize..9, size()).prop_map(|(h, w, c)| [h, w, c]);
    let two = |range: core::ops::Range<usize>| [range.clone(), range];
    let padding = || [0usize..4, 0usize..4];
    (input, size(), 1usize..4, two(1..5), two(1..4), two(1..4), padding(), padding()).prop_map(
        |(input, channels, groups, kernel, stride, dilation, before, after)| {
            let input = [input[0], input[1], input[2].next_multiple_of(groups)];
            let channels = channels.next_multiple_of(groups);
            Geometry { input, channels, groups, kernel, stride, dilation, before, after }
        },
    )
}

fn variant() -> impl Strategy<Value = Variant> {
    let fill = prop_oneof![Just(Fill::Random), Just(Fill::Extreme), Just(Fill::Lowest), Just(Fill::Sparse)];
    let level = prop_oneof![4 => Just(Level::Fitting), 1 => Just(Level::Largest), 1 => Just(Level::Smallest)];
    let zero_point = || prop_oneof![Just(i8::MIN), Just(i8::MAX), any::<i8>()];
    let range = prop_oneof![2 => Just((i8::MIN, i8::MAX)), 1 => (any::<i8>(), any::<i8>())];
    let zero_points = [zero_point().boxed(), zero_point().boxed(), zero_point().boxed()];
    (fill, level, zero_points, 0u32..31, range).prop_map(|(fill, level, zero_points, shift, (a, b))| {
        let activation = Activation { min: a.min(b), max: a.max(b) };
        // Large shifts belong to large multipliers here: ordinary problems use none or a few bits.
        let shift = if level == Level::Fitting { shift % 4 } else { shift };
        Variant { fill, level, zero_points, shift, activation }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn convolutions(geometry in geometry(), variant in variant(), seed: u64) {
        Problem::conv2d(geometry, variant, seed).iter().for_each(check);
        Problem::depthwise_conv2d(geometry, variant, seed).iter().for_each(check);
    }

    #[test]
    fn pools(geometry in geometry(), variant in variant(), per_count: bool, seed: u64) {
        let geometry = Geometry { dilation: [1, 1], ..geometry };
        Problem::max_pool(geometry, variant, seed).iter().for_each(check);
        Problem::avg_pool(geometry, per_count, variant, seed).iter().for_each(check);
    }

    #[test]
    fn connected(inputs in 1usize..300, outputs in 1usize..40, variant in variant(), seed: u64) {
        check(&Problem::fully_connected(inputs, outputs, variant, seed));
    }

    #[test]
    fn element_wise(elements in 1usize..200, in_place: bool, variant in variant(), seed: u64) {
        for kind in [OpKind::Add, OpKind::Mul, OpKind::Lut] {
            check(&Problem::element_wise(kind, elements, in_place, variant, seed));
        }
    }

    #[test]
    fn softmax(pixels in 1usize..5, channels in 1usize..300, variant in variant(), seed: u64) {
        check(&Problem::softmax(pixels, channels, variant, seed));
    }

    #[test]
    fn matmul(
        sizes in [1usize..4, 1usize..9, 1usize..9, 1usize..40],
        orders in [Just([0, 1, 2]).prop_shuffle(), Just([0, 1, 2]).prop_shuffle(), Just([0, 1, 2]).prop_shuffle()],
        variant in variant(),
        seed: u64,
    ) {
        check(&Problem::matmul(sizes, orders, variant, seed));
    }

    #[test]
    fn layer_norm(pixels in 1usize..4, channels in 1usize..300, variant in variant(), seed: u64) {
        check(&Problem::layer_norm(pixels, channels, variant, seed));
    }

    #[test]
    fn looked_up(elements in 1usize..20, rows in 1usize..=256, channels in 1usize..20, variant in variant(), seed: u64) {
        check(&Problem::embedding(elements, rows, channels, variant, seed));
    }

    #[test]
    fn repeated(shape in [1usize..5, 1usize..6, 1usize..20], in_place: bool, variant in variant(), seed: u64) {
        for kind in [OpKind::Add, OpKind::Mul] {
            check(&Problem::repeated(kind, shape, in_place, variant, seed));
        }
    }

    #[test]
    fn placed(input in [1usize..6, 1..6, 1..20], origin in [0usize..4, 0..4, 0..4], rest in [0usize..4, 0..4, 0..4], seed: u64) {
        let output = [0, 1, 2].map(|axis| origin[axis] + input[axis] + rest[axis]);
        check(&Problem::placed(OpKind::Concat, input, output, origin, seed));
        check(&Problem::placed(OpKind::Pad, input, output, origin, seed));
    }

    #[test]
    fn transposed(input in [1usize..8, 1..8, 1..20], perm in Just([0, 1, 2]).prop_shuffle(), seed: u64) {
        check(&Problem::transpose(input, perm, seed));
    }
}
