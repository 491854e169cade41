//! A blob in memory, checked once, and views into it.

use crate::{
    Activation, AvgPool, Binary, BlockConv2d, BlockFullyConnected, BlockWeights, CompactConv2d, CompactFullyConnected,
    Concat, Constant, Conv2d, Embedding, FullyConnected, HEADER_BYTES, LayerNorm, Lut, MAX_INTERFACES, Manifest,
    MatMul, MaxPool, Op, OpKind, OpRecord, PackedConv2d, PackedFullyConnected, PackedWeights, Pad, ReadError,
    Requantise, Shape, Softmax, TensorRecord, Transpose, WINOGRAD_ROWS, Window,
    block::Extent,
    check, compact,
    header::{Header, Section},
    sequence::order,
    winograd_bytes,
};
use core::ops::Range;
use heapless::Vec;

/// A checked blob. Everything it hands out borrows the bytes that it was read from.
#[derive(Clone, Debug)]
pub struct Blob<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) header: Header,
    pub(crate) tensors: &'a [TensorRecord],
    pub(crate) ops: &'a [OpRecord],
    pub(crate) data: &'a [u8],
    pub(crate) inputs: Vec<u16, MAX_INTERFACES>,
    pub(crate) outputs: Vec<u16, MAX_INTERFACES>,
}

/// One activation tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tensor {
    /// First byte in the arena.
    pub offset: usize,
    /// Shape in memory order.
    pub shape: Shape,
    /// Real value of one step.
    pub scale: f32,
    /// The int8 value that stands for zero.
    pub zero_point: i8,
}

impl Tensor {
    /// Where it lies in the arena.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.elements()
    }
}

