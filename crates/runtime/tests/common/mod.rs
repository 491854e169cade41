//! Networks that tests share, built by hand.
#![allow(dead_code, reason = "every test file uses a part of it")]

use niwaki_blob::{AlignedBytes, Interface, Manifest, OpKind, OpRecord, TensorRecord, Writer};
use niwaki_kernels::problem::Random;

/// Where a blob's checksum lies, and what it covers.
pub(crate) const CRC: std::ops::Range<usize> = 12..16;

/// A blob under construction whose tensors lie one after the other.
#[derive(Default)]
pub(crate) struct Net {
    pub(crate) writer: Writer,
    end: u32,
}

impl Net {
    pub(crate) fn tensor(&mut self, shape: [u16; 3], zero_point: i8) -> u16 {
        let offset = self.end;
        self.end += shape.map(u32::from).iter().product::<u32>();
        self.writer.tensor(TensorRecord { offset, shape, zero_point, reserved: 0, scale: 0.5 })
    }

    /// A tensor at a place that is already used.
    pub(crate) fn tensor_at(&mut self, offset: u32, shape: [u16; 3], zero_point: i8) -> u16 {
        self.writer.tensor(TensorRecord { offset, shape, zero_point, reserved: 0, scale: 0.5 })
    }

    /// An operation, with whatever differs from a bare record.
    pub(crate) fn op(&mut self, kind: OpKind, input: u16, output: u16, fields: impl FnOnce(&mut OpRecord)) {
        let mut record = OpRecord::new(kind, input, output);
        fields(&mut record);
        self.writer.op(record);
    }

    /// Random weights with biases and multipliers, into a record.
    pub(crate) fn weights(&mut self, weights: usize, channels: usize, random: &mut Random) -> [u32; 3] {
        let weights: Vec<i8> = (0..weights).map(|_| random.int8()).collect();
        let bias: Vec<i32> = (0..channels).map(|_| random.between(-9000, 9000) as i32).collect();
        let multipliers: Vec<i32> = (0..channels).map(|_| random.between(1 << 22, 1 << 24) as i32 & !1).collect();
        [self.writer.data(&weights), self.writer.data(&bias), self.writer.data(&multipliers)]
    }

    pub(crate) fn finish(self, name: &str, inputs: &[(u16, &[u32])], outputs: &[(u16, &[u32])]) -> AlignedBytes {
        self.finish_with_scratch(name, inputs, outputs, 0)
    }

    pub(crate) fn finish_with_scratch(
        self,
        name: &str,
        inputs: &[(u16, &[u32])],
        outputs: &[(u16, &[u32])],
        scratch: u32,
    ) -> AlignedBytes {
        let interfaces = |list: &[(u16, &[u32])]| {
            list.iter()
                .map(|(tensor, shape)| Interface { name: "x", tensor: *tensor, shape: shape.iter().copied().collect() })
                .collect()
        };
        let manifest =
            Manifest { name, recipe_hash: [7; 32], inputs: interfaces(inputs), outputs: interfaces(outputs) };
        self.writer.finish(&manifest, self.end, scratch).unwrap()
    }
}

/// One fully connected layer, 3 -> 2: `[x0 + x1 + x2 + 8, x0 - x2]`, both halved.
pub(crate) fn tiny() -> AlignedBytes {
    let mut net = Net::default();
    let (input, output) = (net.tensor([1, 1, 3], 0), net.tensor([1, 1, 2], 0));
    let weights = net.writer.data(&[1i8, 1, 1, 1, 0, -1]);
    let bias = net.writer.data(&[8i32, 0]);
    // With a shift of 1, 2^30 is a half.
    let multipliers = net.writer.data(&[1i32 << 30; 2]);
    net.op(OpKind::FullyConnected, input, output, |op| {
        (op.weights, op.bias, op.multipliers, op.shift) = (weights, bias, multipliers, 1);
    });
    net.finish("tiny", &[(input, &[3])], &[(output, &[2])])
}

