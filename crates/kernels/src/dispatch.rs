//! From an operation to its kernel: the one place that knows every kernel.

use crate::{Isa, compact, scalar};
use niwaki_blob::{Op, OpKind};

/// The op set that has every kind.
pub const ALL_OPS: u32 = {
    let (mut set, mut at) = (0, 0);
    while at < OpKind::ALL.len() {
        set |= OpKind::ALL[at].bit();
        at += 1;
    }
    set
};

/// What a kernel reads.
#[derive(Clone, Copy, Debug)]
pub enum Operands<'a> {
    /// No operand; for [`OpKind::Constant`].
    None,
    /// One operand.
    One(&'a [i8]),
    /// Two operands.
    Two(&'a [i8], &'a [i8]),
    /// The only operand already lies in the output, which is overwritten; for [`OpKind::Lut`].
    InPlace,
    /// The first of two operands already lies in the output, which is overwritten; the second is here. For
    /// [`OpKind::Add`] and [`OpKind::Mul`].
    InPlaceWith(&'a [i8]),
}

/// Runs one operation with the kernels of an instruction set.
///
/// Only kernels of kinds in `OPS` (one [`OpKind::bit`] each) are linked. `scratch` has at least
/// [`crate::scratch_bytes`] bytes. Returns `false`, with the output as it was, where no kernel takes these operands or
/// its kind is not in `OPS`.
#[inline(always)]
pub fn run<const OPS: u32>(
    isa: Isa,
    op: &Op<'_>,
    operands: Operands<'_>,
    output: &mut [i8],
    scratch: &mut [i8],
) -> bool {
    // The same on every core.
    match (op, operands) {
        (Op::CompactConv2d(op), Operands::One(x)) if has(OPS, OpKind::CompactConv2d) => {
            compact::compact_conv2d(op, x, output);
            return true;
        }
        (Op::CompactFullyConnected(op), Operands::One(x)) if has(OPS, OpKind::CompactFullyConnected) => {
            compact::compact_fully_connected(op, x, output);
            return true;
        }
        _ => (),
    }
    // A second operand that is taken again and again: the kernels of instruction sets want one as long as the output.
    let short = matches!(operands, Operands::Two(_, b) | Operands::InPlaceWith(b) if b.len() < output.len());
    let isa = if short && matches!(op, Op::Add(_) | Op::Mul(_)) { Isa::Scalar } else { isa };
    match isa {
        Isa::Scalar => run_scalar::<OPS>(op, operands, output),
        #[cfg(niwaki_dsp)]
        Isa::Dsp => run_dsp::<OPS>(op, operands, output, scratch),
        #[cfg(niwaki_helium)]
        Isa::Helium => run_helium::<OPS>(op, operands, output, scratch),
        #[cfg(niwaki_v7m)]
        Isa::V7m => run_v7m::<OPS>(op, operands, output, scratch),
        #[cfg(niwaki_v6m)]
        Isa::V6m => run_v6m::<OPS>(op, operands, output, scratch),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::NeonDot if crate::neon::run::<OPS>(isa, op, operands, output, scratch) => true,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if crate::avx2::run::<OPS>(op, operands, output) => true,
        #[cfg(niwaki_neon32)]
        Isa::Neon32 if crate::neon32::run::<OPS>(op, operands, output) => true,
        // Also what a folder has no kernel for, and instruction sets of other targets.
        _ => {
            let _ = scratch;
            run_scalar::<OPS>(op, operands, output)
        }
    }
}

/// Whether a kind is in an op set. As a constant guard: what it excludes is not linked.
const fn has(ops: u32, kind: OpKind) -> bool {
    ops & kind.bit() != 0
}

/// DSP kernels where there are some, scalar ones elsewhere.
#[cfg(niwaki_dsp)]
#[inline(always)]
fn run_dsp<const OPS: u32>(op: &Op<'_>, operands: Operands<'_>, output: &mut [i8], scratch: &mut [i8]) -> bool {
    use crate::dsp;
    use Operands::{InPlace, InPlaceWith, One, Two};
    match (op, operands) {
        (Op::PackedConv2d(op), One(x)) if has(OPS, OpKind::PackedConv2d) => {
            dsp::packed_conv2d(op, x, output, scratch);
        }
        (Op::SparseConv2d(op), One(x)) if has(OPS, OpKind::SparseConv2d) => {
            dsp::sparse_conv2d(op, x, output, scratch);
        }
        (Op::PackedFullyConnected(op), One(x)) if has(OPS, OpKind::PackedFullyConnected) => {
            dsp::packed_fully_connected(op, x, output, scratch);
        }
        (Op::SparseFullyConnected(op), One(x)) if has(OPS, OpKind::SparseFullyConnected) => {
            dsp::sparse_fully_connected(op, x, output, scratch);
        }
        (Op::PackedDepthwiseConv2d(op), One(x)) if has(OPS, OpKind::PackedDepthwiseConv2d) => {
            dsp::packed_depthwise_conv2d(op, x, output, scratch);
        }
        (Op::DepthwiseConv2d(op), One(x)) if has(OPS, OpKind::DepthwiseConv2d) => {
            dsp::depthwise_conv2d(op, x, output, scratch);
        }
        (Op::AvgPool(op), One(x)) if has(OPS, OpKind::AvgPool) => dsp::avg_pool(op, x, output),
        (Op::MaxPool(op), One(x)) if has(OPS, OpKind::MaxPool) => dsp::max_pool(op, x, output),
        (Op::Add(op), Two(a, b)) if has(OPS, OpKind::Add) => dsp::add(op, a, b, output),
        (Op::Add(op), InPlaceWith(b)) if has(OPS, OpKind::Add) => dsp::add_in_place(op, b, output),
        (Op::Mul(op), Two(a, b)) if has(OPS, OpKind::Mul) => dsp::mul(op, a, b, output),
        (Op::Mul(op), InPlaceWith(b)) if has(OPS, OpKind::Mul) => dsp::mul_in_place(op, b, output),
        (Op::Lut(op), One(x)) if has(OPS, OpKind::Lut) => dsp::lut(op, x, output),
        (Op::MatMul(op), Two(a, b)) if has(OPS, OpKind::MatMul) => dsp::matmul(op, a, b, output),
        (Op::Softmax(op), One(x)) if has(OPS, OpKind::Softmax) => dsp::softmax(op, x, output),
        (Op::Lut(op), InPlace) if has(OPS, OpKind::Lut) => dsp::lut_in_place(op, output),
        (op, operands) => return run_scalar::<OPS>(op, operands, output),
    }
    true
}

/// Kernels for Armv6-M where there are some, scalar ones elsewhere.
#[cfg(niwaki_v6m)]
#[inline(always)]
fn run_v6m<const OPS: u32>(op: &Op<'_>, operands: Operands<'_>, output: &mut [i8], scratch: &mut [i8]) -> bool {
    use crate::v6m;
    use Operands::One;
    match (op, operands) {
        (Op::Conv2d(op), One(x)) if has(OPS, OpKind::Conv2d) => v6m::conv2d(op, x, output, scratch),
        (Op::SparseConv2d(op), One(x)) if has(OPS, OpKind::SparseConv2d) => v6m::sparse_conv2d(op, x, output, scratch),
        (Op::WinogradFullyConnected(op), One(x)) if has(OPS, OpKind::WinogradFullyConnected) => {
            v6m::winograd(op, x, output, scratch);
        }
        (Op::SparseInterleavedFullyConnected(op), One(x)) if has(OPS, OpKind::SparseInterleavedFullyConnected) => {
            v6m::sparse_interleaved(op, x, output, scratch);
        }
        (Op::DepthwiseConv2d(op), One(x)) if has(OPS, OpKind::DepthwiseConv2d) => {
            v6m::depthwise_conv2d(op, x, output, scratch);
        }
        (Op::FullyConnected(op), One(x)) if has(OPS, OpKind::FullyConnected) => v6m::fully_connected(op, x, output),
        (op, operands) => return run_scalar::<OPS>(op, operands, output),
    }
    true
}

/// Kernels for Armv7-M where there are some, scalar ones elsewhere.
#[cfg(niwaki_v7m)]
#[inline(always)]
fn run_v7m<const OPS: u32>(op: &Op<'_>, operands: Operands<'_>, output: &mut [i8], scratch: &mut [i8]) -> bool {
    use crate::v7m;
    use Operands::One;
    match (op, operands) {
        (Op::Conv2d(op), One(x)) if has(OPS, OpKind::Conv2d) => v7m::conv2d(op, x, output, scratch),
        (Op::SparseConv2d(op), One(x)) if has(OPS, OpKind::SparseConv2d) => v7m::sparse_conv2d(op, x, output, scratch),
        (Op::InterleavedFullyConnected(op), One(x)) if has(OPS, OpKind::InterleavedFullyConnected) => {
            v7m::interleaved(op, x, output, scratch);
        }
        (Op::SparseInterleavedFullyConnected(op), One(x)) if has(OPS, OpKind::SparseInterleavedFullyConnected) => {
            v7m::sparse_interleaved(op, x, output, scratch);
        }
        (Op::DepthwiseConv2d(op), One(x)) if has(OPS, OpKind::DepthwiseConv2d) => {
            v7m::depthwise_conv2d(op, x, output, scratch);
        }
        (Op::FullyConnected(op), One(x)) if has(OPS, OpKind::FullyConnected) => v7m::fully_connected(op, x, output),
        (op, operands) => return run_scalar::<OPS>(op, operands, output),
    }
    true
}

/// Helium kernels where there are some, scalar ones elsewhere.
#[cfg(niwaki_helium)]
#[inline(always)]
fn run_helium<const OPS: u32>(op: &Op<'_>, operands: Operands<'_>, output: &mut [i8], scratch: &mut [i8]) -> bool {
    use crate::helium;
    use Operands::{InPlace, InPlaceWith, One, Two};
    match (op, operands) {
        (Op::Conv2d(op), One(x)) if has(OPS, OpKind::Conv2d) => helium::conv2d(op, x, output, scratch),
        (Op::DepthwiseConv2d(op), One(x)) if has(OPS, OpKind::DepthwiseConv2d) => {
            helium::depthwise_conv2d(op, x, output, scratch);
        }
        (Op::FullyConnected(op), One(x)) if has(OPS, OpKind::FullyConnected) => helium::fully_connected(op, x, output),
        (Op::BlockConv2d(op), One(x)) if has(OPS, OpKind::BlockConv2d) => helium::block_conv2d(op, x, output, scratch),
        (Op::BlockFullyConnected(op), One(x)) if has(OPS, OpKind::BlockFullyConnected) => {
            helium::block_fully_connected(op, x, output, scratch);
        }
        (Op::AvgPool(op), One(x)) if has(OPS, OpKind::AvgPool) => helium::avg_pool(op, x, output),
        (Op::Add(op), Two(a, b)) if has(OPS, OpKind::Add) => helium::add(op, a, b, output),
        (Op::Add(op), InPlaceWith(b)) if has(OPS, OpKind::Add) => helium::add_in_place(op, b, output),
        (Op::Mul(op), Two(a, b)) if has(OPS, OpKind::Mul) => helium::mul(op, a, b, output),
        (Op::Mul(op), InPlaceWith(b)) if has(OPS, OpKind::Mul) => helium::mul_in_place(op, b, output),
        (Op::MaxPool(op), One(x)) if has(OPS, OpKind::MaxPool) => helium::max_pool(op, x, output),
        (Op::Lut(op), One(x)) if has(OPS, OpKind::Lut) => helium::lut(op, x, output),
        (Op::Lut(op), InPlace) if has(OPS, OpKind::Lut) => helium::lut_in_place(op, output),
        (op, operands) => return run_scalar::<OPS>(op, operands, output),
    }
    true
}

#[inline(always)]
fn run_scalar<const OPS: u32>(op: &Op<'_>, operands: Operands<'_>, output: &mut [i8]) -> bool {
    use Operands::{InPlace, InPlaceWith, One, Two};
    match (op, operands) {
        (Op::Conv2d(op), One(x)) if has(OPS, OpKind::Conv2d) => scalar::conv2d(op, x, output),
        (Op::DepthwiseConv2d(op), One(x)) if has(OPS, OpKind::DepthwiseConv2d) => {
            scalar::depthwise_conv2d(op, x, output);
        }
        (Op::FullyConnected(op), One(x)) if has(OPS, OpKind::FullyConnected) => scalar::fully_connected(op, x, output),
        (Op::Add(op), Two(a, b)) if has(OPS, OpKind::Add) => scalar::add(op, a, b, output),
        (Op::Add(op), InPlaceWith(b)) if has(OPS, OpKind::Add) => scalar::add_in_place(op, b, output),
        (Op::Mul(op), Two(a, b)) if has(OPS, OpKind::Mul) => scalar::mul(op, a, b, output),
        (Op::Mul(op), InPlaceWith(b)) if has(OPS, OpKind::Mul) => scalar::mul_in_place(op, b, output),
        (Op::MaxPool(op), One(x)) if has(OPS, OpKind::MaxPool) => scalar::max_pool(op, x, output),
        (Op::AvgPool(op), One(x)) if has(OPS, OpKind::AvgPool) => scalar::avg_pool(op, x, output),
        (Op::Lut(op), One(x)) if has(OPS, OpKind::Lut) => scalar::lut(op, x, output),
        (Op::Lut(op), InPlace) if has(OPS, OpKind::Lut) => scalar::lut_in_place(op, output),
        (Op::Softmax(op), One(x)) if has(OPS, OpKind::Softmax) => scalar::softmax(op, x, output),
        (Op::Concat(op), One(x)) if has(OPS, OpKind::Concat) => scalar::concat(op, x, output),
        (Op::Pad(op), One(x)) if has(OPS, OpKind::Pad) => scalar::pad(op, x, output),
        (Op::Transpose(op), One(x)) if has(OPS, OpKind::Transpose) => scalar::transpose(op, x, output),
        (Op::PackedConv2d(op), One(x)) if has(OPS, OpKind::PackedConv2d) => scalar::packed_conv2d(op, x, output),
        (Op::PackedDepthwiseConv2d(op), One(x)) if has(OPS, OpKind::PackedDepthwiseConv2d) => {
            scalar::packed_depthwise_conv2d(op, x, output);
        }
        (Op::PackedFullyConnected(op), One(x)) if has(OPS, OpKind::PackedFullyConnected) => {
            scalar::packed_fully_connected(op, x, output);
        }
        (Op::SparseConv2d(op), One(x)) if has(OPS, OpKind::SparseConv2d) => scalar::sparse_conv2d(op, x, output),
        (Op::SparseFullyConnected(op), One(x)) if has(OPS, OpKind::SparseFullyConnected) => {
            scalar::sparse_fully_connected(op, x, output);
        }
        (Op::BlockConv2d(op), One(x)) if has(OPS, OpKind::BlockConv2d) => scalar::block_conv2d(op, x, output),
        (Op::BlockFullyConnected(op), One(x)) if has(OPS, OpKind::BlockFullyConnected) => {
            scalar::block_fully_connected(op, x, output);
        }
        (Op::MatMul(op), Two(a, b)) if has(OPS, OpKind::MatMul) => scalar::matmul(op, a, b, output),
        (Op::LayerNorm(op), One(x)) if has(OPS, OpKind::LayerNorm) => scalar::layer_norm(op, x, output),
        (Op::Constant(op), Operands::None) if has(OPS, OpKind::Constant) => scalar::constant(op, output),
        (Op::Embedding(op), One(x)) if has(OPS, OpKind::Embedding) => scalar::embedding(op, x, output),
        (Op::InterleavedFullyConnected(op), One(x)) if has(OPS, OpKind::InterleavedFullyConnected) => {
            scalar::interleaved_fully_connected(op, x, output);
        }
        (Op::SparseInterleavedFullyConnected(op), One(x)) if has(OPS, OpKind::SparseInterleavedFullyConnected) => {
            scalar::sparse_interleaved_fully_connected(op, x, output);
        }
        (Op::WinogradFullyConnected(op), One(x)) if has(OPS, OpKind::WinogradFullyConnected) => {
            scalar::winograd_fully_connected(op, x, output);
        }
        _ => return false,
    }
    true
}
