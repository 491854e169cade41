//! Brings a blob of plain kinds into the layouts that one instruction set's kernels read.

use crate::{cost::Table, scratch};
use niwaki_blob::{
    AlignedBytes, Blob, BlockWeights, CONV_STEP, Conv2d, FULLY_CONNECTED_STEP, INTERLEAVED_STEP, Op, OpKind, OpRecord,
    Requantise, STREAM_SLACK, TensorRecord, WINOGRAD_ROWS, WriteError, Writer,
};
use niwaki_kernels::{
    Isa,
    layout::{Rows, depthwise, filled, rules},
    scratch_bytes,
};
use std::{borrow::Cow, ops::Range};

/// The same network for kernels of another instruction set: the same results, bit for bit, from other operations.
/// Operations that are packed already stay as they are.
///
/// Of several layouts each layer gets the one that takes least on a usual core of the instruction set; [`repack_for`]
/// knows the core.
pub fn repack(bytes: &[u8], isa: Isa) -> Result<AlignedBytes, WriteError> {
    let usual = match isa {
        Isa::Dsp => "cortex-m4",
        Isa::V7m => "cortex-m3",
        Isa::V6m => "cortex-m0",
        Isa::Helium => "cortex-m55",
        // A blob for either runs on both: what takes least differs.
        Isa::Neon => "cortex-a72",
        Isa::NeonDot => "cortex-a76",
        _ => "",
    };
    repack_for(bytes, isa, usual)
}

/// The same in the layouts that take least on a core, named as in board.toml, by its measured [costs](crate::cost).
pub fn repack_for(bytes: &[u8], isa: Isa, core: &str) -> Result<AlignedBytes, WriteError> {
    let table = Table::of(core);
    repack_as(bytes, isa, |_, op| {
        let mut forms = forms(op, isa);
        // What need not be in another form does not get larger by it.
        if forms.first().is_some_and(|form| form.kind.plain()) {
            forms.retain(|form| !form.sparse || shrinks(op, *form));
        }
        table.map_or(forms.first().copied(), |table| table.cheapest(op, &forms))
    })
}

