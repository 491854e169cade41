//! The kinds of operations, by number.

/// What an operation is; the discriminants are the format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum OpKind {
    /// [`crate::Op::Conv2d`].
    Conv2d = 1,
    /// [`crate::Op::DepthwiseConv2d`].
    DepthwiseConv2d = 2,
    /// [`crate::Op::FullyConnected`].
    FullyConnected = 3,
    /// [`crate::Op::Add`].
    Add = 4,
    /// [`crate::Op::Mul`].
    Mul = 5,
    /// [`crate::Op::MaxPool`].
    MaxPool = 6,
    /// [`crate::Op::AvgPool`].
    AvgPool = 7,
    /// [`crate::Op::Lut`].
    Lut = 8,
    /// [`crate::Op::Softmax`].
    Softmax = 9,
    /// [`crate::Op::Concat`].
    Concat = 10,
    /// [`crate::Op::Pad`].
    Pad = 11,
    /// [`crate::Op::Transpose`].
    Transpose = 12,
    /// [`crate::Op::PackedConv2d`].
    PackedConv2d = 13,
    /// [`crate::Op::PackedDepthwiseConv2d`].
    PackedDepthwiseConv2d = 14,
    /// [`crate::Op::PackedFullyConnected`].
    PackedFullyConnected = 15,
    /// [`crate::Op::SparseConv2d`].
    SparseConv2d = 16,
    /// [`crate::Op::SparseFullyConnected`].
    SparseFullyConnected = 17,
    /// [`crate::Op::BlockConv2d`].
    BlockConv2d = 18,
    /// [`crate::Op::BlockFullyConnected`].
    BlockFullyConnected = 19,
    /// [`crate::Op::MatMul`].
    MatMul = 20,
    /// [`crate::Op::LayerNorm`].
    LayerNorm = 21,
    /// [`crate::Op::Constant`].
    Constant = 22,
    /// [`crate::Op::Embedding`].
    Embedding = 23,
    /// [`crate::Op::InterleavedFullyConnected`].
    InterleavedFullyConnected = 24,
    /// [`crate::Op::SparseInterleavedFullyConnected`].
    SparseInterleavedFullyConnected = 25,
    /// [`crate::Op::CompactConv2d`].
    CompactConv2d = 26,
    /// [`crate::Op::CompactFullyConnected`].
    CompactFullyConnected = 27,
    /// [`crate::Op::WinogradFullyConnected`].
    WinogradFullyConnected = 28,
}

impl OpKind {
    /// Every kind, in the order of the format.
    pub const ALL: [Self; 28] = [
        Self::Conv2d,
        Self::DepthwiseConv2d,
        Self::FullyConnected,
        Self::Add,
        Self::Mul,
        Self::MaxPool,
        Self::AvgPool,
        Self::Lut,
        Self::Softmax,
        Self::Concat,
        Self::Pad,
        Self::Transpose,
        Self::PackedConv2d,
        Self::PackedDepthwiseConv2d,
        Self::PackedFullyConnected,
        Self::SparseConv2d,
        Self::SparseFullyConnected,
        Self::BlockConv2d,
        Self::BlockFullyConnected,
        Self::MatMul,
        Self::LayerNorm,
        Self::Constant,
        Self::Embedding,
        Self::InterleavedFullyConnected,
        Self::SparseInterleavedFullyConnected,
        Self::CompactConv2d,
        Self::CompactFullyConnected,
        Self::WinogradFullyConnected,
    ];

    /// The kind with this number in the format.
    pub fn from_u8(kind: u8) -> Option<Self> {
        Self::ALL.get(usize::from(kind).checked_sub(1)?).copied()
    }

    /// Whether it has plain weights, or none: the others are plain kinds in other layouts.
    pub const fn plain(self) -> bool {
        let number = self as u8;
        number <= Self::Transpose as u8 || (number >= Self::MatMul as u8 && number <= Self::Embedding as u8)
    }

    /// How many operands it has.
    pub const fn operands(self) -> usize {
        match self {
            Self::Add | Self::Mul | Self::MatMul => 2,
            Self::Constant => 0,
            _ => 1,
        }
    }

    /// Its bit in the header's op set.
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }

    /// The field's usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conv2d => "conv2d",
            Self::DepthwiseConv2d => "depthwise_conv2d",
            Self::FullyConnected => "fully_connected",
            Self::Add => "add",
            Self::Mul => "mul",
            Self::MaxPool => "max_pool",
            Self::AvgPool => "avg_pool",
            Self::Lut => "lut",
            Self::Softmax => "softmax",
            Self::Concat => "concat",
            Self::Pad => "pad",
            Self::Transpose => "transpose",
            Self::PackedConv2d => "packed_conv2d",
            Self::PackedDepthwiseConv2d => "packed_depthwise_conv2d",
            Self::PackedFullyConnected => "packed_fully_connected",
            Self::SparseConv2d => "sparse_conv2d",
            Self::SparseFullyConnected => "sparse_fully_connected",
            Self::BlockConv2d => "block_conv2d",
            Self::BlockFullyConnected => "block_fully_connected",
            Self::MatMul => "matmul",
            Self::LayerNorm => "layer_norm",
            Self::Constant => "constant",
            Self::Embedding => "embedding",
            Self::InterleavedFullyConnected => "interleaved_fully_connected",
            Self::SparseInterleavedFullyConnected => "sparse_interleaved_fully_connected",
            Self::CompactConv2d => "compact_conv2d",
            Self::CompactFullyConnected => "compact_fully_connected",
            Self::WinogradFullyConnected => "winograd_fully_connected",
        }
    }
}
