//! Every error that a reader has, and every rule that it holds operations to; those of weights are in weights.rs.

mod common;

use common::{
    A, B, OUTPUT, changed, finish, good, interface, manifest, refuses, rejected, seal, tensor, tensors, word,
};
use niwaki_blob::{AlignedBytes, Blob, OpKind, ReadError, WriteError};

fn base() -> AlignedBytes {
    changed(OpKind::Conv2d, |_| ()).unwrap()
}

/// The error after a change of bytes, with a right checksum.
fn sealed(change: impl FnOnce(&mut [u8])) -> Option<ReadError> {
    let mut blob = base();
    change(&mut blob);
    seal(&mut blob);
    Blob::read(&blob).err()
}

fn put(blob: &mut [u8], at: usize, value: u32) {
    blob[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn good_records_are_good() {
    for kind in OpKind::ALL {
        let blob = changed(kind, |_| ()).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        common::visit(&Blob::read(&blob).unwrap());
    }
}

#[test]
fn truncated() {
    let blob = base();
    for len in 0..blob.len() {
        assert_eq!(Blob::read(&blob[..len]).err(), Some(ReadError::Truncated));
    }
    assert_eq!(sealed(|blob| put(blob, 8, 63)), Some(ReadError::Truncated));
    assert_eq!(sealed(|blob| put(blob, 8, u32::MAX)), Some(ReadError::Truncated));
}

#[test]
fn not_a_blob_and_version() {
    assert_eq!(sealed(|blob| blob[0] = b'n'), Some(ReadError::NotABlob));
    assert_eq!(sealed(|blob| blob[5] = 1), Some(ReadError::Version { found: 260 }));
}

#[test]
fn checksum_and_alignment() {
    let mut blob = base();
    *blob.last_mut().unwrap() ^= 1;
    assert_eq!(Blob::read(&blob).err(), Some(ReadError::Checksum));
    let mut moved = AlignedBytes::new(&vec![0; blob.len() + 8]);
    moved[8..].copy_from_slice(&base());
    assert_eq!(Blob::read(&moved[8..]).err(), Some(ReadError::Misaligned));
}

#[test]
fn sections() {
    let section = Some(ReadError::Section);
    assert_eq!(sealed(|blob| blob[6] = 60), section, "another header size");
    assert_eq!(sealed(|blob| blob[28] = 1), section, "reserved");
    assert_eq!(sealed(|blob| put(blob, 20, 1 << 31)), section, "an arena of 2 GiB");
    assert_eq!(sealed(|blob| put(blob, 24, u32::MAX - 255)), section, "arena and scratch pass 4 GiB");
    for at in [32, 40, 48, 56] {
        assert_eq!(sealed(|blob| put(blob, at, word(blob, at) + 8)), section, "misaligned: {at}");
        assert_eq!(sealed(|blob| put(blob, at, 0)), section, "on the header: {at}");
        assert_eq!(sealed(|blob| put(blob, at, 1 << 20)), section, "outside: {at}");
        assert_eq!(sealed(|blob| put(blob, at + 4, u32::MAX)), section, "longer than memory: {at}");
    }
    assert_eq!(sealed(|blob| put(blob, 36, word(blob, 36) + 64)), section, "the manifest runs into the tensors");
    assert_eq!(sealed(|blob| put(blob, 44, word(blob, 44) - 1)), section, "part of a tensor record");
    assert_eq!(sealed(|blob| put(blob, 52, word(blob, 52) - 1)), section, "part of an operation record");
    assert_eq!(sealed(|blob| put(blob, 60, word(blob, 60) + 16)), section, "data past the end");
}

#[test]
fn manifests() {
    let refused = |change: &dyn Fn(&mut niwaki_blob::Manifest<'static>)| {
        let (op, output) = good(OpKind::Conv2d);
        let mut manifest = manifest(output);
        change(&mut manifest);
        finish(&tensors(output), &[op], &manifest).err()
    };
    let expected = || rejected(ReadError::Manifest);
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(refused(&|m| m.inputs.clear()), expected());
    assert_eq!(refused(&|m| m.outputs.clear()), expected());
    assert_eq!(refused(&|m| m.inputs[0].tensor = 3), expected(), "no such tensor");
    assert_eq!(refused(&|m| m.outputs[0] = interface(OUTPUT, &[5, 4, 5])), expected(), "another size");
    assert_eq!(refused(&|m| m.outputs[0] = interface(OUTPUT, &[u32::MAX; 4])), expected(), "a size past 64 bits");
    assert_eq!(refused(&|m| m.outputs[0] = interface(B, &[2, 4, 4])), None, "an input may be an output");
    let never_written = |m: &mut niwaki_blob::Manifest<'static>| {
        m.inputs.truncate(1);
        m.outputs[0] = interface(B, &[2, 4, 4]);
    };
    assert_eq!(refused(&never_written), expected());
    assert_eq!(sealed(|blob| put(blob, 16, word(blob, 16) | 1 << 2)), Some(ReadError::Manifest), "op set");
    assert_eq!(sealed(|blob| put(blob, 36, 4)), Some(ReadError::Manifest), "cut off");
    assert_eq!(sealed(|blob| blob[65] = 0xff), Some(ReadError::Manifest), "a name that is not UTF-8");
}

#[test]
fn tensor_records() {
    let refused = |change: &dyn Fn(&mut niwaki_blob::TensorRecord)| {
        let (op, output) = good(OpKind::Conv2d);
        let mut tensors = tensors(output);
        tensors.push(tensor(0, [1, 1, 1]));
        change(&mut tensors[3]);
        finish(&tensors, &[op], &manifest(output)).err()
    };
    let expected = || rejected(ReadError::Tensor { index: 3 });
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(refused(&|t| t.offset = 255), None);
    assert_eq!(refused(&|t| t.offset = 256), expected());
    assert_eq!(refused(&|t| t.offset = u32::MAX), expected());
    assert_eq!(refused(&|t| t.shape = [u16::MAX; 3]), expected());
    assert_eq!(refused(&|t| t.reserved = 1), expected());
    for axis in 0..3 {
        assert_eq!(refused(&|t| t.shape[axis] = 0), expected());
    }
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(refused(&|t| t.scale = scale), expected());
    }
}