/// The same with every operation in the form that `choose` gives, which must be one of its [`forms`]; as it is where it
/// gives none. `choose` is asked with the operation's index, and may be asked twice.
pub fn repack_as(
    bytes: &[u8],
    isa: Isa,
    mut choose: impl FnMut(usize, &Op<'_>) -> Option<Form>,
) -> Result<AlignedBytes, WriteError> {
    let blob = Blob::read(bytes).map_err(WriteError::Rejected)?;
    // Kernels are asked for their scratch by the operations as the reader presents them, so the blob is written twice.
    let draft = write(&blob, &[], &mut choose)?;
    let read = Blob::read(&draft).map_err(WriteError::Rejected)?;
    let needs: Vec<usize> =
        read.records().iter().map(|record| read.op(record).map_or(0, |op| scratch_bytes(isa, &op))).collect();
    write(&blob, &scratch::places(&read, &needs), &mut choose)
}

fn write(
    blob: &Blob<'_>,
    scratch: &[Range<usize>],
    choose: &mut impl FnMut(usize, &Op<'_>) -> Option<Form>,
) -> Result<AlignedBytes, WriteError> {
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
    for (index, record) in blob.records().iter().enumerate() {
        let Some(op) = blob.op(record) else { continue };
        let record = match choose(index, &op).and_then(|form| layout(&op, form)) {
            Some(layout) => layout.record(record, &mut writer),
            None => copy(record, &op, &mut writer),
        };
        let place = scratch.get(index).cloned().unwrap_or(0..0);
        writer.op(OpRecord { scratch: [place.start as u32, place.len() as u32], ..record });
    }
    let end = scratch.iter().map(|place| place.end).max().unwrap_or(0);
    let behind = end.saturating_sub(blob.tensor_bytes());
    let manifest = blob.manifest().unwrap_or_else(|| unreachable!("a blob that was read has one"));
    writer.finish(&manifest, blob.tensor_bytes() as u32, behind as u32)
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
        Op::PackedFullyConnected(op)
        | Op::SparseFullyConnected(op)
        | Op::InterleavedFullyConnected(op)
        | Op::SparseInterleavedFullyConnected(op)
        | Op::WinogradFullyConnected(op) => {
            weighted(op.packed.weights, op.packed.rules, &[]);
        }
        Op::CompactConv2d(op) => {
            weighted(op.conv.weights, op.conv.bias, op.conv.requantise.multipliers);
            record.q[1] = writer.data(op.bits) as i32;
        }
        Op::CompactFullyConnected(op) => {
            weighted(op.layer.weights, op.layer.bias, op.layer.requantise.multipliers);
            record.q[1] = writer.data(op.bits) as i32;
        }
        Op::BlockConv2d(op) => blocks(&mut record, &op.blocks, writer),
        Op::BlockFullyConnected(op) => blocks(&mut record, &op.blocks, writer),
        Op::AvgPool(op) => record.multipliers = writer.data(op.requantise.multipliers),
        Op::Lut(op) => record.weights = writer.data(op.table),
        Op::Softmax(op) => record.weights = writer.data(op.table),
        Op::LayerNorm(op) => {
            record.weights = writer.data(op.gamma);
            record.bias = writer.data(op.beta);
        }
        Op::Constant(op) => record.weights = writer.data(op.data),
        Op::Embedding(op) => record.weights = writer.data(op.table),
        Op::MatMul(_) => (),
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
    form: Form,
    weights: Vec<i8>,
    /// Rules of packed kinds, biases of block and compact kinds.
    rules: Vec<i32>,
    /// Multipliers of block and compact kinds.
    multipliers: Vec<i32>,
    /// The index of block kinds.
    index: Vec<u16>,
    /// The bits of compact kinds.
    bits: Vec<u8>,
}

impl Layout {
    fn record(&self, plain: &OpRecord, writer: &mut Writer) -> OpRecord {
        if !self.bits.is_empty() {
            let (weights, bias) = (writer.data(&self.weights), writer.data(&self.rules));
            let multipliers = writer.data(&self.multipliers);
            let q = [self.weights.len() as i32, writer.data(&self.bits) as i32, 0];
            return OpRecord { kind: self.form.kind as u8, weights, bias, multipliers, q, ..*plain };
        }
        let mut record = OpRecord { kind: self.form.kind as u8, groups: 0, multipliers: 0, ..*plain };
        if self.form.unit > 0 {
            record.groups = self.form.unit as u16;
            record.weights = writer.data(&self.weights);
            record.bias = writer.data(&self.rules);
            record.multipliers = writer.data(&self.multipliers);
            let blocks = self.weights.len() / (4 * self.form.rows);
            record.q = match self.form.sparse {
                true => [self.form.rows as i32, blocks as i32, writer.data(&self.index) as i32],
                false => [self.form.rows as i32, 0, -1],
            };
            return record;
        }
        record.weights = writer.data(&self.weights);
        record.bias = writer.data(&self.rules);
        if self.form.sparse {
            record.q = [self.form.rows as i32, self.weights.len() as i32, 0];
        }
        record
    }
}

/// What an operation can be for the kernels of an instruction set: a kind that means the same, and its weights' layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The kind.
    pub kind: OpKind,
    /// Rows of a group.
    pub rows: usize,
    /// Whether blocks of zeros are left out: so many rows and four terms.
    pub sparse: bool,
    /// Blocks of a unit of block weights; 0 for other kinds.
    pub unit: usize,
}

/// The forms that the kernels of an instruction set have for a plain operation with these weights, dense ones first;
/// none where there is only the plain one. The plain one is among them where a core runs it and others.
pub fn forms(op: &Op<'_>, isa: Isa) -> Vec<Form> {
    if rule(op).is_none_or(|(_, rule)| rule.shift != 0) {
        return Vec::new();
    }
    let dense = |kind, rows| Form { kind, rows, sparse: false, unit: 0 };
    let sparse = |kind, rows| Form { kind, rows, sparse: true, unit: 0 };
    let small = match isa {
        Isa::Neon | Isa::NeonDot => return block_forms(op, 2),
        Isa::Helium => return block_forms(op, 4),
        Isa::Dsp => false,
        Isa::V7m | Isa::V6m => true,
        _ => return Vec::new(),
    };
    let all: Vec<Form> = match op {
        Op::Conv2d(conv) if small => {
            let plain = (conv.groups == 1).then_some(dense(OpKind::Conv2d, 1));
            plain.into_iter().chain([sparse(OpKind::SparseConv2d, 1)]).collect()
        }
        // Fewer rows than a group has are cheaper one by one.
        Op::FullyConnected(layer) if small && layer.outputs > 2 => {
            let dense = match isa {
                Isa::V6m => dense(OpKind::WinogradFullyConnected, WINOGRAD_ROWS),
                _ => dense(OpKind::InterleavedFullyConnected, 4),
            };
            vec![dense, sparse(OpKind::SparseInterleavedFullyConnected, 4)]
        }
        _ if small => Vec::new(),
        Op::Conv2d(conv) => {
            let dense = (conv.groups == 1).then_some(dense(OpKind::PackedConv2d, 2));
            dense.into_iter().chain([1, 2].map(|rows| sparse(OpKind::SparseConv2d, rows))).collect()
        }
        Op::DepthwiseConv2d(conv) if conv.window.kernel == [3, 3] && conv.window.dilation == [1, 1] => {
            vec![dense(OpKind::PackedDepthwiseConv2d, 1)]
        }
        Op::FullyConnected(_) => {
            let blocks = [1, 2, 4].map(|rows| sparse(OpKind::SparseFullyConnected, rows));
            [dense(OpKind::PackedFullyConnected, 4)].into_iter().chain(blocks).collect()
        }
        _ => Vec::new(),
    };
    let weights = Weights::of(op);
    let holds = |form: &Form| match form.kind {
        OpKind::WinogradFullyConnected => weights.rows().pairable(),
        // Small cores' other kinds hold any weights.
        _ => small || weights.rows().packable(form.rows).is_ok(),
    };
    all.into_iter().filter(holds).collect()
}

/// The plain kind, and block weights in units of so many blocks.
fn block_forms(op: &Op<'_>, unit: usize) -> Vec<Form> {
    // Kernels for 64-bit Arm rearrange whole quads: of pixels, or of what the taps of a row read together.
    let whole = |conv: &Conv2d<'_>| {
        let piece = conv.window.kernel[1] * conv.input.channels;
        conv.input.channels.is_multiple_of(4) || piece.is_multiple_of(4) && conv.window.dilation[1] == 1
    };
    let (plain, kind) = match op {
        Op::Conv2d(conv) if conv.groups == 1 && (unit == 4 || whole(conv)) => (OpKind::Conv2d, OpKind::BlockConv2d),
        Op::FullyConnected(_) => (OpKind::FullyConnected, OpKind::BlockFullyConnected),
        _ => return Vec::new(),
    };
    let plain = Form { kind: plain, rows: 1, sparse: false, unit: 0 };
    if !Weights::of(op).rows().blockable() {
        return Vec::new();
    }
    let sparse = [1, 2, 4].map(|rows| Form { kind, rows, sparse: true, unit });
    // Fully connected kernels for 64-bit Arm read all blocks without an index, faster than plain weights.
    let dense =
        (unit == 2 && kind == OpKind::BlockFullyConnected).then_some(Form { kind, rows: 4, sparse: false, unit });
    [plain].into_iter().chain(dense).chain(sparse).collect()
}

