//! AVX2, for the computers that networks are prepared on: thousands of samples are evaluated there.
//!
//! Where there is no kernel for an operation, or one does not fit, the scalar kernel runs.

#![allow(unsafe_code, reason = "kernels of an instruction set work on raw pointers and call its instructions")]

mod conv2d;
mod depthwise_conv2d;
mod fully_connected;
mod requantise;

use crate::{Operands, simd};
use niwaki_blob::{Op, OpKind};

/// Whether this CPU has it.
#[inline]
pub(crate) fn is_available() -> bool {
    #[cfg(feature = "std")]
    let found = std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(feature = "std"))]
    let found = cfg!(target_feature = "avx2");
    found
}

/// Runs one operation; `false`, with the output as it was, where a scalar kernel has to.
#[inline(always)]
pub(crate) fn run<const OPS: u32>(op: &Op<'_>, operands: Operands<'_>, output: &mut [i8]) -> bool {
    // A constant guard: what it excludes is not linked.
    const fn has(ops: u32, kind: OpKind) -> bool {
        ops & kind.bit() != 0
    }
    // The caller may be wrong about the CPU.
    let Operands::One(x) = operands else { return false };
    if !is_available() {
        return false;
    }
    match op {
        // SAFETY: the CPU has AVX2, as was just found out.
        Op::Conv2d(op) if has(OPS, OpKind::Conv2d) => unsafe { simd::conv2d::<conv2d::Avx2>(op, x, output) },
        Op::DepthwiseConv2d(op) if has(OPS, OpKind::DepthwiseConv2d) => {
            // SAFETY: as above.
            unsafe { simd::depthwise_conv2d::<depthwise_conv2d::Avx2>(op, x, output) }
        }
        Op::FullyConnected(op) if has(OPS, OpKind::FullyConnected) => {
            // SAFETY: as above.
            unsafe { fully_connected::fully_connected(op, x, output) }
        }
        _ => false,
    }
}
