//! What a kernel's cost depends on: the shape of an operation, and how many blocks of weights there are.

use crate::repack::Form;
use niwaki_blob::{Blob, BlockWeights, Op, OpKind, OpRecord, PackedWeights, Shape, Window};
use niwaki_kernels::layout::Rows;

/// The shape of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// The operation.
    pub kind: OpKind,
    /// Height, width, channels.
    pub input: [usize; 3],
    /// Height, width, channels.
    pub output: [usize; 3],
    /// Kernel, stride, dilation, padding above and to the left: of each vertical, horizontal.
    pub window: [usize; 8],
    /// Groups of a plain convolution. Of a product of activations 0 where the terms of a sum do not lie side by side.
    pub groups: usize,
    /// Rows of a group of weights; 0 for plain kinds.
    pub rows: usize,
    /// Blocks of `rows` outputs and four terms that there are, where some are left out; but for `fours`.
    pub blocks: Option<usize>,
    /// Blocks of four outputs, where those are of two.
    pub fours: usize,
}

const NO_WINDOW: [usize; 8] = [1, 1, 1, 1, 1, 1, 0, 0];

impl Job {
    /// Of one of a blob's operations; `None` for a record of another blob.
    pub fn read(blob: &Blob<'_>, record: &OpRecord) -> Option<Self> {
        let job = Self::of(&blob.op(record)?);
        let elements = |tensor: u16| [1, 1, blob.tensor(tensor).shape.elements()];
        Some(match job.kind {
            // Of a second operand that is taken again and again, its length.
            OpKind::Add | OpKind::Mul => Self { input: elements(record.inputs[1]), ..job },
            OpKind::Embedding => Self { input: elements(record.inputs[0]), output: elements(record.output), ..job },
            _ => job,
        })
    }

    /// Of an operation, without what only its tensors say.
    pub(crate) fn of(op: &Op<'_>) -> Self {
        let vector = |count: usize| Shape { height: 1, width: 1, channels: count };
        let job = |kind, input: Shape, output: Shape| Self {
            kind,
            input: [input.height, input.width, input.channels],
            output: [output.height, output.width, output.channels],
            window: NO_WINDOW,
            groups: 1,
            rows: 0,
            blocks: None,
            fours: 0,
        };
        let sliding = |kind, input, output, window: &Window| Self { window: flat(window), ..job(kind, input, output) };
        match op {
            Op::Conv2d(op) => Self { groups: op.groups, ..sliding(OpKind::Conv2d, op.input, op.output, &op.window) },
            Op::DepthwiseConv2d(op) => sliding(OpKind::DepthwiseConv2d, op.input, op.output, &op.window),
            Op::FullyConnected(op) => job(OpKind::FullyConnected, vector(op.inputs), vector(op.outputs)),
            Op::Add(op) => job(OpKind::Add, vector(op.elements), vector(op.elements)),
            Op::Mul(op) => job(OpKind::Mul, vector(op.elements), vector(op.elements)),
            Op::MaxPool(op) => sliding(OpKind::MaxPool, op.input, op.output, &op.window),
            Op::AvgPool(op) => sliding(OpKind::AvgPool, op.input, op.output, &op.window),
            Op::Lut(op) => job(OpKind::Lut, vector(op.elements), vector(op.elements)),
            Op::Softmax(op) => job(OpKind::Softmax, op.shape, op.shape),
            Op::Concat(op) => job(OpKind::Concat, op.input, op.output),
            Op::Pad(op) => job(OpKind::Pad, op.place.input, op.place.output),
            Op::Transpose(op) => {
                let from = [op.input.height, op.input.width, op.input.channels];
                let dim = |axis: usize| op.perm.get(axis).and_then(|at| from.get(*at)).copied().unwrap_or(1);
                let output = Shape { height: dim(0), width: dim(1), channels: dim(2) };
                job(OpKind::Transpose, op.input, output)
            }
            Op::MatMul(op) => {
                let shape = |height, width, channels| Shape { height, width, channels };
                let output = shape(op.matrices, op.rows, op.columns);
                let together = (op.a[2], op.b[2]) == (1, 1);
                let groups = usize::from(together);
                Self { groups, ..job(OpKind::MatMul, shape(op.matrices, op.rows, op.terms), output) }
            }
            Op::LayerNorm(op) => job(OpKind::LayerNorm, op.shape, op.shape),
            Op::Constant(op) => job(OpKind::Constant, vector(op.data.len()), vector(op.data.len())),
            // Of how many elements, its tensors say.
            Op::Embedding(op) => job(OpKind::Embedding, vector(1), vector(op.channels)),
            Op::PackedConv2d(op) => {
                sliding(OpKind::PackedConv2d, op.input, op.output, &op.window).packed(&op.packed, false)
            }
            Op::PackedDepthwiseConv2d(op) => {
                sliding(OpKind::PackedDepthwiseConv2d, op.input, op.output, &op.window).packed(&op.packed, false)
            }
            Op::SparseConv2d(op) => {
                sliding(OpKind::SparseConv2d, op.input, op.output, &op.window).packed(&op.packed, true)
            }
            Op::PackedFullyConnected(op) => {
                job(OpKind::PackedFullyConnected, vector(op.inputs), vector(op.outputs)).packed(&op.packed, false)
            }
            Op::SparseFullyConnected(op) => {
                job(OpKind::SparseFullyConnected, vector(op.inputs), vector(op.outputs)).packed(&op.packed, true)
            }
            Op::InterleavedFullyConnected(op) => {
                let kind = OpKind::InterleavedFullyConnected;
                job(kind, vector(op.inputs), vector(op.outputs)).packed(&op.packed, false)
            }
            Op::WinogradFullyConnected(op) => {
                job(OpKind::WinogradFullyConnected, vector(op.inputs), vector(op.outputs)).packed(&op.packed, false)
            }
            Op::SparseInterleavedFullyConnected(op) => {
                let kind = OpKind::SparseInterleavedFullyConnected;
                job(kind, vector(op.inputs), vector(op.outputs)).packed(&op.packed, true)
            }
            Op::CompactConv2d(op) => {
                let conv = sliding(OpKind::CompactConv2d, op.conv.input, op.conv.output, &op.conv.window);
                Self { groups: op.conv.groups, ..conv }
            }
            Op::CompactFullyConnected(op) => {
                job(OpKind::CompactFullyConnected, vector(op.layer.inputs), vector(op.layer.outputs))
            }
            Op::BlockConv2d(op) => sliding(OpKind::BlockConv2d, op.input, op.output, &op.window).blocky(&op.blocks),
            Op::BlockFullyConnected(op) => {
                job(OpKind::BlockFullyConnected, vector(op.inputs), vector(op.outputs)).blocky(&op.blocks)
            }
        }
    }