/// The bias and the output rule of an operation with weights.
fn rule<'a, 'b>(op: &'b Op<'a>) -> Option<(&'a [i32], &'b Requantise<'a>)> {
    match op {
        Op::Conv2d(conv) | Op::DepthwiseConv2d(conv) => Some((conv.bias, &conv.requantise)),
        Op::FullyConnected(layer) => Some((layer.bias, &layer.requantise)),
        _ => None,
    }
}

/// A plain operation's weights `[outputs][terms]`; none for kinds without.
pub(crate) struct Weights<'a> {
    weights: Cow<'a, [i8]>,
    terms: usize,
}

impl<'a> Weights<'a> {
    pub(crate) fn of(op: &Op<'a>) -> Self {
        match op {
            Op::Conv2d(conv) if conv.groups > 1 => {
                let (weights, terms) = ungrouped(conv);
                Self { weights: weights.into(), terms }
            }
            Op::Conv2d(conv) | Op::DepthwiseConv2d(conv) => {
                Self { weights: conv.weights.into(), terms: conv.weights.len() / conv.bias.len().max(1) }
            }
            Op::FullyConnected(layer) => Self { weights: layer.weights.into(), terms: layer.inputs },
            _ => Self { weights: Cow::Borrowed(&[]), terms: 0 },
        }
    }