impl<'a> Blob<'a> {
    /// Checks a blob and returns the view of it. Bytes after the blob's recorded length are ignored, so that a flash
    /// slot can be passed whole.
    ///
    /// # Errors
    /// What is wrong, if anything: see [`ReadError`]. Bytes from any source may be passed.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        check::read(bytes)
    }

    /// The bytes that make up the blob.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The checksum in the header: identifies the blob.
    pub fn crc(&self) -> u32 {
        self.header.crc
    }

    /// Bytes that activations need in the arena.
    pub fn tensor_bytes(&self) -> usize {
        self.header.arena_bytes as usize
    }

    /// Bytes of the arena behind the activations, for scratch that finds no room among them. Where it lies, each
    /// operation's record says.
    pub fn scratch_bytes(&self) -> usize {
        self.header.scratch_bytes as usize
    }

    /// Which operations are used, one bit per [`OpKind`].
    pub fn op_set(&self) -> u32 {
        self.header.op_set
    }

    /// The manifest; `None` never, once a blob was read.
    pub fn manifest(&self) -> Option<Manifest<'a>> {
        postcard::from_bytes(check::section(self.bytes, self.header.manifest).unwrap_or_default()).ok()
    }

    /// Tensors that the caller fills, in order.
    pub fn inputs(&self) -> &[u16] {
        &self.inputs
    }

    /// Tensors that the caller reads, in order.
    pub fn outputs(&self) -> &[u16] {
        &self.outputs
    }

    /// Number of tensors.
    pub fn tensor_count(&self) -> usize {
        self.tensors.len()
    }

    /// The tensor with this index; an empty one if there is none.
    pub fn tensor(&self, index: u16) -> Tensor {
        let record = self.tensors.get(usize::from(index));
        let [height, width, channels] = record.map(|record| record.shape.map(usize::from)).unwrap_or_default();
        Tensor {
            offset: record.map_or(0, |record| record.offset as usize),
            shape: Shape { height, width, channels },
            scale: record.map_or(0.0, |record| record.scale),
            zero_point: record.map_or(0, |record| record.zero_point),
        }
    }

    /// Operations in execution order, as they lie in flash.
    pub fn records(&self) -> &'a [OpRecord] {
        self.ops
    }

    /// The typed view of one of [`Blob::records`]; `None` for a record of another blob or an unknown kind.
    pub fn op(&self, record: &OpRecord) -> Option<Op<'a>> {
        let kind = OpKind::from_u8(record.kind)?;
        let input = self.tensor(record.inputs[0]);
        let output = self.tensor(record.output);
        let (from, to) = (input.shape, output.shape);
        let origin = record.q.map(|q| q as usize);
        let place = Concat { input: from, output: to, origin };
        Some(match kind {
            OpKind::Conv2d => Op::Conv2d(self.conv(record, &input, &output)),
            OpKind::DepthwiseConv2d => Op::DepthwiseConv2d(self.conv(record, &input, &output)),
            OpKind::FullyConnected => {
                let (inputs, outputs) = (from.elements(), to.elements());
                Op::FullyConnected(FullyConnected {
                    inputs,
                    outputs,
                    weights: self.weights(record, inputs as u64 * outputs as u64),
                    bias: self.words(record.bias, outputs),
                    requantise: self.rule(record, &output, outputs),
                })
            }
            OpKind::Add => Op::Add(self.binary(record, &input, &output)),
            OpKind::Mul => Op::Mul(self.binary(record, &input, &output)),
            OpKind::MaxPool => Op::MaxPool(MaxPool { input: from, output: to, window: window(record) }),
            OpKind::AvgPool => Op::AvgPool(AvgPool {
                input: from,
                output: to,
                window: window(record),
                input_zero_point: input.zero_point,
                requantise: self.rule(record, &output, record.q[0] as usize),
            }),
            OpKind::Lut => Op::Lut(Lut { elements: to.elements(), table: self.weights(record, 256) }),
            OpKind::Softmax => Op::Softmax(Softmax { shape: to, table: self.cast(record.weights, 512) }),
            OpKind::Concat => Op::Concat(place),
            OpKind::Pad => Op::Pad(Pad { place, value: record.min }),
            OpKind::Transpose => {
                let perm = [record.p[0], record.p[1], record.p[2]].map(usize::from);
                Op::Transpose(Transpose { input: from, perm })
            }
            OpKind::PackedConv2d => Op::PackedConv2d(self.packed_conv(record, &input, &output)),
            OpKind::PackedDepthwiseConv2d => Op::PackedDepthwiseConv2d(self.packed_conv(record, &input, &output)),
            OpKind::SparseConv2d => Op::SparseConv2d(self.packed_conv(record, &input, &output)),
            OpKind::PackedFullyConnected
            | OpKind::SparseFullyConnected
            | OpKind::InterleavedFullyConnected
            | OpKind::SparseInterleavedFullyConnected
            | OpKind::WinogradFullyConnected => {
                let (inputs, outputs) = (from.elements(), to.elements());
                let quads = inputs.div_ceil(4) as u64;
                let layer = PackedFullyConnected {
                    inputs,
                    outputs,
                    packed: self.packed(record, kind, &output, outputs, quads),
                };
                match kind {
                    OpKind::PackedFullyConnected => Op::PackedFullyConnected(layer),
                    OpKind::SparseFullyConnected => Op::SparseFullyConnected(layer),
                    OpKind::InterleavedFullyConnected => Op::InterleavedFullyConnected(layer),
                    OpKind::WinogradFullyConnected => Op::WinogradFullyConnected(layer),
                    _ => Op::SparseInterleavedFullyConnected(layer),
                }
            }
            OpKind::BlockConv2d => {
                let window = window(record);
                let taps = window.kernel[0].saturating_mul(window.kernel[1]);
                let quads = taps.saturating_mul(from.channels).div_ceil(4);
                let blocks = self.blocks(record, &output, to.channels, quads);
                let input_zero_point = input.zero_point;
                Op::BlockConv2d(BlockConv2d { input: from, output: to, window, input_zero_point, blocks })
            }
            OpKind::BlockFullyConnected => {
                let (inputs, outputs) = (from.elements(), to.elements());
                let blocks = self.blocks(record, &output, outputs, inputs.div_ceil(4));
                Op::BlockFullyConnected(BlockFullyConnected { inputs, outputs, blocks })
            }
            OpKind::CompactConv2d => {
                let weights = self.weights(record, u64::from(record.q[0].unsigned_abs()));
                let conv = Conv2d { weights, ..self.conv(record, &input, &output) };
                let op = CompactConv2d { conv, bits: &[] };
                let (start, bytes) = compact::bits(record, to.channels, op.terms());
                Op::CompactConv2d(CompactConv2d { bits: self.cast(start, bytes), ..op })
            }
            OpKind::CompactFullyConnected => {
                let (inputs, outputs) = (from.elements(), to.elements());
                let layer = FullyConnected {
                    inputs,
                    outputs,
                    weights: self.weights(record, u64::from(record.q[0].unsigned_abs())),
                    bias: self.words(record.bias, outputs),
                    requantise: self.rule(record, &output, outputs),
                };
                let (start, bytes) = compact::bits(record, outputs, inputs);
                Op::CompactFullyConnected(CompactFullyConnected { layer, bits: self.cast(start, bytes) })
            }
            OpKind::MatMul => Op::MatMul(self.matmul(record, &input, &output)),
            OpKind::LayerNorm => Op::LayerNorm(LayerNorm {
                shape: to,
                epsilon: u64::from(record.q[0].unsigned_abs()) << (record.q[1] as u32 & 31),
                gamma: self.words(record.weights, to.channels),
                beta: self.words(record.bias, to.channels),
                activation: activation(record),
            }),
            OpKind::Constant => Op::Constant(Constant { data: self.weights(record, to.elements() as u64) }),
            OpKind::Embedding => {
                let (rows, channels) = (record.q[0].unsigned_abs() as usize, to.channels);
                let table = self.weights(record, (rows as u64).saturating_mul(channels as u64));
                Op::Embedding(Embedding { rows, channels, table })
            }
        })
    }

    fn conv(&self, record: &OpRecord, input: &Tensor, output: &Tensor) -> Conv2d<'a> {
        let window = window(record);
        let groups = usize::from(record.groups);
        let per_group = input.shape.channels.checked_div(groups).unwrap_or(0);
        let outputs = output.shape.channels;
        let weights = [window.kernel[0], window.kernel[1], per_group].iter().fold(outputs as u64, |n, k| n * *k as u64);
        Conv2d {
            input: input.shape,
            output: output.shape,
            window,
            groups,
            input_zero_point: input.zero_point,
            weights: self.weights(record, weights),
            bias: self.words(record.bias, outputs),
            requantise: self.rule(record, output, outputs),
        }
    }

    fn packed_conv(&self, record: &OpRecord, input: &Tensor, output: &Tensor) -> PackedConv2d<'a> {
        let kind = OpKind::from_u8(record.kind).unwrap_or(OpKind::PackedConv2d);
        let window = window(record);
        let terms = [window.kernel[0], window.kernel[1], input.shape.channels].iter().fold(1, |n, k| n * *k as u64);
        // A column of three taps is a word, as four terms of one row are elsewhere.
        let quads = if kind == OpKind::PackedDepthwiseConv2d { 3 } else { terms.div_ceil(4) };
        PackedConv2d {
            input: input.shape,
            output: output.shape,
            window,
            input_zero_point: input.zero_point,
            packed: self.packed(record, kind, output, output.shape.channels, quads),
        }
    }

    fn packed(
        &self,
        record: &OpRecord,
        kind: OpKind,
        output: &Tensor,
        outputs: usize,
        quads: u64,
    ) -> PackedWeights<'a> {
        use OpKind::{SparseConv2d, SparseFullyConnected, SparseInterleavedFullyConnected};
        let sparse = matches!(kind, SparseConv2d | SparseFullyConnected | SparseInterleavedFullyConnected);
        let pairs = kind == SparseFullyConnected && record.q[0] == 2;
        let rows = match kind {
            OpKind::PackedConv2d => 2,
            OpKind::PackedFullyConnected
            | OpKind::InterleavedFullyConnected
            | OpKind::SparseInterleavedFullyConnected => 4,
            OpKind::PackedDepthwiseConv2d => 1,
            OpKind::WinogradFullyConnected => WINOGRAD_ROWS,
            _ if pairs => 4,
            _ => record.q[0].clamp(0, 4) as usize,
        };
        let groups = outputs.div_ceil(rows.max(1));
        let dense = match kind {
            OpKind::WinogradFullyConnected => winograd_bytes(outputs, quads),
            _ => (groups as u64).saturating_mul(quads).saturating_mul(4 * rows as u64),
        };
        PackedWeights {
            rows,
            pairs,
            weights: self.weights(record, if sparse { u64::from(record.q[1].unsigned_abs()) } else { dense }),
            rules: self.words(record.bias, groups * rows * 2),
            zero_point: output.zero_point,
            activation: activation(record),
        }
    }

    fn blocks(&self, record: &OpRecord, output: &Tensor, outputs: usize, quads: usize) -> BlockWeights<'a> {
        let extent = Extent::of(record, outputs, quads);
        BlockWeights {
            rows: extent.rows,
            unit: extent.unit,
            weights: self.weights(record, extent.weights),
            index: extent.index.map_or(&[], |(start, entries)| self.cast(start, entries.saturating_mul(2))),
            bias: self.words(record.bias, extent.outputs),
            multipliers: self.words(record.multipliers, extent.outputs),
            zero_point: output.zero_point,
            activation: activation(record),
        }
    }

    fn binary(&self, record: &OpRecord, input: &Tensor, output: &Tensor) -> Binary {
        Binary {
            elements: output.shape.elements(),
            q: record.q,
            input_zero_points: [input.zero_point, self.tensor(record.inputs[1]).zero_point],
            zero_point: output.zero_point,
            shift: u32::from(record.shift),
            activation: activation(record),
        }
    }

    fn matmul(&self, record: &OpRecord, input: &Tensor, output: &Tensor) -> MatMul {
        let second = self.tensor(record.inputs[1]);
        let orders = [record.p[0], record.p[1], record.p[2]].map(order);
        MatMul {
            input_zero_points: [input.zero_point, second.zero_point],
            multiplier: record.q[0],
            shift: u32::from(record.shift),
            zero_point: output.zero_point,
            activation: activation(record),
            ..MatMul::new([input.shape, second.shape, output.shape], orders)
        }
    }

    fn rule(&self, record: &OpRecord, output: &Tensor, multipliers: usize) -> Requantise<'a> {
        Requantise {
            multipliers: self.words(record.multipliers, multipliers),
            shift: u32::from(record.shift),
            zero_point: output.zero_point,
            activation: activation(record),
        }
    }

    fn weights(&self, record: &OpRecord, len: u64) -> &'a [i8] {
        self.cast(record.weights, len)
    }

    fn words(&self, offset: u32, count: usize) -> &'a [i32] {
        self.cast(offset, (count as u64).saturating_mul(4))
    }

    /// A piece of the data section as numbers; empty where it does not lie inside or not on a 16-byte boundary.
    fn cast<T: bytemuck::Pod>(&self, offset: u32, bytes: u64) -> &'a [T] {
        let start = offset as usize;
        let end = usize::try_from(bytes).ok().and_then(|len| start.checked_add(len));
        let piece = end.filter(|_| start.is_multiple_of(16)).and_then(|end| self.data.get(start..end));
        bytemuck::try_cast_slice(piece.unwrap_or_default()).unwrap_or_default()
    }
}

fn activation(record: &OpRecord) -> Activation {
    Activation { min: record.min, max: record.max }
}

fn window(record: &OpRecord) -> Window {
    let [kh, kw, sh, sw, dh, dw, top, left] = record.p.map(usize::from);
    Window { kernel: [kh, kw], stride: [sh, sw], dilation: [dh, dw], padding: [top, left] }
}

/// The header, without any check but the length.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    bytes.get(..HEADER_BYTES).map(bytemuck::pod_read_unaligned)
}

impl Section {
    pub(crate) fn range(self) -> Option<Range<usize>> {
        Some(self.offset as usize..(self.offset as usize).checked_add(self.len as usize)?)
    }
}