    fn packed(self, packed: &PackedWeights<'_>, sparse: bool) -> Self {
        let groups = self.output[2].div_ceil(packed.rows.max(1));
        if packed.pairs {
            let [fours, blocks] = stream_blocks(packed, groups);
            return Self { rows: 2, blocks: Some(blocks), fours, ..self };
        }
        let blocks = sparse.then(|| stream_blocks(packed, groups)[0]);
        Self { rows: packed.rows, blocks, ..self }
    }

    fn blocky(self, blocks: &BlockWeights<'_>) -> Self {
        let kept = blocks.weights.len() / (4 * blocks.rows).max(1);
        Self { rows: blocks.rows, blocks: (!blocks.is_dense()).then_some(kept), ..self }
    }

    /// A plain operation as it would be in a form.
    pub(crate) fn formed(self, form: Form, weights: Rows<'_>) -> Self {
        if form.kind.plain() {
            return self;
        }
        if (form.kind, form.rows) == (OpKind::SparseFullyConnected, 2) {
            let [fours, blocks] = weights.pair_blocks();
            return Self { kind: form.kind, rows: form.rows, blocks: Some(blocks), fours, ..self };
        }
        let blocks = form.sparse.then(|| match form.unit {
            0 => weights.blocks(form.rows),
            // With those of zeros that fill units up.
            unit => weights.sparse_blocks(form.rows, unit).count(form.rows),
        });
        Self { kind: form.kind, groups: 1, rows: form.rows, blocks, ..self }
    }

    /// Products of one output; 0 for kinds without weights.
    pub fn terms(&self) -> usize {
        let [height, width, ..] = self.window;
        match self.kind {
            OpKind::Conv2d | OpKind::PackedConv2d | OpKind::SparseConv2d | OpKind::BlockConv2d => {
                height * width * self.input[2] / self.groups
            }
            OpKind::DepthwiseConv2d | OpKind::PackedDepthwiseConv2d => height * width,
            OpKind::FullyConnected
            | OpKind::PackedFullyConnected
            | OpKind::SparseFullyConnected
            | OpKind::InterleavedFullyConnected
            | OpKind::SparseInterleavedFullyConnected
            | OpKind::WinogradFullyConnected
            | OpKind::BlockFullyConnected => self.input.iter().product(),
            _ => 0,
        }
    }

