//! Instruction sets that kernels are written for, and the scratch that their kernels need.

use niwaki_blob::Op;

/// An instruction set with kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, on every target: the specification.
    Scalar,
}

impl Isa {
    /// The one that this build runs. A constant, so that the others are not linked.
    pub const CURRENT: Self = Self::Scalar;

    /// Those that this build can run: tests hold each against [`Isa::Scalar`].
    pub const AVAILABLE: &[Self] = &[Self::Scalar];
}

/// Bytes of scratch that the kernel of an instruction set needs for an operation: a pure function, so that the planner
/// on the host and the check on the device agree.
pub fn scratch_bytes(isa: Isa, _op: &Op<'_>) -> usize {
    match isa {
        Isa::Scalar => 0,
    }
}
