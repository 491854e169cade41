//! NEON of 32-bit Arm: Cortex-A7 and later, every Raspberry Pi with Armv7 and more. Stable Rust has no intrinsics for it, so
//! the inner loops are assembly; what is around them is shared with other wide instruction sets (`simd/`).
//!
//! Where there is no kernel for an operation, or one does not fit, the scalar kernel runs.

#![allow(unsafe_code, reason = "kernels of an instruction set work on raw pointers and call its instructions")]

mod conv2d;
mod depthwise_conv2d;
mod fully_connected;

use crate::{
    Operands,
    simd::{self, Scalars},
};
use niwaki_blob::{Op, OpKind};

/// Whether this CPU has NEON.
#[inline]
pub(crate) fn is_available() -> bool {
    #[cfg(feature = "std")]
    {
        /// What the kernel tells of the CPU, and the bit for NEON (Linux's `asm/hwcap.h`).
        const AT_HWCAP: core::ffi::c_ulong = 16;
        const NEON: core::ffi::c_ulong = 1 << 12;
        unsafe extern "C" {
            safe fn getauxval(which: core::ffi::c_ulong) -> core::ffi::c_ulong;
        }
        getauxval(AT_HWCAP) & NEON != 0
    }
    #[cfg(not(feature = "std"))]
    false
}

/// Runs one operation; `false`, with the output as it was, where a scalar kernel has to.
#[inline(always)]
pub(crate) fn run<const OPS: u32>(op: &Op<'_>, operands: Operands<'_>, output: &mut [i8]) -> bool {
    // A constant guard: what it excludes is not linked.
    const fn has(ops: u32, kind: OpKind) -> bool {
        ops & kind.bit() != 0
    }
    let Operands::One(x) = operands else { return false };
    // The caller may be wrong about the CPU.
    if !is_available() {
        return false;
    }
    match op {
        // Two products have to fit into 16 bits together.
        Op::Conv2d(op) if has(OPS, OpKind::Conv2d) && simd::pairs_fit(op.weights) => {
            // SAFETY: the CPU has NEON, as was just found out.
            unsafe { simd::conv2d::<conv2d::Neon>(op, x, output) }
        }
        Op::DepthwiseConv2d(op) if has(OPS, OpKind::DepthwiseConv2d) && simd::pairs_fit(op.weights) => {
            let [height, width] = op.window.kernel;
            // SAFETY: as above.
            height.saturating_mul(width) <= depthwise_conv2d::MOST_TAPS
                && unsafe { simd::depthwise_conv2d::<depthwise_conv2d::Neon>(op, x, output) }
        }
        Op::FullyConnected(op) if has(OPS, OpKind::FullyConnected) => {
            // SAFETY: as above.
            unsafe { fully_connected::fully_connected(op, x, output) }
        }
        _ => false,
    }
}

/// What every channel shares, as vectors that the assembly loads.
#[repr(C, align(8))]
struct Rule {
    shift: [i32; 4],
    zero_point: [i16; 8],
    min: [i8; 8],
    max: [i8; 8],
}

impl Rule {
    fn new(scalars: &Scalars) -> Self {
        Self {
            shift: [scalars.shift as i32; 4],
            zero_point: [i16::from(scalars.zero_point); 8],
            min: [scalars.min; 8],
            max: [scalars.max; 8],
        }
    }
}
