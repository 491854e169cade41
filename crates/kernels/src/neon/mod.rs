//! NEON, for every 64-bit Arm core, and with the dot products that many have (Cortex-A55, A76 and later: Raspberry Pi 5).
//!
//! Where there is no kernel for an operation, or one does not fit, the scalar kernel runs.

#![allow(unsafe_code, reason = "kernels of an instruction set work on raw pointers and call its instructions")]

mod add;
mod avg_pool;
mod block;
mod connected;
mod conv2d;
mod conv2d_dot;
mod depthwise_conv2d;
mod depthwise_conv2d_dot;
mod fully_connected;
mod fully_connected_dot;
mod load;
mod max_pool;
mod mul;
mod pool;
mod requantise;
mod sdot;

use crate::{Isa, Operands, simd};
use niwaki_blob::{Op, OpKind};
use requantise::{Rule, add, add_pairs, narrow, narrow_quick, outputs, requantise};

/// Whether this CPU has [`Isa::NeonDot`].
#[inline]
pub(crate) fn has_dot() -> bool {
    #[cfg(feature = "std")]
    let found = std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(feature = "std"))]
    let found = cfg!(target_feature = "dotprod");
    found
}

/// Runs one operation; `false`, with the output as it was, where a scalar kernel has to.
#[inline(always)]
pub(crate) fn run<const OPS: u32>(
    isa: Isa,
    op: &Op<'_>,
    operands: Operands<'_>,
    output: &mut [i8],
    scratch: &mut [i8],
) -> bool {
    use Operands::{InPlaceWith, One, Two};
    // A constant guard: what it excludes is not linked.
    const fn has(ops: u32, kind: OpKind) -> bool {
        ops & kind.bit() != 0
    }
    // The caller may be wrong about the CPU.
    let dot = isa == Isa::NeonDot && has_dot();
    match (op, operands) {
        (Op::Conv2d(op), One(x)) if has(OPS, OpKind::Conv2d) => match dot {
            // SAFETY: the CPU has dot products, as was just found out.
            true => unsafe { simd::conv2d::<conv2d_dot::Dot>(op, x, output) },
            // SAFETY: the target has NEON.
            false => unsafe { simd::conv2d::<conv2d::Neon>(op, x, output) },
        },
        (Op::DepthwiseConv2d(op), One(x)) if has(OPS, OpKind::DepthwiseConv2d) => match dot {
            // SAFETY: the CPU has dot products, as was just found out.
            true => unsafe { simd::depthwise_conv2d::<depthwise_conv2d_dot::Dot>(op, x, output) },
            // SAFETY: the target has NEON.
            false => unsafe { simd::depthwise_conv2d::<depthwise_conv2d::Neon>(op, x, output) },
        },
        (Op::FullyConnected(op), One(x)) if has(OPS, OpKind::FullyConnected) => match dot {
            // SAFETY: the CPU has dot products, as was just found out.
            true => unsafe { fully_connected_dot::fully_connected(op, x, output) },
            // SAFETY: the target has NEON.
            false => unsafe { fully_connected::fully_connected(op, x, output) },
        },
        (Op::BlockConv2d(op), One(x)) if has(OPS, OpKind::BlockConv2d) => {
            // SAFETY: the target has NEON, and `dot` says whether the CPU has dot products.
            unsafe { block::conv2d(dot, op, x, output, scratch) }
        }
        (Op::BlockFullyConnected(op), One(x)) if has(OPS, OpKind::BlockFullyConnected) => {
            // SAFETY: as above.
            unsafe { block::fully_connected(dot, op, x, output, scratch) }
        }
        (Op::Add(op), Two(a, b)) if has(OPS, OpKind::Add) => {
            // SAFETY: the target has NEON.
            unsafe { add::add(op, a, b, output) }
        }
        (Op::Add(op), InPlaceWith(b)) if has(OPS, OpKind::Add) => {
            // SAFETY: the target has NEON.
            unsafe { add::add_in_place(op, b, output) }
        }
        (Op::Mul(op), Two(a, b)) if has(OPS, OpKind::Mul) => {
            // SAFETY: the target has NEON.
            unsafe { mul::mul(op, a, b, output) }
        }
        (Op::Mul(op), InPlaceWith(b)) if has(OPS, OpKind::Mul) => {
            // SAFETY: the target has NEON.
            unsafe { mul::mul_in_place(op, b, output) }
        }
        (Op::MaxPool(op), One(x)) if has(OPS, OpKind::MaxPool) => {
            // SAFETY: the target has NEON.
            unsafe { max_pool::max_pool(op, x, output) }
        }
        (Op::AvgPool(op), One(x)) if has(OPS, OpKind::AvgPool) => {
            // SAFETY: the target has NEON.
            unsafe { avg_pool::avg_pool(op, x, output) }
        }
        _ => false,
    }
}