#[test]
fn unknown_operations() {
    for number in [0, OpKind::ALL.len() as u8 + 1, 255] {
        let found = changed(OpKind::Lut, |op| op.kind = number).err();
        assert_eq!(found, rejected(ReadError::UnknownOp { index: 0, kind: number }));
    }
}

#[test]
fn operations_of_every_kind() {
    refuses(
        &OpKind::ALL,
        &[
            ("no such input", |op| op.inputs[0] = 3),
            ("no such output", |op| op.output = 3),
            ("an input that nothing wrote", |op| op.inputs[0] = OUTPUT),
            ("an empty output range", |op| (op.min, op.max) = (1, 0)),
            ("a shift of 31", |op| op.shift = 31),
            ("reserved", |op| op.reserved = 1),
            ("scratch outside the arena", |op| op.scratch = [0, 1 << 20]),
            ("scratch that ends nowhere", |op| op.scratch = [u32::MAX, u32::MAX]),
        ],
    );
    let with_operands: Vec<OpKind> = OpKind::ALL.into_iter().filter(|kind| *kind != OpKind::Constant).collect();
    refuses(&with_operands, &[("scratch on the operand", |op| op.scratch = [0, 1])]);
    refuses(&[OpKind::Add, OpKind::Mul, OpKind::MatMul], &[("one operand", |op| op.inputs[1] = niwaki_blob::NO_INPUT)]);
}

#[test]
fn geometries() {
    use OpKind::{AvgPool, Concat, Conv2d, DepthwiseConv2d, MaxPool, Pad, Transpose};
    refuses(
        &[Conv2d, DepthwiseConv2d, MaxPool, AvgPool],
        &[
            ("no rows of taps", |op| op.p[0] = 0),
            ("no columns of taps", |op| op.p[1] = 0),
            ("no step", |op| op.p[2] = 0),
            ("no distance", |op| op.p[5] = 0),
            ("padding of a whole window", |op| op.p[6] = 3),
            ("windows past the input", |op| op.p[3] = 3),
        ],
    );
    refuses(&[MaxPool, AvgPool], &[("dilation", |op| op.p[4] = 2)]);
    refuses(&[Conv2d, DepthwiseConv2d], &[("no groups", |op| op.groups = 0), ("groups", |op| op.groups = 3)]);
    refuses(&[DepthwiseConv2d], &[("groups of two", |op| op.groups = 1)]);
    refuses(&[Concat, Pad], &[("outside", |op| op.q[1] = 2), ("before", |op| op.q[0] = -1)]);
    refuses(&[Transpose], &[("an axis twice", |op| op.p[1] = 2), ("an axis too many", |op| op.p[1] = 3)]);
    refuses(&[Transpose], &[("another shape", |op| op.p[..3].copy_from_slice(&[0, 1, 2]))]);
    // Kinds that keep the shape, with an output of another.
    for kind in [OpKind::Add, OpKind::Mul, OpKind::Lut, OpKind::Softmax, OpKind::MaxPool, OpKind::DepthwiseConv2d] {
        let other = [4, 4, 3];
        let found = finish(&tensors(other), &[good(kind).0], &manifest(other)).err();
        assert_eq!(found, rejected(ReadError::Op { index: 0 }), "{kind:?}");
    }
}

