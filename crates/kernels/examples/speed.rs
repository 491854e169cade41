//! Prints how fast the kernels are on this machine, in multiplications with accumulation per second:
//! `cargo run --release -p niwaki-kernels --example speed`.

use niwaki_kernels::{
    ALL_OPS, Isa, Operands,
    problem::{Geometry, Problem, Variant},
    run,
};
use std::{hint::black_box, time::Instant};

/// Runs to take the mean of, and means to take the best of.
const RUNS: u32 = 20;

fn main() {
    for (name, problem) in problems() {
        let macs = problem.weights.len() / problem.output.channels * problem.output.elements();
        let rate = |isa: Isa| format!("{isa:?} {:6.2}", macs as f64 / seconds(&problem, isa) / 1e9);
        let rates: Vec<String> = Isa::AVAILABLE.iter().filter(|isa| isa.is_available()).map(|isa| rate(*isa)).collect();
        println!("{name:26} GMAC/s: {}", rates.join(", "));
    }
}

fn problems() -> Vec<(&'static str, Problem)> {
    let conv = |input: [usize; 3], outputs, kernel: [usize; 2], stride, before, after| {
        let geometry = Geometry::new(input, outputs, kernel, stride).padded(before, after);
        Problem::conv2d(geometry, Variant::ALL[0], 1).expect("the window fits")
    };
    let depthwise = |input: [usize; 3]| {
        let geometry = Geometry::new(input, input[2], [3, 3], 1).padded([1, 1], [1, 1]);
        Problem::depthwise_conv2d(geometry, Variant::ALL[0], 1).expect("the window fits")
    };
    vec![
        ("pointwise 64->64 @25x5", conv([25, 5, 64], 64, [1, 1], 1, [0, 0], [0, 0])),
        ("3x3 64->64 @8x8", conv([8, 8, 64], 64, [3, 3], 1, [1, 1], [1, 1])),
        ("3x3 16->16 @32x32", conv([32, 32, 16], 16, [3, 3], 1, [1, 1], [1, 1])),
        ("first 3x3 s2 3->8 @96x96", conv([96, 96, 3], 8, [3, 3], 2, [0, 0], [1, 1])),
        ("first 10x4 s2 1->64 @49x10", conv([49, 10, 1], 64, [10, 4], 2, [4, 1], [5, 1])),
        ("depthwise 3x3 64 @25x5", depthwise([25, 5, 64])),
        ("depthwise 3x3 8 @48x48", depthwise([48, 48, 8])),
        ("fully connected 640->128", Problem::fully_connected(640, 128, Variant::ALL[0], 1)),
    ]
}

/// Seconds of one run.
fn seconds(problem: &Problem, isa: Isa) -> f64 {
    let op = problem.op();
    let mut output = vec![0; problem.output.elements()];
    let mut mean = || {
        let start = Instant::now();
        for _ in 0..RUNS {
            black_box(run::<ALL_OPS>(isa, &op, Operands::One(black_box(&problem.a)), &mut output, &mut []));
        }
        start.elapsed().as_secs_f64() / f64::from(RUNS)
    };
    (0..RUNS).map(|_| mean()).fold(f64::MAX, f64::min)
}
