//! Brings a blob of plain kinds into the layouts that one instruction set's kernels read.

use crate::cost::{Cost, dsp};
use niwaki_blob::{
    AlignedBytes, Blob, BlockWeights, CONV_STEP, Conv2d, FULLY_CONNECTED_STEP, Op, OpKind, OpRecord, Requantise,
    TensorRecord, WriteError, Writer,
};
use niwaki_kernels::{
    Isa,
    layout::{Rows, depthwise, rules},
    scratch_bytes,
};

/// The same network for kernels of another instruction set: the same results, bit for bit, from other operations.
/// Operations that are packed already stay as they are.
pub fn repack(bytes: &[u8], isa: Isa) -> Result<AlignedBytes, WriteError> {
    let blob = Blob::read(bytes).map_err(WriteError::Rejected)?;
    // Kernels are asked for their scratch by the operations as the reader presents them, so the blob is written twice.
    let draft = write(&blob, isa, 0)?;
    let read = Blob::read(&draft).map_err(WriteError::Rejected)?;
    let scratch = read.records().iter().filter_map(|record| read.op(record)).map(|op| scratch_bytes(isa, &op)).max();
    match scratch.unwrap_or(0) {
        0 => Ok(draft),
        bytes => write(&blob, isa, bytes),
    }
}

fn write(blob: &Blob<'_>, isa: Isa, scratch: usize) -> Result<AlignedBytes, WriteError> {
    let mut writer = Writer::new();
    for index in 0..blob.tensor_count() {
        let tensor = blob.tensor(index as u16);
        let shape = [tensor.shape.height, tensor.shape.width, tensor.shape.channels];
        writer.tensor(TensorRecord {
            offset: tensor.offset as u32,
            shape: shape.map(|dim| dim as u16),
            zero_point: tensor.zero_point,
            reserved: 0,
            scale: tensor.scale,
        });
    }
    for record in blob.records() {
        let Some(op) = blob.op(record) else { continue };
        let layout = if isa == Isa::Dsp { choose(&op) } else { None };
        let record = match layout {
            Some(layout) => layout.record(record, &mut writer),
            None => copy(record, &op, &mut writer),
        };
        writer.op(record);
    }
    let manifest = blob.manifest().unwrap_or_else(|| unreachable!("a blob that was read has one"));
    writer.finish(&manifest, blob.tensor_bytes() as u32, scratch as u32)
}

/// An operation as it is.
fn copy(record: &OpRecord, op: &Op<'_>, writer: &mut Writer) -> OpRecord {
    let mut record = *record;
    let mut weighted = |weights: &[i8], bias: &[i32], multipliers: &[i32]| {
        record.weights = writer.data(weights);
        record.bias = writer.data(bias);
        record.multipliers = writer.data(multipliers);
    };
    match op {
        Op::Conv2d(op) | Op::DepthwiseConv2d(op) => weighted(op.weights, op.bias, op.requantise.multipliers),
        Op::FullyConnected(op) => weighted(op.weights, op.bias, op.requantise.multipliers),
        Op::PackedConv2d(op) | Op::PackedDepthwiseConv2d(op) | Op::SparseConv2d(op) => {
            weighted(op.packed.weights, op.packed.rules, &[]);
        }
        Op::PackedFullyConnected(op) | Op::SparseFullyConnected(op) => {
            weighted(op.packed.weights, op.packed.rules, &[]);
        }
        Op::BlockConv2d(op) => blocks(&mut record, &op.blocks, writer),
        Op::BlockFullyConnected(op) => blocks(&mut record, &op.blocks, writer),
        Op::AvgPool(op) => record.multipliers = writer.data(op.requantise.multipliers),
        Op::Lut(op) => record.weights = writer.data(op.table),
        Op::Softmax(op) => record.weights = writer.data(op.table),
        Op::Add(_) | Op::Mul(_) | Op::MaxPool(_) | Op::Concat(_) | Op::Pad(_) | Op::Transpose(_) => (),
    }
    record
}

fn blocks(record: &mut OpRecord, blocks: &BlockWeights<'_>, writer: &mut Writer) {
    record.weights = writer.data(blocks.weights);
    record.bias = writer.data(blocks.bias);
    record.multipliers = writer.data(blocks.multipliers);
    if !blocks.is_dense() {
        record.q[2] = writer.data(blocks.index) as i32;
    }
}

/// Weights in another layout.
struct Layout {
    kind: OpKind,
    /// Rows of a sparse block; 0 for dense kinds.
    rows: usize,
    weights: Vec<i8>,
    rules: Vec<i32>,
}

