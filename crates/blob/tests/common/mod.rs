//! A blob to damage, and the means to.
#![allow(dead_code, reason = "every test file uses a part of it")]

use niwaki_blob::{
    AlignedBytes, Blob, Interface, Manifest, OpKind, OpRecord, ReadError, TensorRecord, WriteError, Writer,
    winograd_constants,
};

/// Tensors of [`finish`]: two operands and an output, and where each lies.
pub(crate) const A: u16 = 0;
pub(crate) const B: u16 = 1;
pub(crate) const OUTPUT: u16 = 2;

/// Offsets in the data section of [`finish`]: 512 bytes of weights or table, 64 biases, 64 multipliers.
pub(crate) const WEIGHTS: u32 = 0;
pub(crate) const BIAS: u32 = 512;
pub(crate) const MULTIPLIERS: u32 = 768;

/// Also there: rules of packed rows, 256 zeros, and two streams of 44 and 40 bytes with their slack.
pub(crate) const RULES: u32 = 1024;
pub(crate) const ZEROS: u32 = 1280;
pub(crate) const CONV_STREAM: u32 = 1536;
pub(crate) const LAYER_STREAM: u32 = 1584;

/// Bits of compact weights: the first of every eight terms is there.
pub(crate) const BITS: u32 = 1648;

/// Eight rows of 32 Winograd weights of 1.
pub(crate) const WINOGRAD: u32 = 1712;
/// And of -128, whose constants are 0.
pub(crate) const WINOGRAD_LOWEST: u32 = 2000;

/// And an index of block weights: two groups of one unit of two blocks each.
pub(crate) const INDEX: u32 = 1632;

pub(crate) fn tensor(offset: u32, shape: [u16; 3]) -> TensorRecord {
    TensorRecord { offset, shape, zero_point: -3, reserved: 0, scale: 0.125 }
}

/// The operands' and the output's records. Operands are 4 x 4 x 2.
pub(crate) fn tensors(output: [u16; 3]) -> Vec<TensorRecord> {
    vec![tensor(0, [4, 4, 2]), tensor(32, [4, 4, 2]), tensor(64, output)]
}

pub(crate) fn interface(tensor: u16, shape: &[u32]) -> Interface<'static> {
    Interface { name: "x", tensor, shape: shape.iter().copied().collect() }
}

pub(crate) fn manifest(output: [u16; 3]) -> Manifest<'static> {
    let [height, width, channels] = output.map(u32::from);
    Manifest {
        name: "base",
        recipe_hash: [0xa5; 32],
        inputs: [interface(A, &[2, 4, 4]), interface(B, &[2, 4, 4])].into_iter().collect(),
        outputs: [interface(OUTPUT, &[channels, height, width])].into_iter().collect(),
    }
}

/// Lays out a blob of these parts, in an arena of 256 bytes.
pub(crate) fn finish(
    tensors: &[TensorRecord],
    ops: &[OpRecord],
    manifest: &Manifest<'_>,
) -> Result<AlignedBytes, WriteError> {
    let mut writer = Writer::new();
    for record in tensors {
        writer.tensor(*record);
    }
    for record in ops {
        writer.op(*record);
    }
    // A softmax table that starts in full, which is also some weights.
    let mut table = [1u16 << 7; 256];
    table[0] = 1 << 15;
    assert_eq!(writer.data(&table), WEIGHTS);
    assert_eq!(writer.data(&[-77i32; 64]), BIAS);
    assert_eq!(writer.data(&[1i32 << 28; 64]), MULTIPLIERS);
    assert_eq!(writer.data(&[1i32 << 20; 64]), RULES);
    assert_eq!(writer.data(&[0i8; 256]), ZEROS);
    assert_eq!(writer.data(&stream([64, 64], 8)), CONV_STREAM);
    assert_eq!(writer.data(&stream([0, -1], 16)), LAYER_STREAM);
    assert_eq!(writer.data(&[1u16, 1, 3, 0, 2, 1]), INDEX);
    assert_eq!(writer.data(&[1u8; 64]), BITS);
    let words = [-127i8; 256];
    let constants = winograd_constants(&words).map(i32::to_le_bytes);
    let bytes: Vec<i8> = constants.as_flattened().iter().map(|byte| *byte as i8).chain(words).collect();
    assert_eq!(writer.data(&bytes), WINOGRAD);
    assert_eq!(writer.data(&[0i8; 280]), WINOGRAD_LOWEST);
    writer.finish(manifest, 256, 0)
}

/// Two groups: one with these offsets and blocks, one without any.
fn stream(offsets: [i16; 2], block: usize) -> Vec<u8> {
    let blocks = offsets.iter().take_while(|offset| **offset >= 0).count();
    let mut bytes: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    bytes.resize(4 + blocks * block, 7);
    // A group that ends with a full pair of blocks has a word more that says so.
    let ends = if blocks == 2 { 2 } else { 1 };
    (0..ends).for_each(|_| bytes.extend([0xff; 4]));
    bytes.resize(bytes.len() + 16, 0);
    bytes
}

