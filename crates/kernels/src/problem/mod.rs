//! Generated problems, and the harness that holds the kernels of an instruction set against the scalar ones.
//!
//! A new kernel is registered in [`crate::run`]; with that, [`all`] covers it. Only `alloc` is needed, so the same
//! problems run on a host, on Linux under emulation and on a bare board with a heap.

mod check;
mod generate;
mod geometry;
mod pack;
mod random;
mod variant;

pub use generate::all;
pub use geometry::Geometry;
pub use niwaki_blob::OpKind;
pub use pack::Form;
pub use random::Random;
pub use variant::{Fill, Level, Variant};

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use niwaki_blob::{
    Activation, AvgPool, Binary, BlockConv2d, BlockFullyConnected, BlockWeights, CompactConv2d, CompactFullyConnected,
    Concat, Constant, Conv2d, Embedding, FullyConnected, LayerNorm, Lut, MatMul, MaxPool, Op, PackedConv2d,
    PackedFullyConnected, PackedWeights, Pad, Requantise, Shape, Softmax, Transpose, Window,
};

/// One operation with parameters and operands. Fields that its kind does not use hold nothing of interest.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What it is about, for messages.
    pub name: String,
    /// Which kernel it is for.
    pub kind: OpKind,
    /// Shape of the first operand.
    pub input: Shape,
    /// Shape of the second operand of a product of activations.
    pub second: Shape,
    /// Shape of the output.
    pub output: Shape,
    /// Sliding window.
    pub window: Window,
    /// Groups of a convolution.
    pub groups: usize,
    /// Zero points of the operands.
    pub input_zero_points: [i8; 2],
    /// Weights, the table of a LUT or of an embedding, constant data.
    pub weights: Vec<i8>,
    /// The table of a softmax.
    pub table: Vec<u16>,
    /// Biases; the addends of a layer normalisation.
    pub bias: Vec<i32>,
    /// Multipliers; the factors of a layer normalisation.
    pub multipliers: Vec<i32>,
    /// Left shift before the multiplier.
    pub shift: u32,
    /// Zero point of the output; the border of a pad.
    pub zero_point: i8,
    /// Output range.
    pub activation: Activation,
    /// Constants of an element-wise operation.
    pub q: [i32; 3],
    /// Where a concat or a pad puts its input.
    pub origin: [usize; 3],
    /// Permutation of a transpose.
    pub perm: [usize; 3],
    /// Orders of the dimensions of a product's operands and output.
    pub orders: [[usize; 3]; 3],
    /// Of a layer normalisation.
    pub epsilon: u64,
    /// Whether the first operand lies in the output.
    pub in_place: bool,
    /// Rows of a group of packed weights, of a block, or of an embedding's table.
    pub rows: usize,
    /// Blocks of a unit of block weights.
    pub unit: usize,
    /// The index of block weights.
    pub index: Vec<u16>,
    /// The bits of compact weights.
    pub bits: Vec<u8>,
    /// The problem before its weights were packed: it has the same solution.
    pub plain: Option<Box<Problem>>,
    /// First operand.
    pub a: Vec<i8>,
    /// Second operand, of an add, a mul or a matmul.
    pub b: Vec<i8>,
}