impl Layout {
    fn record(&self, plain: &OpRecord, writer: &mut Writer) -> OpRecord {
        let mut record = OpRecord { kind: self.kind as u8, groups: 0, multipliers: 0, ..*plain };
        record.weights = writer.data(&self.weights);
        record.bias = writer.data(&self.rules);
        if self.rows > 0 {
            record.q = [self.rows as i32, self.weights.len() as i32, 0];
        }
        record
    }
}

/// The cheapest layout of an operation; `None` where the plain one is all there is.
fn choose(op: &Op<'_>) -> Option<Layout> {
    match op {
        Op::Conv2d(conv) if conv.groups == 1 => {
            let terms = conv.weights.len() / conv.bias.len().max(1);
            let plain = Rows { weights: conv.weights, terms };
            let kinds = (OpKind::PackedConv2d, OpKind::SparseConv2d);
            let dense = Some((2, dsp::CONV_DENSE));
            cheapest(plain, conv.bias, &conv.requantise, kinds, dense, &dsp::CONV_SPARSE, CONV_STEP)
        }
        Op::Conv2d(conv) => {
            let (weights, terms) = ungrouped(conv);
            let plain = Rows { weights: &weights, terms };
            let kinds = (OpKind::PackedConv2d, OpKind::SparseConv2d);
            cheapest(plain, conv.bias, &conv.requantise, kinds, None, &dsp::CONV_SPARSE, CONV_STEP)
        }
        Op::DepthwiseConv2d(conv) => {
            let fits = conv.window.kernel == [3, 3] && conv.window.dilation == [1, 1] && conv.requantise.shift == 0;
            fits.then(|| Layout {
                kind: OpKind::PackedDepthwiseConv2d,
                rows: 0,
                weights: depthwise(conv.weights, conv.output.channels),
                rules: rules(conv.bias, conv.requantise.multipliers, 1),
            })
        }
        Op::FullyConnected(layer) => {
            let plain = Rows { weights: layer.weights, terms: layer.inputs };
            let kinds = (OpKind::PackedFullyConnected, OpKind::SparseFullyConnected);
            let (dense, sparse) = (Some((4, dsp::CONNECTED_DENSE)), &dsp::CONNECTED_SPARSE);
            cheapest(plain, layer.bias, &layer.requantise, kinds, dense, sparse, FULLY_CONNECTED_STEP)
        }
        _ => None,
    }
}

/// The weights of a grouped convolution as one over all channels, and its number of terms: what an output does not read
/// is zero. Sparse kinds leave that out, so that groups need no kernels of their own.
fn ungrouped(conv: &Conv2d<'_>) -> (Vec<i8>, usize) {
    let [channels, outputs] = [conv.input.channels, conv.output.channels];
    let depth = channels / conv.groups;
    let taps = conv.window.kernel[0] * conv.window.kernel[1];
    let mut weights = vec![0; outputs * taps * channels];
    for (tap, run) in conv.weights.chunks_exact(depth).enumerate() {
        let group = tap / taps / (outputs / conv.groups);
        weights[tap * channels + group * depth..][..depth].copy_from_slice(run);
    }
    (weights, taps * channels)
}

fn cheapest(
    plain: Rows<'_>,
    bias: &[i32],
    rule: &Requantise<'_>,
    (dense, sparse): (OpKind, OpKind),
    dense_cost: Option<(usize, Cost)>,
    sparse_costs: &[(usize, Cost)],
    step: usize,
) -> Option<Layout> {
    if rule.shift != 0 {
        return None;
    }
    let groups = |rows: usize| bias.len().div_ceil(rows);
    let quads = plain.terms.div_ceil(4);
    let packable = |rows: usize| plain.packable(rows).is_ok();
    let all = dense_cost.filter(|(rows, _)| packable(*rows)).map(|(rows, cost)| {
        let cost = cost.of(groups(rows), groups(rows) * quads);
        (dense, rows, cost)
    });
    let blocks = sparse_costs.iter().filter(|(rows, _)| packable(*rows)).map(|(rows, cost)| {
        let cost = cost.of(groups(*rows), plain.blocks(*rows));
        (sparse, *rows, cost)
    });
    // Of equal ones the first: dense.
    let (kind, rows, _) = all.into_iter().chain(blocks).min_by_key(|(_, _, cost)| *cost)?;
    let is_dense = kind == dense;
    Some(Layout {
        kind,
        rows: if is_dense { 0 } else { rows },
        weights: if is_dense { plain.dense(rows) } else { plain.streams(rows, step) },
        rules: rules(bias, rule.multipliers, rows),
    })
}