/// A good record of a kind, with the shape of its output.
pub(crate) fn good(kind: OpKind) -> (OpRecord, [u16; 3]) {
    let mut op = OpRecord::new(kind, A, OUTPUT);
    (op.weights, op.bias, op.multipliers) = (WEIGHTS, BIAS, MULTIPLIERS);
    let window = [3, 3, 1, 1, 1, 1, 1, 1];
    let output = match kind {
        OpKind::Conv2d => {
            (op.p, op.groups) = (window, 1);
            [4, 4, 5]
        }
        OpKind::DepthwiseConv2d => {
            (op.p, op.groups) = (window, 2);
            [4, 4, 2]
        }
        OpKind::FullyConnected => [1, 1, 7],
        OpKind::Add => {
            (op.inputs[1], op.q) = (B, [1 << 21, -(1 << 21), 1 << 30]);
            [4, 4, 2]
        }
        OpKind::Mul => {
            (op.inputs[1], op.q[0]) = (B, 1 << 20);
            [4, 4, 2]
        }
        OpKind::MaxPool => {
            op.p = window;
            [4, 4, 2]
        }
        OpKind::AvgPool => {
            (op.p, op.q[0]) = (window, 9);
            [4, 4, 2]
        }
        OpKind::Lut | OpKind::Softmax => [4, 4, 2],
        OpKind::Concat | OpKind::Pad => {
            op.q = [0, 1, 2];
            [4, 5, 4]
        }
        OpKind::Transpose => {
            op.p[..3].copy_from_slice(&[2, 0, 1]);
            [2, 4, 4]
        }
        OpKind::PackedConv2d => {
            (op.p, op.bias) = (window, RULES);
            [4, 4, 5]
        }
        OpKind::PackedDepthwiseConv2d => {
            (op.p, op.bias, op.weights) = (window, RULES, ZEROS);
            [4, 4, 2]
        }
        OpKind::PackedFullyConnected | OpKind::InterleavedFullyConnected => {
            op.bias = RULES;
            [1, 1, 7]
        }
        OpKind::WinogradFullyConnected => {
            (op.bias, op.weights) = (RULES, WINOGRAD);
            [1, 1, 7]
        }
        OpKind::SparseConv2d => {
            (op.p, op.bias, op.weights, op.q) = (window, RULES, CONV_STREAM, [2, 44, 0]);
            [4, 4, 3]
        }
        OpKind::SparseFullyConnected | OpKind::SparseInterleavedFullyConnected => {
            (op.bias, op.weights, op.q) = (RULES, LAYER_STREAM, [4, 40, 0]);
            [1, 1, 7]
        }
        OpKind::BlockConv2d => {
            (op.p, op.groups, op.weights, op.q) = (window, 2, ZEROS, [4, 4, INDEX as i32]);
            [4, 4, 5]
        }
        OpKind::BlockFullyConnected => {
            (op.groups, op.weights, op.q) = (2, ZEROS, [4, 4, INDEX as i32]);
            [1, 1, 7]
        }
        OpKind::CompactConv2d => {
            // Five outputs of 18 terms: three bytes each.
            (op.p, op.groups, op.q) = (window, 1, [15, BITS as i32, 0]);
            [4, 4, 5]
        }
        OpKind::CompactFullyConnected => {
            op.q = [28, BITS as i32, 0];
            [1, 1, 7]
        }
        OpKind::MatMul => {
            // Two matrices of four rows and four columns, four terms each: the channels count the matrices.
            (op.inputs[1], op.q[0]) = (B, 1 << 20);
            op.p[..3].copy_from_slice(&[0b01_00_10, 0b00_01_10, 0b10_01_00]);
            [2, 4, 4]
        }
        OpKind::LayerNorm => {
            op.q = [5, 3, 0];
            [4, 4, 2]
        }
        OpKind::Constant => {
            op.inputs[0] = niwaki_blob::NO_INPUT;
            [4, 4, 2]
        }
        OpKind::Embedding => {
            op.q[0] = 16;
            [4, 8, 3]
        }
    };
    (op, output)
}

/// The blob of a good record after a change to it.
pub(crate) fn changed(kind: OpKind, change: impl FnOnce(&mut OpRecord)) -> Result<AlignedBytes, WriteError> {
    let (mut op, output) = good(kind);
    change(&mut op);
    finish(&tensors(output), &[op], &manifest(output))
}

pub(crate) fn rejected(error: ReadError) -> Option<WriteError> {
    Some(WriteError::Rejected(error))
}

/// Makes the checksum right again after a change, as SPEC.md describes it.
pub(crate) fn seal(blob: &mut [u8]) {
    let total = u32::from_le_bytes(blob[8..12].try_into().unwrap()) as usize;
    let Some(covered) = blob.get(16..total) else { return };
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let crc = !covered.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step));
    blob[12..16].copy_from_slice(&crc.to_le_bytes());
}

/// A word of a blob.
pub(crate) fn word(blob: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(blob[at..at + 4].try_into().unwrap())
}

/// Everything that can be asked of a blob.
pub(crate) fn visit(blob: &Blob<'_>) {
    assert!(blob.manifest().is_some());
    for tensor in 0..=u16::MAX {
        assert!(blob.tensor(tensor).range().end <= blob.tensor_bytes());
    }
    assert!(blob.inputs().iter().chain(blob.outputs()).all(|at| usize::from(*at) < blob.tensor_count()));
    assert!(blob.records().iter().all(|record| blob.op(record).is_some()));
    std::hint::black_box((blob.crc(), blob.op_set(), blob.scratch_bytes(), blob.bytes().len()));
}

/// A change of a record.
pub(crate) type Change = fn(&mut OpRecord);

/// Every kind with every change is rejected.
pub(crate) fn refuses(kinds: &[OpKind], changes: &[(&str, Change)]) {
    for kind in kinds {
        for (name, change) in changes {
            let found = changed(*kind, change).err();
            assert_eq!(found, rejected(ReadError::Op { index: 0 }), "{kind:?}: {name}");
        }
    }
}
