//! Blobs built by hand run, and compute what their operations say.

mod common;

use common::{Net, every_kind, tiny};
use niwaki::{Arena, Error, Model, OpKind, Quantisation, Session};
use niwaki_blob::{Blob, Op};
use niwaki_kernels::{ALL_OPS, Isa, Operands, problem::Random};
use std::collections::HashMap;

static FILE: &[u8] = niwaki::include_blob!("data/tiny.nwk");
const ARENA_BYTES: usize = niwaki::arena_bytes(FILE);

#[test]
fn the_file_is_what_the_builder_writes() {
    // To write it anew: NIWAKI_BLESS=1 cargo test -p niwaki
    let blob = tiny();
    if std::env::var_os("NIWAKI_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.nwk"), &*blob).unwrap();
    }
    assert_eq!(FILE, &*blob);
}

#[test]
fn a_path_from_the_environment_is_included_too() {
    static FROM_ENV: &[u8] = niwaki::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.nwk"));
    assert_eq!(FROM_ENV, FILE);
    assert!(FROM_ENV.as_ptr().addr().is_multiple_of(16));
}

#[test]
fn a_blob_in_flash_runs_in_a_static_arena() {
    assert_eq!(ARENA_BYTES, 5);
    let model = Model::<{ niwaki::op_set(FILE) }>::read_linked(FILE).unwrap();
    let mut arena = Arena::<ARENA_BYTES>::new();
    let mut session = model.session(&mut arena).unwrap();
    for (input, output) in [([2, 4, 6], [10, -2]), ([127, 127, 127], [127, 0]), ([-128, -128, 127], [-60, -127])] {
        session.input_mut(0).copy_from_slice(&input);
        session.run().unwrap();
        assert_eq!(session.output(0), output);
    }
}

#[test]
fn absent_inputs_and_outputs_are_empty() {
    let blob = tiny();
    let model = Model::read(&blob).unwrap();
    let mut arena = Arena::<ARENA_BYTES>::new();
    let mut session = model.session(&mut arena).unwrap();
    assert!(session.input_mut(1).is_empty() && session.output(1).is_empty() && session.output(usize::MAX).is_empty());
    session.quantise_input(1, &[1.0]);
    session.dequantise_output(1, &mut [1.0]);
    assert!(model.input(1).is_none() && model.output(1).is_none());
}

#[test]
fn real_numbers_go_in_and_out() {
    let blob = tiny();
    let model = Model::read(&blob).unwrap();
    let mut arena = Arena::<ARENA_BYTES>::new();
    let mut session = model.session(&mut arena).unwrap();
    session.quantise_input(0, &[1.0, 2.0, 3.2]);
    assert_eq!(session.input_mut(0), [2, 4, 6]);
    session.run().unwrap();
    let mut reals = [0.0; 2];
    session.dequantise_output(0, &mut reals);
    assert_eq!(reals, [5.0, -1.0]);
}

#[test]
fn quantising_rounds_to_nearest_and_saturates() {
    let rule = Quantisation { scale: 0.25, zero_point: -3 };
    let cases = [(0.0, -3), (0.124, -3), (0.125, -2), (-0.125, -3), (-0.126, -4), (1e9, 127), (-1e9, -128)];
    for (real, value) in cases {
        assert_eq!(rule.quantise(real), value, "{real}");
    }
    assert_eq!(rule.quantise(f32::NAN), -3);
    assert_eq!((rule.quantise(f32::INFINITY), rule.quantise(f32::NEG_INFINITY)), (127, -128));
    for value in i8::MIN..=i8::MAX {
        assert_eq!(rule.quantise(rule.dequantise(value)), value);
    }
    let wide = Quantisation { scale: 1.0, zero_point: 127 };
    assert_eq!((wide.quantise(-255.0), wide.quantise(-254.0), wide.quantise(1.0)), (-128, -127, 127));
}

#[test]
fn a_summary_says_what_the_model_is() {
    let blob = every_kind();
    let model = Model::read(&blob).unwrap();
    let summary = model.summary();
    assert_eq!((summary.name, summary.ops, summary.blob_bytes), ("every_kind", 18, blob.len()));
    assert_eq!(summary.tensor_bytes + summary.scratch_bytes, niwaki::arena_bytes(&blob));
    assert_eq!(model.arena_bytes(), niwaki::arena_bytes(&blob));
    assert!(summary.to_string().starts_with("every_kind "));
    let input = model.input(0).unwrap();
    assert_eq!((input.shape.height, input.shape.channels, input.quantisation.zero_point), (4, 2, -5));
}

#[test]
fn scratch_may_lie_anywhere_apart() {
    let solve = |places: [[u32; 2]; 3]| {
        let mut net = Net::default();
        let tensors = [0; 4].map(|_| net.tensor([1, 1, 16], 0));
        let table = net.writer.data(&std::array::from_fn::<i8, 256, _>(|x| (x * 7) as i8));
        let [a, _, b, c] = tensors;
        // Scratch lies among the tensors, in the one that is not used or on one that nothing reads again, or behind them.
        net.op(OpKind::Lut, a, b, |op| (op.weights, op.scratch) = (table, places[0]));
        net.op(OpKind::Add, a, c, |op| {
            (op.inputs[1], op.q, op.scratch) = (b, [1 << 16, 1 << 16, 0], places[1]);
        });
        net.op(OpKind::Lut, c, b, |op| (op.weights, op.scratch) = (table, places[2]));
        let blob = net.finish_with_scratch("scratch", &[(a, &[16])], &[(b, &[16])], 16);
        let model = Model::read(&blob).unwrap();
        let mut arena = Arena::<80>::new();
        let mut session = model.session(&mut arena).unwrap();
        (0..16).zip(session.input_mut(0)).for_each(|(at, x)| *x = at * 5 - 40);
        session.run().unwrap();
        session.output(0).to_vec()
    };
    let alone = solve([[0, 0]; 3]);
    for places in [[[16, 16], [64, 16], [0, 16]], [[48, 32], [20, 3], [64, 1]], [[64, 16], [16, 16], [0, 32]]] {
        assert_eq!(solve(places), alone, "{places:?}");
    }
}

