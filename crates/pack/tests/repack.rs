//! A network in the layouts of another instruction set gives the same results.

use niwaki_blob::{AlignedBytes, Blob, Interface, Manifest, OpKind, OpRecord, TensorRecord, Writer};
use niwaki_kernels::{ALL_OPS, Isa, Operands, problem::Random, run, scratch_bytes};
use niwaki_pack::{forms, repack, repack_as, repack_for};

/// A convolution, a depthwise one, one with two of three blocks empty, one with groups, and a fully connected layer.
fn network(random: &mut Random, shift: u8) -> AlignedBytes {
    let mut writer = Writer::new();
    let shapes = [[7, 6, 3], [7, 6, 9], [4, 3, 9], [4, 3, 10], [4, 3, 6], [1, 1, 16]];
    let mut offset = 0;
    for shape in shapes {
        writer.tensor(TensorRecord { offset, shape, zero_point: -9, reserved: 0, scale: 0.5 });
        offset += shape.map(u32::from).iter().product::<u32>();
    }
    let layers = [
        (OpKind::Conv2d, 27, 9, 1, [3, 3, 1, 1, 1, 1, 1, 1]),
        (OpKind::DepthwiseConv2d, 9, 9, 9, [3, 3, 2, 2, 1, 1, 1, 1]),
        (OpKind::Conv2d, 36, 10, 1, [1, 4, 1, 1, 1, 1, 0, 1]),
        (OpKind::Conv2d, 45, 6, 2, [3, 3, 1, 1, 1, 1, 1, 1]),
        (OpKind::FullyConnected, 72, 16, 0, [0; 8]),
    ];
    for (at, (kind, terms, outputs, groups, p)) in layers.into_iter().enumerate() {
        let sparse = at == 2;
        let weight = |at: usize, random: &mut Random| match sparse && at % terms / 4 % 3 != 1 {
            true => 0,
            false => random.between(-127, 127) as i8,
        };
        let weights: Vec<i8> = (0..terms * outputs).map(|at| weight(at, random)).collect();
        let mut record = OpRecord::new(kind, at as u16, at as u16 + 1);
        (record.p, record.groups, record.shift) = (p, groups, shift);
        record.weights = writer.data(&weights);
        record.bias = writer.data(&(0..outputs).map(|_| random.between(-999, 999) as i32).collect::<Vec<_>>());
        let multiplier = |random: &mut Random| random.between(1 << 20, 1 << 22) as i32 & !1;
        record.multipliers = writer.data(&(0..outputs).map(|_| multiplier(random)).collect::<Vec<_>>());
        writer.op(record);
    }
    let interface = |tensor, shape: &[u32]| Interface { name: "x", tensor, shape: shape.iter().copied().collect() };
    let manifest = Manifest {
        name: "net",
        recipe_hash: [3; 32],
        inputs: [interface(0, &[3, 7, 6])].into_iter().collect(),
        outputs: [interface(5, &[16])].into_iter().collect(),
    };
    writer.finish(&manifest, offset, 0).unwrap()
}

/// Every operation's output in a run with scalar kernels, where those that want scratch leave nothing of it as it was.
fn solve(blob: &Blob<'_>, input: &[i8]) -> Vec<i8> {
    let mut arena = vec![0; blob.tensor_bytes() + blob.scratch_bytes()];
    arena[..input.len()].copy_from_slice(input);
    let mut outputs = Vec::new();
    for record in blob.records() {
        let (from, to) = (blob.tensor(record.inputs[0]).range(), blob.tensor(record.output).range());
        arena[record.scratch_range()].fill(0x55);
        let x = arena[from].to_vec();
        let op = blob.op(record).unwrap();
        assert!(run::<ALL_OPS>(Isa::Scalar, &op, Operands::One(&x), &mut arena[to.clone()], &mut []));
        outputs.extend_from_slice(&arena[to]);
    }
    outputs
}

#[test]
fn scratch_lies_where_the_arena_is_free() {
    let plain = network(&mut Random::new(12), 0);
    let plain = Blob::read(&plain).unwrap();
    for isa in [Isa::Dsp, Isa::Helium, Isa::V7m, Isa::Neon] {
        let blob = repack(plain.bytes(), isa).unwrap();
        let blob = Blob::read(&blob).unwrap();
        let needs = blob.records().iter().map(|record| scratch_bytes(isa, &blob.op(record).unwrap()));
        let needs: Vec<usize> = needs.collect();
        let places: Vec<usize> = blob.records().iter().map(|record| record.scratch_range().len()).collect();
        assert_eq!(places, needs);
        // Its tensors lie one after the other, so that while the last are computed the first are free.
        let largest = needs.iter().max().unwrap();
        assert!(*largest > 0 && blob.scratch_bytes() < *largest, "{isa:?}: {} of {largest}", blob.scratch_bytes());
    }
}

