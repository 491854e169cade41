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
    /// 64-bit Arm with NEON, which all have.
    Neon,
    /// 64-bit Arm with NEON's dot products (FEAT_DotProd): Cortex-A55, A76 and later.
    NeonDot,
    /// 64-bit x86 with AVX2: the computers that networks are prepared on.
    Avx2,
}

impl Isa {
    /// What a build for this target runs without asking the CPU. A constant, so that the others are not linked.
    pub const CURRENT: Self = if cfg!(niwaki_dsp) {
        Self::Dsp
    } else if cfg!(target_arch = "aarch64") {
        Self::Neon
    } else {
        Self::Scalar
    };

    /// Those that are in this build: tests hold each that [is available](Self::is_available) against [`Isa::Scalar`].
    #[cfg(target_arch = "aarch64")]
    pub const AVAILABLE: &[Self] = &[Self::Scalar, Self::Neon, Self::NeonDot];

    /// Those that are in this build: tests hold each that [is available](Self::is_available) against [`Isa::Scalar`].
    #[cfg(target_arch = "x86_64")]
    pub const AVAILABLE: &[Self] = &[Self::Scalar, Self::Avx2];

    /// Those that are in this build: tests hold each that [is available](Self::is_available) against [`Isa::Scalar`].
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    pub const AVAILABLE: &[Self] = if cfg!(niwaki_dsp) { &[Self::Scalar, Self::Dsp] } else { &[Self::Scalar] };

    /// The best that this CPU runs. Microcontrollers get [`Isa::CURRENT`], and only its kernels are linked. Elsewhere
    /// the CPU is asked, if the feature `std` allows it; every choice needs the same scratch.
    #[inline(always)]
    pub fn current() -> Self {
        #[cfg(target_arch = "aarch64")]
        if Self::NeonDot.is_available() {
            return Self::NeonDot;
        }
        #[cfg(target_arch = "x86_64")]
        if Self::Avx2.is_available() {
            return Self::Avx2;
        }
        Self::CURRENT
    }

    /// Whether this build has its kernels and this CPU runs them. What is not available runs as what is.
    #[inline]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Dsp => cfg!(niwaki_dsp),
            Self::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => crate::neon::has_dot(),
            #[cfg(not(target_arch = "aarch64"))]
            Self::NeonDot => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => crate::avx2::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 => false,
        }
    }
}

/// Bytes of scratch that the kernel of an instruction set needs for an operation: a pure function, so that the planner
/// on the host and the check on the device agree.
pub fn scratch_bytes(isa: Isa, op: &Op<'_>) -> usize {
    match isa {
        Isa::Dsp => dsp_scratch(op),
        // Those with wide registers use the stack, of which their targets have plenty.
        Isa::Scalar | Isa::Neon | Isa::NeonDot | Isa::Avx2 => 0,
    }
}

/// What aligning the scratch to words can cost.
const ALIGNMENT: usize = 3;

fn dsp_scratch(op: &Op<'_>) -> usize {
    match op {
        Op::PackedConv2d(conv) | Op::SparseConv2d(conv) => dsp_patches(conv).saturating_add(ALIGNMENT),
        // Columns of a pair of rows: for each of four channels two words with pairs of rows.
        Op::PackedDepthwiseConv2d(conv) => dsp_columns(conv).saturating_mul(32).saturating_add(ALIGNMENT),
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