/// What a run must compute: each place of the arena as a buffer of its own, each operation by its kernel alone.
fn apart(blob: &Blob<'_>, inputs: &[Vec<i8>]) -> Vec<(OpKind, Vec<i8>)> {
    let mut places: HashMap<usize, Vec<i8>> = HashMap::new();
    let offset = |tensor: u16| blob.tensor(tensor).offset;
    for (tensor, input) in blob.inputs().iter().zip(inputs) {
        places.insert(offset(*tensor), input.clone());
    }
    let mut layers = vec![];
    for record in blob.records() {
        let op = blob.op(record).unwrap();
        let kind = OpKind::from_u8(record.kind).unwrap();
        let first = places.get(&offset(record.inputs[0])).cloned().unwrap_or_default();
        let len = blob.tensor(record.output).shape.elements();
        let mut output = places.get(&offset(record.output)).cloned().unwrap_or_default();
        output.resize(len, 0);
        let operands = match op {
            Op::Constant(_) => Operands::None,
            Op::Add(_) | Op::Mul(_) | Op::MatMul(_) => Operands::Two(&first, &places[&offset(record.inputs[1])]),
            _ => Operands::One(&first),
        };
        assert!(niwaki_kernels::run::<ALL_OPS>(Isa::Scalar, &op, operands, &mut output, &mut []));
        places.insert(offset(record.output), output.clone());
        layers.push((kind, output));
    }
    layers
}

#[test]
fn every_kind_runs_and_observers_see_each_layer() {
    let blob = every_kind();
    let model = Model::read(&blob).unwrap();
    let random = &mut Random::new(4);
    for _ in 0..20 {
        // Zeros, as in `apart`: observers see what a half-filled concatenation held before.
        let mut memory = vec![0; model.arena_bytes() + 15];
        let mut session = model.session_in(&mut memory).unwrap();
        let inputs: Vec<Vec<i8>> = [32, 48].map(|len| (0..len).map(|_| random.int8()).collect()).into();
        for (index, input) in inputs.iter().enumerate() {
            session.input_mut(index).copy_from_slice(input);
        }
        let mut seen = vec![];
        session
            .run_observed(&mut |index: usize, kind: OpKind, output: &[i8]| {
                assert_eq!(index, seen.len());
                seen.push((kind, output.to_vec()));
            })
            .unwrap();
        let expected = apart(model.blob(), &inputs);
        assert_eq!(seen, expected);
        let of = |kind: OpKind| &expected.iter().find(|layer| layer.0 == kind).unwrap().1;
        assert_eq!(session.output(0), of(OpKind::Softmax));
        assert_eq!(session.output(2), of(OpKind::Embedding));
        assert_eq!(session.output(1), of(OpKind::AvgPool));

        for (index, input) in inputs.iter().enumerate() {
            session.input_mut(index).copy_from_slice(input);
        }
        session.run().unwrap();
        assert_eq!(session.output(0), of(OpKind::Softmax));
    }
}

/// In place or not, an element-wise operation computes the same.
#[test]
fn in_place_equals_apart() {
    for kind in [OpKind::Add, OpKind::Mul, OpKind::Lut] {
        let outputs = [false, true].map(|in_place| {
            let mut net = Net::default();
            let (a, b) = (net.tensor([1, 2, 9], 3), net.tensor([1, 2, 9], -4));
            let output = if in_place { net.tensor_at(0, [1, 2, 9], 5) } else { net.tensor([1, 2, 9], 5) };
            let table: Vec<i8> = (0..256).map(|x| (x * 7) as i8).collect();
            let table = net.writer.data(&table);
            net.op(kind, a, output, |op| {
                if kind != OpKind::Lut {
                    op.inputs[1] = b;
                    op.q = [60_000, if kind == OpKind::Add { -70_000 } else { 0 }, 123];
                    op.q[0] = if kind == OpKind::Mul { 1 << 27 } else { op.q[0] };
                }
                op.weights = table;
            });
            let blob = net.finish("in place", &[(a, &[9, 1, 2]), (b, &[9, 1, 2])], &[(output, &[9, 1, 2])]);
            let model = Model::read(&blob).unwrap();
            let mut memory = vec![0; model.arena_bytes() + 15];
            let mut session: Session<'_, ALL_OPS> = model.session_in(&mut memory).unwrap();
            let random = &mut Random::new(9);
            session.input_mut(0).fill_with(|| random.int8());
            session.input_mut(1).fill_with(|| random.int8());
            session.run().unwrap();
            session.output(0).to_vec()
        });
        assert_eq!(outputs[0], outputs[1], "{kind:?}");
    }
}

#[test]
fn only_linked_kernels_are_accepted() {
    let blob = every_kind();
    const WITHOUT_LUT: u32 = ALL_OPS & !OpKind::Lut.bit();
    let error = Model::<WITHOUT_LUT>::read_linked(&blob).unwrap_err();
    assert_eq!(error, Error::NotLinked { index: 6, kind: OpKind::Lut });
    assert_eq!(error.to_string(), "operation 6 is a lut, whose kernel is not in this program");
}
