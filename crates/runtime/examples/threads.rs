//! Prints how long single layers take on one thread and on more, in microseconds:
//! `cargo run --release -p niwaki --features threads --example threads`.

use niwaki::{Model, Threads};
use niwaki_blob::{AlignedBytes, Interface, Manifest, OpKind, OpRecord, TensorRecord, Writer};
use std::{num::NonZeroUsize, time::Instant};

/// Runs, of which the fastest counts.
const RUNS: usize = 300;

fn main() {
    let layers = [
        ("pointwise 64->64 @8x8", [8, 8, 64], 64, 1),
        ("pointwise 64->64 @25x5", [25, 5, 64], 64, 1),
        ("3x3 16->16 @32x32", [32, 32, 16], 16, 3),
        ("3x3 64->64 @8x8", [8, 8, 64], 64, 3),
        ("3x3 64->64 @32x32", [32, 32, 64], 64, 3),
    ];
    for (name, input, outputs, kernel) in layers {
        let blob = convolution(input, outputs, kernel);
        let model = Model::read(&blob).expect("a blob as it should be");
        let alone = fastest(&model, None);
        let counts = [2, 3, 4].map(|count| NonZeroUsize::new(count).expect("some threads"));
        let shared = counts.map(|count| {
            let micros = fastest(&model, Some(&Threads::new(count).expect("the system starts threads")));
            format!("{count}: {micros:.1} ({:.2}x)", alone / micros)
        });
        println!("{name:24} 1: {alone:.1}, {}", shared.join(", "));
    }
}

/// Microseconds of a run.
fn fastest(model: &Model<'_>, threads: Option<&Threads>) -> f64 {
    let mut arena = vec![0; model.arena_bytes() + 15];
    let mut session = model.session_in(&mut arena).expect("enough memory");
    if let Some(threads) = threads {
        session = session.on_threads(threads);
    }
    let mut one = || {
        let start = Instant::now();
        session.run().expect("a model that was read runs");
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..RUNS).map(|_| one()).fold(f64::MAX, f64::min)
}

/// A network of one layer.
fn convolution(input: [u16; 3], outputs: u16, kernel: u16) -> AlignedBytes {
    let mut writer = Writer::default();
    let mut end = 0;
    let mut tensor = |writer: &mut Writer, shape: [u16; 3]| {
        let offset = end;
        end += shape.map(u32::from).iter().product::<u32>();
        writer.tensor(TensorRecord { offset, shape, zero_point: 0, reserved: 0, scale: 1.0 })
    };
    let from = tensor(&mut writer, input);
    let to = tensor(&mut writer, [input[0], input[1], outputs]);
    let weights = usize::from(kernel * kernel * input[2]) * usize::from(outputs);
    let weights: Vec<i8> = (0..weights).map(|at| (at * 37 % 251) as u8 as i8).map(|weight| weight.max(-127)).collect();
    let mut record = OpRecord::new(OpKind::Conv2d, from, to);
    record.weights = writer.data(&weights);
    record.bias = writer.data(&vec![0i32; usize::from(outputs)]);
    record.multipliers = writer.data(&vec![1i32 << 22; usize::from(outputs)]);
    record.groups = 1;
    record.p = [kernel, kernel, 1, 1, 1, 1, kernel / 2, kernel / 2];
    writer.op(record);
    let port = |tensor: u16, [height, width, channels]: [u16; 3]| Interface {
        name: "x",
        tensor,
        shape: [channels, height, width].map(u32::from).into_iter().collect(),
    };
    let manifest = Manifest {
        name: "layer",
        recipe_hash: [0; 32],
        inputs: [port(from, input)].into_iter().collect(),
        outputs: [port(to, [input[0], input[1], outputs])].into_iter().collect(),
    };
    writer.finish(&manifest, end, 0).expect("a blob as it should be")
}