impl Problem {
    /// A problem in which everything is empty or neutral.
    pub(crate) fn new(kind: OpKind, name: String, input: Shape, output: Shape) -> Self {
        Self {
            name,
            kind,
            input,
            second: input,
            output,
            window: Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], padding: [0; 2] },
            groups: 1,
            input_zero_points: [0; 2],
            weights: vec![],
            table: vec![],
            bias: vec![],
            multipliers: vec![],
            shift: 0,
            zero_point: 0,
            activation: Activation { min: i8::MIN, max: i8::MAX },
            q: [0; 3],
            origin: [0; 3],
            perm: [0, 1, 2],
            orders: [[0, 1, 2]; 3],
            epsilon: 0,
            in_place: false,
            rows: 0,
            unit: 0,
            index: vec![],
            bits: vec![],
            plain: None,
            a: vec![],
            b: vec![],
        }
    }

    /// The operation as a kernel sees it.
    pub fn op(&self) -> Op<'_> {
        let (input, output, window) = (self.input, self.output, self.window);
        let place = Concat { input, output, origin: self.origin };
        match self.kind {
            OpKind::Conv2d => Op::Conv2d(self.conv()),
            OpKind::DepthwiseConv2d => Op::DepthwiseConv2d(self.conv()),
            OpKind::FullyConnected => Op::FullyConnected(self.layer()),
            OpKind::Add => Op::Add(self.binary()),
            OpKind::Mul => Op::Mul(self.binary()),
            OpKind::MaxPool => Op::MaxPool(MaxPool { input, output, window }),
            OpKind::AvgPool => Op::AvgPool(AvgPool {
                input,
                output,
                window,
                input_zero_point: self.input_zero_points[0],
                requantise: self.rule(),
            }),
            OpKind::Lut => Op::Lut(Lut { elements: output.elements(), table: &self.weights }),
            OpKind::Softmax => Op::Softmax(Softmax { shape: output, table: &self.table }),
            OpKind::Concat => Op::Concat(place),
            OpKind::Pad => Op::Pad(Pad { place, value: self.zero_point }),
            OpKind::Transpose => Op::Transpose(Transpose { input, perm: self.perm }),
            OpKind::PackedConv2d => Op::PackedConv2d(self.packed_conv()),
            OpKind::PackedDepthwiseConv2d => Op::PackedDepthwiseConv2d(self.packed_conv()),
            OpKind::SparseConv2d => Op::SparseConv2d(self.packed_conv()),
            OpKind::PackedFullyConnected => Op::PackedFullyConnected(self.packed_layer()),
            OpKind::SparseFullyConnected => Op::SparseFullyConnected(self.packed_layer()),
            OpKind::WinogradFullyConnected => Op::WinogradFullyConnected(self.packed_layer()),
            OpKind::InterleavedFullyConnected => Op::InterleavedFullyConnected(self.packed_layer()),
            OpKind::SparseInterleavedFullyConnected => Op::SparseInterleavedFullyConnected(self.packed_layer()),
            OpKind::BlockConv2d => Op::BlockConv2d(BlockConv2d {
                input,
                output,
                window,
                input_zero_point: self.input_zero_points[0],
                blocks: self.blocks(),
            }),
            OpKind::BlockFullyConnected => Op::BlockFullyConnected(BlockFullyConnected {
                inputs: input.elements(),
                outputs: output.elements(),
                blocks: self.blocks(),
            }),
            OpKind::CompactConv2d => Op::CompactConv2d(CompactConv2d { conv: self.conv(), bits: &self.bits }),
            OpKind::CompactFullyConnected => {
                Op::CompactFullyConnected(CompactFullyConnected { layer: self.layer(), bits: &self.bits })
            }
            OpKind::MatMul => Op::MatMul(MatMul {
                input_zero_points: self.input_zero_points,
                multiplier: self.multipliers[0],
                shift: self.shift,
                zero_point: self.zero_point,
                activation: self.activation,
                ..MatMul::new([input, self.second, output], self.orders)
            }),
            OpKind::LayerNorm => Op::LayerNorm(LayerNorm {
                shape: output,
                epsilon: self.epsilon,
                gamma: &self.multipliers,
                beta: &self.bias,
                activation: self.activation,
            }),
            OpKind::Constant => Op::Constant(Constant { data: &self.weights }),
            OpKind::Embedding => {
                Op::Embedding(Embedding { rows: self.rows, channels: output.channels, table: &self.weights })
            }
        }
    }

    fn conv(&self) -> Conv2d<'_> {
        Conv2d {
            input: self.input,
            output: self.output,
            window: self.window,
            groups: self.groups,
            input_zero_point: self.input_zero_points[0],
            weights: &self.weights,
            bias: &self.bias,
            requantise: self.rule(),
        }
    }

    fn layer(&self) -> FullyConnected<'_> {
        FullyConnected {
            inputs: self.input.elements(),
            outputs: self.output.elements(),
            weights: &self.weights,
            bias: &self.bias,
            requantise: self.rule(),
        }
    }

    fn packed_conv(&self) -> PackedConv2d<'_> {
        PackedConv2d {
            input: self.input,
            output: self.output,
            window: self.window,
            input_zero_point: self.input_zero_points[0],
            packed: self.packed_weights(),
        }
    }

    fn packed_layer(&self) -> PackedFullyConnected<'_> {
        let (inputs, outputs) = (self.input.elements(), self.output.elements());
        PackedFullyConnected { inputs, outputs, packed: self.packed_weights() }
    }

    fn packed_weights(&self) -> PackedWeights<'_> {
        let pairs = self.kind == OpKind::SparseFullyConnected && self.rows == 2;
        PackedWeights {
            rows: if pairs { 4 } else { self.rows },
            pairs,
            weights: &self.weights,
            rules: &self.bias,
            zero_point: self.zero_point,
            activation: self.activation,
        }
    }

    fn blocks(&self) -> BlockWeights<'_> {
        BlockWeights {
            rows: self.rows,
            unit: self.unit,
            weights: &self.weights,
            index: &self.index,
            bias: &self.bias,
            multipliers: &self.multipliers,
            zero_point: self.zero_point,
            activation: self.activation,
        }
    }

    fn rule(&self) -> Requantise<'_> {
        Requantise {
            multipliers: &self.multipliers,
            shift: self.shift,
            zero_point: self.zero_point,
            activation: self.activation,
        }
    }

    fn binary(&self) -> Binary {
        Binary {
            elements: self.output.elements(),
            q: self.q,
            input_zero_points: self.input_zero_points,
            zero_point: self.zero_point,
            shift: self.shift,
            activation: self.activation,
        }
    }
}
