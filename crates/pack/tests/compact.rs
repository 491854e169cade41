//! Compact weights: smaller where many are zero, the same results, and left alone by what repacks.

use niwaki_blob::{AlignedBytes, Blob, Interface, Manifest, OpKind, OpRecord, TensorRecord, Writer};
use niwaki_pack::{Isa, compact, repack};

/// Weights of which one in `every` is there.
fn weights(count: usize, every: usize) -> Vec<i8> {
    (0..count).map(|at| if at % every == 0 { (at * 37 % 127) as i8 + 1 } else { 0 }).collect()
}

/// A grouped convolution, a plain one and a fully connected layer.
fn blob(every: usize) -> AlignedBytes {
    let mut writer = Writer::new();
    let mut tensor =
        |offset, shape| writer.tensor(TensorRecord { offset, shape, zero_point: 3, reserved: 0, scale: 0.5 });
    let image = tensor(0, [6, 5, 8]);
    let middle = tensor(240, [6, 5, 16]);
    let last = tensor(720, [3, 3, 12]);
    let scores = tensor(832, [1, 1, 10]);
    let mut layer = |record: OpRecord, outputs: usize, terms: usize| {
        let mut record = OpRecord { weights: writer.data(&weights(outputs * terms, every)), ..record };
        record.bias = writer.data(&(0..outputs as i32).map(|at| at * 100 - 400).collect::<Vec<_>>());
        record.multipliers = writer.data(&vec![1i32 << 22; outputs]);
        writer.op(record);
    };
    let conv = |input, output, p, groups| OpRecord { p, groups, ..OpRecord::new(OpKind::Conv2d, input, output) };
    layer(conv(image, middle, [3, 3, 1, 1, 1, 1, 1, 1], 2), 16, 36);
    layer(conv(middle, last, [3, 3, 2, 2, 1, 1, 1, 1], 1), 12, 144);
    layer(OpRecord::new(OpKind::FullyConnected, last, scores), 10, 108);
    let interface = |name, tensor, shape: &[u32]| Interface { name, tensor, shape: shape.iter().copied().collect() };
    let manifest = Manifest {
        name: "compact",
        recipe_hash: [0; 32],
        inputs: [interface("image", image, &[8, 6, 5])].into_iter().collect(),
        outputs: [interface("scores", scores, &[10])].into_iter().collect(),
    };
    writer.finish(&manifest, 1024, 0).expect("a good blob")
}

fn kinds(bytes: &[u8]) -> Vec<u8> {
    Blob::read(bytes).expect("reads").records().iter().map(|record| record.kind).collect()
}

/// What a blob's operations yield for some input, by the kernels of this machine.
fn run(bytes: &[u8]) -> Vec<i8> {
    let blob = Blob::read(bytes).expect("reads");
    let mut arena: Vec<i8> = (0..blob.tensor_bytes()).map(|at| (at * 29 % 251) as i8).collect();
    for record in blob.records() {
        let op = blob.op(record).expect("known");
        let (input, output) = (blob.tensor(record.inputs[0]).range(), blob.tensor(record.output).range());
        let (x, mut y) = (arena[input].to_vec(), arena[output.clone()].to_vec());
        let operands = niwaki_kernels::Operands::One(&x);
        assert!(niwaki_kernels::run::<{ niwaki_kernels::ALL_OPS }>(Isa::current(), &op, operands, &mut y, &mut []));
        arena[output].copy_from_slice(&y);
    }
    arena
}

#[test]
fn sparse_layers_shrink_and_compute_the_same() {
    let plain = blob(4);
    let small = compact(&plain).expect("repacks");
    let (conv, layer) = (OpKind::CompactConv2d as u8, OpKind::CompactFullyConnected as u8);
    assert_eq!(kinds(&small), [conv, conv, layer]);
    // A quarter of the weights, and a bit for each.
    let weights = 16 * 36 + 12 * 144 + 10 * 108;
    let saved = plain.len() - small.len();
    assert!(saved > weights * 58 / 100 && saved < weights * 63 / 100, "{saved} of {weights} bytes saved");
    assert_eq!(run(&plain), run(&small));
    // Boards get it as it is, and what is compact stays so.
    for isa in [Isa::Dsp, Isa::V7m, Isa::V6m, Isa::Helium, Isa::Neon] {
        assert_eq!(kinds(&repack(&small, isa).expect("repacks")), kinds(&small), "{isa:?}");
    }
    assert!(*compact(&small).expect("repacks") == *small);
}

#[test]
fn dense_layers_stay_as_they_are() {
    let plain = blob(1);
    assert!(*compact(&plain).expect("repacks") == *plain);
}