    /// The kernel that it takes, in words: of each, costs are fitted apart.
    pub fn kernel(&self) -> String {
        let [tall, wide, down, right, apart, aside, above, left] = self.window;
        let (single, plain) = ((tall, wide) == (1, 1), (apart, aside) == (1, 1));
        let shape = match self.kind {
            OpKind::Conv2d if self.groups > 1 => " grouped",
            OpKind::Conv2d | OpKind::PackedConv2d | OpKind::SparseConv2d | OpKind::BlockConv2d => {
                // Wide instruction sets read such pixels where they lie.
                let whole = matches!(self.kind, OpKind::Conv2d | OpKind::BlockConv2d)
                    && (down, right) == (1, 1)
                    && self.input[2].is_multiple_of(16);
                match (single && (above, left) == (0, 0), self.input[2].is_multiple_of(4)) {
                    (true, true) if whole => " pointwise, depth in 16",
                    (true, true) => " pointwise",
                    (true, false) => " pointwise, odd depth",
                    (false, true) => "",
                    (false, false) => " odd depth",
                }
            }
            OpKind::DepthwiseConv2d | OpKind::PackedDepthwiseConv2d => match (tall, wide, down, right) {
                // Wide instruction sets take several pixels at once.
                (3, 3, 1, 1) if plain && self.rows == 0 && [1, 2, 4, 8].contains(&self.input[2]) => {
                    " 3x3, few channels"
                }
                (3, 3, 1, 1) if plain => " 3x3",
                (3, 3, 2, 2) if plain => " 3x3 s2",
                _ => "",
            },
            OpKind::Add | OpKind::Mul if self.input != self.output => " repeated",
            OpKind::MatMul if self.groups == 0 => " terms apart",
            OpKind::AvgPool | OpKind::MaxPool if self.output[0] * self.output[1] == 1 => " whole",
            _ => "",
        };
        self.layout() + shape
    }

    /// The kind and the layout of its weights, in words.
    pub(crate) fn layout(&self) -> String {
        let name = self.kind.name();
        match (self.rows, self.blocks) {
            (0, _) => name.into(),
            (rows, None) => format!("{name} {rows}x4 dense"),
            (rows, Some(_)) => format!("{name} {rows}x4 sparse"),
        }
    }
}

fn flat(window: &Window) -> [usize; 8] {
    let parts = [window.kernel, window.stride, window.dilation, window.padding];
    std::array::from_fn(|at| parts[at / 2][at % 2])
}

/// Blocks in the streams of a checked blob: in the first of every group, and in the others.
fn stream_blocks(packed: &PackedWeights<'_>, groups: usize) -> [usize; 2] {
    let (mut rest, mut blocks) = (packed.weights, [0, 0]);
    for (at, (_, rows)) in (0..groups).flat_map(|_| packed.streams().enumerate()) {
        while let Some((offsets, behind)) = rest.split_first_chunk::<4>() {
            let [a, b, c, d] = offsets.map(|byte| byte as u8);
            let unit = [i16::from_le_bytes([a, b]), i16::from_le_bytes([c, d])];
            let here = unit.iter().take_while(|offset| **offset >= 0).count();
            blocks[at.min(1)] += here;
            rest = behind.get(here * 4 * rows..).unwrap_or_default();
            if here < unit.len() {
                break;
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_streams_are_counted() {
        let weights: Vec<i8> = (0..4 * 64).map(|at| if at / 4 % 3 == 0 { 5 } else { 0 }).collect();
        let plain = Rows { weights: &weights, terms: 64 };
        let activation = niwaki_blob::Activation { min: 0, max: 0 };
        for rows in [1, 2] {
            let streams = plain.streams(rows, niwaki_blob::FULLY_CONNECTED_STEP);
            let packed = PackedWeights { rows, pairs: false, weights: &streams, rules: &[], zero_point: 0, activation };
            assert_eq!(stream_blocks(&packed, 4 / rows), [plain.blocks(rows), 0]);
        }
        let streams = plain.pair_streams(niwaki_blob::FULLY_CONNECTED_STEP);
        let packed = PackedWeights { rows: 4, pairs: true, weights: &streams, rules: &[], zero_point: 0, activation };
        let [fours, twos] = stream_blocks(&packed, 1);
        assert_eq!([fours, twos], plain.pair_blocks());
        assert_eq!(2 * fours + twos, plain.blocks(2));
        assert!(fours > 0 && twos > 0);
    }
}
