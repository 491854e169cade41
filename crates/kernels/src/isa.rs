//! Instruction sets that kernels are written for, and the scratch that their kernels need.

use niwaki_blob::Op;

/// An instruction set with kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, on every target: the specification.
    Scalar,
    /// 64-bit Arm with NEON, which all have.
    Neon,
    /// 64-bit Arm with NEON's dot products (FEAT_DotProd): Cortex-A55, A76 and later.
    NeonDot,
    /// 64-bit x86 with AVX2: the computers that networks are prepared on.
    Avx2,
}

impl Isa {
    /// What a build for this target runs without asking the CPU. A constant, so that the others are not linked.
    pub const CURRENT: Self = if cfg!(target_arch = "aarch64") { Self::Neon } else { Self::Scalar };

    /// Those that are in this build: tests hold each that [is available](Self::is_available) against [`Isa::Scalar`].
    #[cfg(target_arch = "aarch64")]
    pub const AVAILABLE: &[Self] = &[Self::Scalar, Self::Neon, Self::NeonDot];

    /// Those that are in this build: tests hold each that [is available](Self::is_available) against [`Isa::Scalar`].
    #[cfg(target_arch = "x86_64")]
    pub const AVAILABLE: &[Self] = &[Self::Scalar, Self::Avx2];

    /// Those that are in this build: tests hold each that [is available](Self::is_available) against [`Isa::Scalar`].
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    pub const AVAILABLE: &[Self] = &[Self::Scalar];

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
pub fn scratch_bytes(isa: Isa, _op: &Op<'_>) -> usize {
    match isa {
        // Those with wide registers use the stack, of which their targets have plenty.
        Isa::Scalar | Isa::Neon | Isa::NeonDot | Isa::Avx2 => 0,
    }
}
