//! A layer with random weights as a blob of one operation.

use super::layer::Layer;
use anyhow::{Context, anyhow};
use niwaki_blob::{AlignedBytes, Blob, Interface, Manifest, MatMul, NO_INPUT, OpKind, OpRecord, TensorRecord, Writer};
use niwaki_pack::{Form, Isa, forms, repack_as};

/// Terms of a block of weights.
const BLOCK_TERMS: usize = 4;

/// Numbers that are the same on every machine: xorshift64*.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Of a triangle around 0, as trained weights are; never -128.
    fn weight(&mut self) -> i8 {
        (self.below(128) as i32 - self.below(128) as i32) as i8
    }
}

/// Which blocks of weights are kept: `part` of those of so many rows and four terms, spread at random.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mask {
    pub(crate) rows: usize,
    pub(crate) part: f64,
}

/// The layer in the plain layout.
pub(crate) fn plain(layer: &Layer, mask: Option<Mask>) -> anyhow::Result<AlignedBytes> {
    let random = &mut Random(0x9e37_79b9_7f4a_7c15);
    let mut writer = Writer::new();
    let size = |shape: [usize; 3]| (shape.iter().product::<usize>() as u32).next_multiple_of(16);
    let mut end = 0;
    let mut place = |shape: [usize; 3]| {
        let shape16 = shape.map(|dim| dim as u16);
        let record = TensorRecord { offset: end, shape: shape16, zero_point: -5, reserved: 0, scale: 0.05 };
        end += size(shape);
        writer.tensor(record)
    };
    let first = place(layer.input);
    let [matrices, _, terms] = layer.input;
    let other = match (layer.kind, layer.groups) {
        (OpKind::MatMul, 0) => [matrices, terms, layer.channels],
        (OpKind::MatMul, _) => [matrices, layer.channels, terms],
        (_, 0) => [1, 1, terms],
        _ => layer.input,
    };
    let second = (layer.kind.operands() == 2).then(|| place(other));
    let output = place(layer.output());
    let mut record = OpRecord::new(layer.kind, first, output);
    record.inputs = match (layer.kind.operands(), second) {
        (0, _) => [NO_INPUT; 2],
        (_, second) => [first, second.unwrap_or(NO_INPUT)],
    };
    fill(layer, mask, random, &mut record, &mut writer);
    writer.op(record);
    let interface = |tensor, shape: [usize; 3]| Interface {
        name: "x",
        tensor,
        shape: shape.iter().map(|dim| *dim as u32).collect(),
    };
    let inputs = [Some((first, layer.input)), second.map(|second| (second, other))].into_iter().flatten();
    let inputs = inputs.map(|(tensor, shape)| interface(tensor, shape));
    let manifest = Manifest {
        name: "layer",
        recipe_hash: [0; 32],
        inputs: inputs.collect(),
        outputs: [interface(output, layer.output())].into_iter().collect(),
    };
    writer.finish(&manifest, end, 0).map_err(|error| anyhow!("{layer}: {error}"))
}

