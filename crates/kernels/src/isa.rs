//! Instruction sets that kernels are written for, and the scratch that their kernels need.

use niwaki_blob::{Op, PackedConv2d};

/// An instruction set with kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, on every target: the specification.
    Scalar,
    /// The DSP instructions of Armv7E-M and of Armv8-M with the DSP extension: Cortex-M4, M7 and M33.
    Dsp,
}

impl Isa {
    /// The one that this build runs. A constant, so that the others are not linked.
    pub const CURRENT: Self = if cfg!(niwaki_dsp) { Self::Dsp } else { Self::Scalar };

    /// Those that this build can run: tests hold each against [`Isa::Scalar`].
    pub const AVAILABLE: &[Self] = if cfg!(niwaki_dsp) { &[Self::Scalar, Self::Dsp] } else { &[Self::Scalar] };
}

/// Bytes of scratch that the kernel of an instruction set needs for an operation: a pure function, so that the planner
/// on the host and the check on the device agree.
pub fn scratch_bytes(isa: Isa, op: &Op<'_>) -> usize {
    match isa {
        Isa::Scalar => 0,
        Isa::Dsp => dsp_scratch(op),
    }
}

/// What aligning the scratch to words can cost.
const ALIGNMENT: usize = 3;

fn dsp_scratch(op: &Op<'_>) -> usize {
    match op {
        Op::PackedConv2d(conv) | Op::SparseConv2d(conv) => dsp_patches(conv).saturating_add(ALIGNMENT),
        Op::PackedDepthwiseConv2d(conv) => {
            dsp_columns(conv).saturating_mul(4 * dsp_column_words(conv)).saturating_add(ALIGNMENT)
        }
        // Whole words of the input, where it does not end with one.
        Op::PackedFullyConnected(layer) | Op::SparseFullyConnected(layer) if !layer.inputs.is_multiple_of(4) => {
            layer.inputs.next_multiple_of(4) + ALIGNMENT
        }
        _ => 0,
    }
}

/// Four pixels' terms, widened to 16 bits; and one pixel's terms as bytes, where they are not whole words.
fn dsp_patches(conv: &PackedConv2d<'_>) -> usize {
    let quads = conv.quads();
    let bytes = if conv.input.channels.is_multiple_of(4) { 0 } else { quads.saturating_mul(4).saturating_add(4) };
    quads.saturating_mul(32).saturating_add(bytes)
}

/// Columns of the input, with padding, that one row of outputs reads.
pub(crate) fn dsp_columns(conv: &PackedConv2d<'_>) -> usize {
    (conv.output.width.saturating_sub(1)).saturating_mul(conv.window.stride[1]).saturating_add(conv.window.kernel[1])
}

/// Words of a column of four channels that a pair of rows of outputs reads: two rows of the input in each.
pub(crate) fn dsp_column_words(conv: &PackedConv2d<'_>) -> usize {
    // Four rows of the input, or five where the outputs are two rows apart.
    if conv.window.stride[0] == 2 { 12 } else { 8 }
}