fn kinds(blob: &Blob<'_>) -> Vec<OpKind> {
    blob.records().iter().map(|record| OpKind::from_u8(record.kind).unwrap()).collect()
}

#[test]
fn dsp_layouts_give_the_same_results() {
    let random = &mut Random::new(5);
    let plain = network(random, 0);
    let dense = repack_as(&plain, Isa::Dsp, |_, op| forms(op, Isa::Dsp).first().copied()).unwrap();
    let dsp = repack(&plain, Isa::Dsp).unwrap();
    let [plain, dense, dsp] = [&plain, &dense, &dsp].map(|bytes| Blob::read(bytes).unwrap());
    use OpKind::{PackedConv2d, PackedDepthwiseConv2d, PackedFullyConnected, SparseConv2d};
    assert_eq!(kinds(&dense), [PackedConv2d, PackedDepthwiseConv2d, PackedConv2d, SparseConv2d, PackedFullyConnected]);
    // Nine outputs are two groups of four rows and one more, which a stream of all blocks does with less.
    assert_eq!(kinds(&dsp), [SparseConv2d, PackedDepthwiseConv2d, SparseConv2d, SparseConv2d, PackedFullyConnected]);
    let input: Vec<i8> = (0..126).map(|_| random.int8()).collect();
    let expected = solve(&plain, &input);
    assert_eq!(expected, solve(&dense, &input));
    assert_eq!(expected, solve(&dsp, &input));
}

#[test]
fn small_cores_get_streams_where_they_are_cheaper() {
    let random = &mut Random::new(8);
    let plain = network(random, 0);
    let input: Vec<i8> = (0..126).map(|_| random.int8()).collect();
    use OpKind::{InterleavedFullyConnected, WinogradFullyConnected};
    for (isa, connected) in [(Isa::V7m, InterleavedFullyConnected), (Isa::V6m, WinogradFullyConnected)] {
        let streams = repack(&plain, isa).unwrap();
        let (plain, streams) = (Blob::read(&plain).unwrap(), Blob::read(&streams).unwrap());
        use OpKind::{Conv2d, DepthwiseConv2d, SparseConv2d};
        assert_eq!(kinds(&streams), [Conv2d, DepthwiseConv2d, SparseConv2d, SparseConv2d, connected]);
        assert_eq!(solve(&plain, &input), solve(&streams, &input));
    }
}

#[test]
fn arm64_gets_block_weights_where_they_are_cheaper() {
    let random = &mut Random::new(9);
    let plain = network(random, 0);
    let input: Vec<i8> = (0..126).map(|_| random.int8()).collect();
    let blocks = repack(&plain, Isa::Neon).unwrap();
    let dot = repack(&plain, Isa::NeonDot).unwrap();
    assert_eq!(dot[..], repack_for(&plain, Isa::NeonDot, "cortex-a76").unwrap()[..]);
    let again = repack(&blocks, Isa::Neon).unwrap();
    let (plain, blocks) = (Blob::read(&plain).unwrap(), Blob::read(&blocks).unwrap());
    use OpKind::{BlockConv2d, BlockFullyConnected, Conv2d, DepthwiseConv2d};
    // So few inputs are read faster in blocks, even with none empty.
    assert_eq!(kinds(&blocks), [Conv2d, DepthwiseConv2d, BlockConv2d, Conv2d, BlockFullyConnected]);
    assert_eq!(solve(&plain, &input), solve(&blocks, &input));
    assert_eq!(solve(&plain, &input), solve(&Blob::read(&again).unwrap(), &input));
    assert_eq!(solve(&plain, &input), solve(&Blob::read(&dot).unwrap(), &input));
}

#[test]
fn helium_gets_block_weights_where_they_are_cheaper() {
    let random = &mut Random::new(10);
    let plain = network(random, 0);
    let input: Vec<i8> = (0..126).map(|_| random.int8()).collect();
    let blocks = repack(&plain, Isa::Helium).unwrap();
    let (plain, blocks) = (Blob::read(&plain).unwrap(), Blob::read(&blocks).unwrap());
    use OpKind::{BlockConv2d, Conv2d, DepthwiseConv2d, FullyConnected};
    assert_eq!(kinds(&blocks), [Conv2d, DepthwiseConv2d, BlockConv2d, Conv2d, FullyConnected]);
    assert_eq!(solve(&plain, &input), solve(&blocks, &input));
}

#[test]
fn scalar_layouts_stay() {
    let plain = network(&mut Random::new(6), 0);
    assert_eq!(repack(&plain, Isa::Scalar).unwrap()[..], plain[..]);
}

#[test]
fn what_needs_a_shift_stays_plain() {
    let plain = network(&mut Random::new(7), 1);
    let dsp = repack(&plain, Isa::Dsp).unwrap();
    assert_eq!(kinds(&Blob::read(&plain).unwrap()), kinds(&Blob::read(&dsp).unwrap()));
}
