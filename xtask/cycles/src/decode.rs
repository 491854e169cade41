//! What the price of an instruction depends on, read from its encoding (Armv7-M and Armv8-M Architecture Reference
//! Manuals, chapter "The Thumb Instruction Set Encoding").

use crate::{narrow, wide};

/// Core registers, one bit each.
pub(crate) type Registers = u16;

/// The register `number` alone.
pub(crate) fn register(number: u16) -> Registers {
    1 << (number & 15)
}

/// What an instruction does, as far as its time depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Arithmetic, logic, moves, shifts, bit fields, saturation.
    #[default]
    Data,
    /// 32-bit products without an accumulator, and those of the DSP extension.
    Multiply,
    /// MLA and MLS.
    MultiplyAdd,
    /// SMULL and UMULL.
    MultiplyLong,
    /// SMLAL, UMLAL, UMAAL.
    MultiplyAddLong,
    /// SDIV and UDIV.
    Divide,
    /// One word, halfword or byte.
    Load,
    /// One word, halfword or byte.
    Store {
        /// The address is a sum of two registers.
        indexed: bool,
    },
    /// LDR to pc.
    LoadPc,
    /// LDRD.
    LoadPair,
    /// STRD.
    StorePair,
    /// LDM, POP.
    LoadMany { registers: u8, pc: bool },
    /// STM, PUSH.
    StoreMany { registers: u8 },
    /// B, with or without condition, CBZ, CBNZ.
    Branch,
    /// BL.
    Call,
    /// BX, BLX, MOV and ADD to pc.
    Jump,
    /// TBB and TBH.
    TableBranch,
    /// IT.
    IfThen,
    /// MRS, MSR, CPS.
    Status,
    /// ISB.
    Refetch,
    /// DSB, DMB.
    Barrier,
    /// NOP and its kind, PLD, BKPT, SVC, UDF.
    Hint,
    /// Floating-point arithmetic but for what follows.
    Float,
    /// VMLA, VFMA and their kind.
    FloatMultiplyAdd,
    /// VDIV, VSQRT.
    FloatDivide,
    /// Between a core register and a floating-point one.
    FloatMove,
    /// Between two core registers and floating-point ones.
    FloatMovePair,
    /// VLDR of so many words.
    FloatLoad { words: u8 },
    /// VSTR of so many words.
    FloatStore { words: u8 },
    /// VLDM, VPOP.
    FloatLoadMany { words: u8 },
    /// VSTM, VPUSH.
    FloatStoreMany { words: u8 },
    /// An encoding without a price here: vectors of Helium, coprocessors.
    Other,
}

/// One instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) kind: Kind,
    /// Registers that an address is made of.
    pub(crate) address: Registers,
    /// Registers that data processing writes.
    pub(crate) result: Registers,
    /// Registers that a load writes.
    pub(crate) loaded: Registers,
    /// Bytes of a single access.
    pub(crate) width: u8,
    /// Single-precision registers that floating-point arithmetic writes.
    pub(crate) float_result: u32,
    /// Single-precision registers that are needed at the start: an addend is not.
    pub(crate) float_operands: u32,
}

impl Instruction {
    /// One that does not touch memory and writes `result`.
    pub(crate) fn of(kind: Kind, result: Registers) -> Self {
        Self { kind, result, ..Self::default() }
    }

    /// Whether it reads or writes memory.
    pub(crate) fn accesses_memory(&self) -> bool {
        use Kind::{
            FloatLoad, FloatLoadMany, FloatStore, FloatStoreMany, Load, LoadMany, LoadPair, LoadPc, Store, StoreMany,
            StorePair,
        };
        matches!(
            self.kind,
            Load | Store { .. }
                | LoadPc
                | LoadPair
                | StorePair
                | LoadMany { .. }
                | StoreMany { .. }
                | FloatLoad { .. }
                | FloatStore { .. }
                | FloatLoadMany { .. }
                | FloatStoreMany { .. }
        )
    }

    /// How many instructions an IT makes conditional; 0 for all others.
    pub(crate) fn block_length(&self, first: u16) -> u32 {
        if self.kind == Kind::IfThen { 4 - (first & 15).trailing_zeros().min(3) } else { 0 }
    }
}

/// Reads an instruction of two or four bytes; `second` is 0 for the short ones.
pub(crate) fn decode(first: u16, second: u16, long: bool) -> Instruction {
    if long { wide::decode(first, second) } else { narrow::decode(first) }
}