    /// How many outputs have weights of their own.
    pub(crate) fn outputs(op: &Op<'_>) -> usize {
        rule(op).map_or(0, |(bias, _)| bias.len())
    }

    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { weights: &self.weights, terms: self.terms }
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

/// A plain operation's weights in a form.
fn layout(op: &Op<'_>, form: Form) -> Option<Layout> {
    let (bias, rule) = rule(op)?;
    if let OpKind::CompactConv2d | OpKind::CompactFullyConnected = form.kind {
        let plain = match op {
            Op::Conv2d(conv) => conv.weights,
            Op::FullyConnected(layer) => layer.weights,
            _ => return None,
        };
        let (weights, bits) = Rows { weights: plain, terms: plain.len() / bias.len().max(1) }.compact();
        let (rules, multipliers) = (bias.to_vec(), rule.multipliers.to_vec());
        return Some(Layout { form, weights, rules, multipliers, index: Vec::new(), bits });
    }
    let (weights, rows) = (Weights::of(op), form.rows);
    if form.unit > 0 {
        let blocks = match form.sparse {
            true => weights.rows().sparse_blocks(rows, form.unit),
            false => weights.rows().dense_blocks(rows, form.unit),
        };
        let (rules, multipliers) = (filled(bias), filled(rule.multipliers));
        return Some(Layout {
            form,
            weights: blocks.weights,
            rules,
            multipliers,
            index: blocks.index,
            bits: Vec::new(),
        });
    }
    let weights = match form.kind {
        OpKind::PackedDepthwiseConv2d => depthwise(&weights.weights, bias.len()),
        OpKind::PackedConv2d | OpKind::PackedFullyConnected => weights.rows().dense(rows),
        OpKind::SparseConv2d => weights.rows().streams(rows, CONV_STEP),
        OpKind::SparseFullyConnected if rows == 2 => weights.rows().pair_streams(FULLY_CONNECTED_STEP),
        OpKind::SparseFullyConnected => weights.rows().streams(rows, FULLY_CONNECTED_STEP),
        OpKind::InterleavedFullyConnected => weights.rows().interleaved(),
        OpKind::WinogradFullyConnected => weights.rows().winograd(),
        OpKind::SparseInterleavedFullyConnected => weights.rows().interleaved_streams(INTERLEAVED_STEP),
        _ => return None,
    };
    Some(Layout {
        form,
        weights,
        // Blocks of two rows come in groups of four.
        rules: rules(
            bias,
            rule.multipliers,
            if form.kind == OpKind::SparseFullyConnected && rows == 2 { 4 } else { rows },
        ),
        multipliers: Vec::new(),
        index: Vec::new(),
        bits: Vec::new(),
    })
}

/// Whether a form takes no more room than the plain one, but for the slack.
fn shrinks(op: &Op<'_>, form: Form) -> bool {
    layout(op, form).is_some_and(|layout| {
        layout.weights.len() + 2 * layout.index.len() <= Weights::of(op).weights.len() + STREAM_SLACK
    })
}