#[test]
fn constants_of_add_and_mul() {
    refuses(
        &[OpKind::Add],
        &[
            ("a large multiplier", |op| op.q[0] = (1 << 21) + 1),
            ("a large negative multiplier", |op| op.q[1] = i32::MIN),
            ("a large offset", |op| op.q[2] = (1 << 30) + 1),
        ],
    );
    refuses(&[OpKind::Mul], &[("odd", |op| op.q[0] = 3), ("negative", |op| op.q[0] = -2)]);
}

#[test]
fn sequences() {
    use OpKind::{Constant, Embedding, LayerNorm, MatMul};
    refuses(
        &[MatMul],
        &[
            ("odd", |op| op.q[0] = 3),
            ("negative", |op| op.q[0] = -2),
            ("no order", |op| op.p[0] = 0),
            ("a dimension twice", |op| op.p[1] = 0b01_01_10),
            ("a fourth dimension", |op| op.p[2] = 0b11_01_00),
            ("bits beyond an order", |op| op.p[0] |= 1 << 6),
            ("other matrices", |op| op.p[0] = 0b10_01_00),
            ("other terms in both", |op| op.p[1] = 0b10_01_00),
            ("other rows", |op| op.p[2] = 0b00_01_10),
        ],
    );
    refuses(
        &[LayerNorm],
        &[
            ("factors outside", |op| op.weights = 1 << 20),
            ("addends outside", |op| op.bias = u32::MAX),
            ("a negative epsilon", |op| op.q[0] = -1),
            ("a far shift", |op| op.q[1] = 32),
            ("a negative shift", |op| op.q[1] = -1),
        ],
    );
    refuses(&[Constant], &[("data outside", |op| op.weights = 1 << 20), ("an operand", |op| op.inputs[0] = A)]);
    refuses(
        &[Embedding],
        &[
            ("a table outside", |op| op.weights = 1 << 20),
            ("no rows", |op| op.q[0] = 0),
            ("negative rows", |op| op.q[0] = -16),
            ("more rows than int8 numbers", |op| op.q[0] = 257),
        ],
    );
    for (kind, other) in [(MatMul, [2, 4, 5]), (MatMul, [4, 2, 4]), (LayerNorm, [4, 4, 3]), (Embedding, [4, 7, 3])] {
        let found = finish(&tensors(other), &[good(kind).0], &manifest(other)).err();
        assert_eq!(found, rejected(ReadError::Op { index: 0 }), "{kind:?} {other:?}");
    }
    // A second operand of a sum or product that is one pixel or one row of the output.
    for (shape, fits) in
        [([1, 1, 2], true), ([1, 4, 2], true), ([4, 1, 2], false), ([1, 2, 2], false), ([1, 1, 1], true)]
    {
        for kind in [OpKind::Add, OpKind::Mul] {
            let mut tensors = tensors([4, 4, 2]);
            tensors[1].shape = shape;
            let mut manifest = manifest([4, 4, 2]);
            manifest.inputs[1] = common::interface(common::B, &shape.map(u32::from));
            let found = finish(&tensors, &[good(kind).0], &manifest).err();
            let expected = if fits { None } else { rejected(ReadError::Op { index: 0 }) };
            assert_eq!(found, expected, "{kind:?} {shape:?}");
        }
    }
}

#[test]
fn places_in_the_arena() {
    use OpKind::{Add, Lut, Mul};
    let at = |kind: OpKind, offset: u32| {
        let (op, output) = good(kind);
        let mut tensors = tensors(output);
        tensors[2].offset = offset;
        finish(&tensors, &[op], &manifest(output)).err()
    };
    let refused = || rejected(ReadError::Op { index: 0 });
    for kind in OpKind::ALL {
        if kind == OpKind::Constant {
            assert_eq!(at(kind, 1), None, "it has no input");
            continue;
        }
        assert_eq!(at(kind, 1), refused(), "{kind:?}: overlaps its input");
        let in_place = matches!(kind, Add | Mul | Lut);
        assert_eq!(at(kind, 0).is_none(), in_place, "{kind:?}: in place");
    }
    for kind in [Add, Mul] {
        assert_eq!(at(kind, 32), refused(), "{kind:?}: on the second operand");
        assert_eq!(changed(kind, |op| op.inputs = [A, A]).err(), None, "{kind:?}: one tensor twice");
    }
}

#[test]
fn writer_errors_say_what_is_wrong() {
    let error = changed(OpKind::Lut, |op| op.shift = 31).unwrap_err();
    assert_eq!(error, WriteError::Rejected(ReadError::Op { index: 0 }));
    assert!(error.to_string().contains("operation 0 does not fit"));
}