/// A network with every kind of operation, two inputs, two outputs and operations in place.
pub(crate) fn every_kind() -> AlignedBytes {
    let random = &mut Random::new(11);
    let mut net = Net::default();
    let window = |kernel: u16, stride: u16, padding: u16| [kernel, kernel, stride, stride, 1, 1, padding, padding];
    let image = net.tensor([4, 4, 2], -5);
    let gate = net.tensor([4, 4, 3], 9);

    let wide = net.tensor([4, 4, 3], 3);
    let [weights, bias, multipliers] = net.weights(3 * 3 * 2 * 3, 3, random);
    net.op(OpKind::Conv2d, image, wide, |op| {
        (op.weights, op.bias, op.multipliers, op.groups, op.p) = (weights, bias, multipliers, 1, window(3, 1, 1));
    });
    let filtered = net.tensor([4, 4, 3], -2);
    let [weights, bias, multipliers] = net.weights(3 * 3 * 3, 3, random);
    net.op(OpKind::DepthwiseConv2d, wide, filtered, |op| {
        (op.weights, op.bias, op.multipliers, op.groups, op.p) = (weights, bias, multipliers, 3, window(3, 1, 1));
        op.min = -100;
    });
    let sum = wide;
    net.op(OpKind::Add, wide, sum, |op| {
        op.inputs[1] = filtered;
        op.q = [40_000, 50_000, 1 << 15];
    });
    let gated = net.tensor([4, 4, 3], 0);
    net.op(OpKind::Mul, sum, gated, |op| {
        op.inputs[1] = gate;
        op.q = [1 << 26, 0, 0];
        op.shift = 1;
    });
    let pooled = net.tensor([2, 2, 3], 0);
    net.op(OpKind::MaxPool, gated, pooled, |op| op.p = window(2, 2, 0));
    let mean = net.tensor([1, 1, 3], 4);
    let quarter = net.writer.data(&[1i32 << 30]);
    net.op(OpKind::AvgPool, pooled, mean, |op| {
        (op.multipliers, op.q, op.p) = (quarter, [1, 0, 0], window(2, 1, 0));
    });
    let table: Vec<i8> = (0..256).map(|x| ((x - 128) / 2) as i8).collect();
    let table = net.writer.data(&table);
    net.op(OpKind::Lut, pooled, pooled, |op| op.weights = table);
    let joined = net.tensor([2, 2, 6], 0);
    net.op(OpKind::Concat, pooled, joined, |_| ());
    net.op(OpKind::Concat, pooled, joined, |op| op.q = [0, 0, 3]);
    let padded = net.tensor([3, 4, 6], 0);
    net.op(OpKind::Pad, joined, padded, |op| (op.q, op.min) = ([1, 1, 0], -3));
    let turned = net.tensor([6, 3, 4], 0);
    net.op(OpKind::Transpose, padded, turned, |op| op.p[..3].copy_from_slice(&[2, 0, 1]));
    let scores = net.tensor([1, 1, 5], 1);
    let [weights, bias, multipliers] = net.weights(72 * 5, 5, random);
    net.op(OpKind::FullyConnected, turned, scores, |op| {
        (op.weights, op.bias, op.multipliers) = (weights, bias, multipliers);
    });
    let shares = net.tensor([1, 1, 5], -128);
    let table: Vec<u16> = (0..256).map(|d| (32768.0 * f64::exp(f64::from(d) / -20.0)).round() as u16).collect();
    let table = net.writer.data(&table);
    net.op(OpKind::Softmax, scores, shares, |op| op.weights = table);
    // Two heads of one element over the pixels of the image, normalised, with a constant added.
    let normal = net.tensor([4, 4, 2], 3);
    let (gamma, beta) = (net.writer.data(&[90_000i32, -70_000]), net.writer.data(&[1 << 18, -(1 << 19)]));
    net.op(OpKind::LayerNorm, image, normal, |op| (op.weights, op.bias, op.q) = (gamma, beta, [7, 1, 0]));
    let offset = net.tensor([1, 1, 2], -1);
    let data = net.writer.data(&[40i8, -50]);
    net.op(OpKind::Constant, niwaki_blob::NO_INPUT, offset, |op| op.weights = data);
    net.op(OpKind::Add, normal, normal, |op| {
        op.inputs[1] = offset;
        op.q = [50_000, 30_000, 1 << 15];
    });
    let product = net.tensor([2, 4, 4], -6);
    net.op(OpKind::MatMul, normal, product, |op| {
        op.inputs[1] = image;
        op.p[..3].copy_from_slice(&[0b01_00_10, 0b01_00_10, 0b10_01_00]);
        op.q = [1 << 24, 0, 0];
    });
    let found = net.tensor([8, 4, 3], 0);
    let rows: Vec<i8> = (0..200 * 3).map(|_| random.int8()).collect();
    let rows = net.writer.data(&rows);
    net.op(OpKind::Embedding, product, found, |op| (op.weights, op.q) = (rows, [200, 0, 0]));
    net.finish(
        "every_kind",
        &[(image, &[2, 4, 4]), (gate, &[3, 4, 4])],
        &[(shares, &[5]), (mean, &[3, 1, 1]), (found, &[3, 8, 4])],
    )
}

/// CRC-32/ISO-HDLC, by a table: fuzzing computes it very often.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 * 8 {
            let entry = if at % 8 == 0 { at as u32 / 8 } else { table[at / 8] };
            table[at / 8] = if entry & 1 == 1 { (entry >> 1) ^ 0xedb8_8320 } else { entry >> 1 };
            at += 1;
        }
        table
    };
    let mut crc = !0;
    for byte in bytes {
        crc = (crc >> 8) ^ TABLE[(crc as u8 ^ byte) as usize];
    }
    !crc
}

/// Makes the checksum right again after a change.
pub(crate) fn seal(blob: &mut [u8]) {
    let total = u32::from_le_bytes(blob[8..12].try_into().unwrap()) as usize;
    if let Some(covered) = blob.get(CRC.end..total) {
        let crc = checksum(covered);
        blob[CRC].copy_from_slice(&crc.to_le_bytes());
    }
}