fn fill(layer: &Layer, mask: Option<Mask>, random: &mut Random, record: &mut OpRecord, writer: &mut Writer) {
    let (terms, outputs) = (layer.terms(), layer.channels);
    let window = || {
        let [[above, left], _] = layer.padding;
        let pairs = [layer.kernel, layer.stride, [1, 1], [above, left]];
        let mut p = [0; 8];
        p.iter_mut().zip(pairs.as_flattened()).for_each(|(slot, value)| *slot = *value as u16);
        p
    };
    match layer.kind {
        OpKind::Conv2d | OpKind::DepthwiseConv2d | OpKind::FullyConnected => {
            if layer.kind != OpKind::FullyConnected {
                (record.p, record.groups) = (window(), layer.groups as u16);
            }
            let mut weights: Vec<i8> = (0..terms * outputs).map(|_| random.weight()).collect();
            if let Some(mask) = mask {
                drop_blocks(&mut weights, terms, mask, random);
            }
            record.weights = writer.data(&weights);
            record.bias = writer.data(&(0..outputs).map(|_| random.below(4000) as i32 - 2000).collect::<Vec<_>>());
            // Outputs spread over int8: the deviation of a product is near 2^12.
            let fitting = (1 << 26) / (terms.max(1) as f64).sqrt() as usize;
            let multiplier = |random: &mut Random| (fitting / 2 + random.below(fitting)) as i32 & !1;
            record.multipliers = writer.data(&(0..outputs).map(|_| multiplier(random)).collect::<Vec<_>>());
        }
        OpKind::Add => record.q = [40_000, 30_000, 1 << 15],
        OpKind::Mul => record.q = [1 << 26, 0, 0],
        OpKind::MaxPool => record.p = window(),
        OpKind::AvgPool => {
            let taps = (layer.kernel[0] * layer.kernel[1]) as i32;
            (record.p, record.q) = (window(), [1, 0, 0]);
            record.multipliers = writer.data(&[(i32::MAX / taps) & !1]);
        }
        OpKind::Lut => record.weights = writer.data(&(i8::MIN..=i8::MAX).rev().collect::<Vec<i8>>()),
        OpKind::Softmax => {
            let table = (0..256).map(|step| (f64::from(1 << 15) * (-f64::from(step) * 0.05).exp()).round() as u16);
            record.weights = writer.data(&table.collect::<Vec<u16>>());
        }
        OpKind::Transpose => record.p[..3].copy_from_slice(&[2, 0, 1]),
        OpKind::MatMul => {
            let second = if layer.groups == 0 { [0, 2, 1] } else { [0, 1, 2] };
            record.p[..3].copy_from_slice(&[[0, 1, 2], second, [0, 1, 2]].map(MatMul::order_code));
            record.q = [1 << 20, 0, 0];
        }
        OpKind::LayerNorm => {
            record.weights = writer.data(&vec![4096i32; layer.channels]);
            record.bias = writer.data(&vec![0i32; layer.channels]);
            record.q = [1, 0, 0];
        }
        OpKind::Constant => record.weights = writer.data(&vec![1i8; layer.input.iter().product()]),
        OpKind::Embedding => {
            record.weights = writer.data(&vec![1i8; 256 * layer.channels]);
            record.q = [256, 0, 0];
        }
        OpKind::Pad => record.q = [layer.padding[0][0] as i32, layer.padding[0][1] as i32, 0],
        _ => {}
    }
}

/// Zeroes blocks until exactly the part is left.
fn drop_blocks(weights: &mut [i8], terms: usize, mask: Mask, random: &mut Random) {
    let quads = terms.div_ceil(BLOCK_TERMS);
    let groups = weights.len().div_ceil(mask.rows * terms);
    let mut blocks: Vec<usize> = (0..groups * quads).collect();
    let dropped = ((1.0 - mask.part) * blocks.len() as f64).round() as usize;
    for at in 0..dropped {
        let other = at + random.below(blocks.len() - at);
        blocks.swap(at, other);
        let (group, quad) = (blocks[at] / quads, blocks[at] % quads);
        for row in weights.chunks_mut(terms).skip(group * mask.rows).take(mask.rows) {
            row[quad * BLOCK_TERMS..terms.min((quad + 1) * BLOCK_TERMS)].fill(0);
        }
    }
}

/// The forms that an instruction set has for a layer, dense ones first; `None` stands for the plain one, where there is
/// no other.
pub(crate) fn forms_of(plain: &AlignedBytes, isa: Isa) -> anyhow::Result<Vec<Option<Form>>> {
    let blob = Blob::read(plain).context("a layer")?;
    let op = blob.records().first().and_then(|record| blob.op(record)).context("a layer has an operation")?;
    let forms = forms(&op, isa);
    Ok(if forms.is_empty() { vec![None] } else { forms.into_iter().map(Some).collect() })
}

/// The layer in a form.
pub(crate) fn formed(plain: &AlignedBytes, isa: Isa, form: Option<Form>) -> anyhow::Result<AlignedBytes> {
    repack_as(plain, isa, |_, _| form).context("a layer in another form")
}
