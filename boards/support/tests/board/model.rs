//! A small model with two inputs and two outputs, and what it computes.

use niwaki_blob::{AlignedBytes, Interface, Manifest, OpKind, OpRecord, TensorRecord, Writer};

/// Bytes of both inputs together.
pub(crate) const INPUT_BYTES: usize = 2 * 600;

/// `sum = a + b` (600 values), `scores = fully_connected(sum)` (3 values), `sum` clipped by a table in place. Outputs:
/// `scores` and the clipped `sum`. Inputs are longer than one message of the link.
pub(crate) fn blob() -> AlignedBytes {
    let mut writer = Writer::new();
    let mut tensor = |offset: u32, elements: u16| {
        writer.tensor(TensorRecord { offset, shape: [1, 1, elements], zero_point: 0, reserved: 0, scale: 0.1 })
    };
    let [a, b, sum, scores] = [tensor(0, 600), tensor(600, 600), tensor(1200, 600), tensor(0, 3)];
    let weights: Vec<i8> = (0..1800).map(|at| (at * 7 % 251 - 125) as i8).collect();
    let weights = writer.data(&weights);
    let bias = writer.data(&[100i32, -200, 300]);
    let multipliers = writer.data(&[1i32 << 22; 3]);
    let table: Vec<i8> = (-128..=127i32).map(|x| x.clamp(-100, 50) as i8).collect();
    let table = writer.data(&table);
    let add = OpRecord::new(OpKind::Add, a, sum);
    writer.op(OpRecord { inputs: [a, b], q: [1 << 15, 1 << 15, 1 << 15], ..add });
    writer.op(OpRecord { weights, bias, multipliers, ..OpRecord::new(OpKind::FullyConnected, sum, scores) });
    writer.op(OpRecord { weights: table, ..OpRecord::new(OpKind::Lut, sum, sum) });
    let port = |name, tensor, elements| Interface { name, tensor, shape: [elements].into_iter().collect() };
    let manifest = Manifest {
        name: "sum",
        recipe_hash: [0; 32],
        inputs: [port("a", a, 600), port("b", b, 600)].into_iter().collect(),
        outputs: [port("scores", scores, 3), port("sum", sum, 600)].into_iter().collect(),
    };
    writer.finish(&manifest, 1800, 0).expect("the blob is as the format wants it")
}

/// An input that differs with `seed`.
pub(crate) fn input(seed: u8) -> Vec<u8> {
    (0..INPUT_BYTES).map(|at| (at as u8).wrapping_mul(37).wrapping_add(seed)).collect()
}

/// What the model computes, without link or board: its outputs as one array, and the digest of each layer.
pub(crate) fn reference(blob: &[u8], input: &[u8]) -> (Vec<u8>, Vec<u32>) {
    let model = niwaki::Model::read(blob).expect("a good blob");
    let mut arena = vec![0; model.arena_bytes() + 15];
    let mut session = model.session_in(&mut arena).expect("enough memory");
    let (a, b) = input.split_at(600);
    session.input_mut(0).copy_from_slice(bytemuck::cast_slice(a));
    session.input_mut(1).copy_from_slice(bytemuck::cast_slice(b));
    let mut digests = Vec::new();
    let mut digest = |_: usize, _: OpKind, output: &[i8]| {
        digests.push(niwaki_link::checksum(bytemuck::cast_slice(output)));
    };
    session.run_observed(&mut digest).expect("it runs");
    let output = [session.output(0), session.output(1)].concat();
    (bytemuck::cast_slice(&output).to_vec(), digests)
}
