//! What an instruction costs on each core, in cycles of a memory without wait states.
//!
//! Sources:
//! - Cortex-M0: Arm DDI 0432C, table 3-1, but for the prices of BL, of POP with pc, and of MRS, MSR and barriers, of which
//!   no copy was at hand: from memory. Cortex-M0+: Arm DDI 0484C, table 3-1. The product in one cycle on both.
//! - Cortex-M3: Arm DDI 0337I (r2p1), table 3-1 and the section on load and store timings. Long products, whose time
//!   depends on their operands, at their longest.
//! - Cortex-M4: Arm DDI 0439D (r0p1), tables 3-1 and 7-1, and the same section. A load or store right after a single load
//!   is pipelined: n loads take n + 1. An address that the instruction before has just computed, and a floating-point
//!   operand that it has just computed, take one more; so does a load that is not aligned (two more for a word at an odd
//!   address).
//! - Cortex-M33: its manual (Arm 100230) has no table. LLVM schedules it with its model of the Cortex-M4, and so does this.
//! - Cortex-M7: there is no public table. Priced as a Cortex-M4, which issues one instruction at a time where an M7 may
//!   issue two: an upper bound, mispredicted branches and caches left aside.
//!
//! A taken branch refills the pipeline, which the manuals of M3 and M4 give as 1 to 3 cycles: [`REFILL`]. A division
//! takes 2 to 12 by its operands: [`DIVISION`]. IT is not folded. Exceptions are not priced.

use crate::decode::{Instruction, Kind};

/// Cycles to refill the pipeline of Cortex-M3, M4 and M33, as GCC's model of the Cortex-M4 has it.
const REFILL: u32 = 2;

/// Cycles of SDIV and UDIV: the middle of what the manuals give.
const DIVISION: u32 = 7;

/// A core that there are prices for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// Cortex-M0.
    M0,
    /// Cortex-M0+.
    M0Plus,
    /// Cortex-M3.
    M3,
    /// Cortex-M4, and what is priced like it: M33, and M7 as an upper bound.
    M4,
    /// Any: instructions are counted, and every price is 0.
    Unpriced,
}

impl Core {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "cortex-m0" => Self::M0,
            "cortex-m0plus" => Self::M0Plus,
            "cortex-m3" => Self::M3,
            "cortex-m4" | "cortex-m33" | "cortex-m7" => Self::M4,
            "none" => Self::Unpriced,
            _ => return None,
        })
    }

    fn is_v6m(self) -> bool {
        matches!(self, Self::M0 | Self::M0Plus)
    }

    /// Whether loads may be unaligned, and take longer then.
    pub(crate) fn loads_unaligned(self) -> bool {
        matches!(self, Self::M3 | Self::M4)
    }

    /// Cycles of an instruction. `previous` is the one executed just before, if that is known and the pipeline was not
    /// refilled between them.
    pub(crate) fn price(self, this: &Instruction, previous: Option<&Instruction>) -> u32 {
        let alone = match self {
            Self::Unpriced => return 0,
            Self::M0 | Self::M0Plus => return self.v6m(this.kind),
            Self::M3 => v7m(this.kind, true),
            Self::M4 => v7m(this.kind, false),
        };
        let Some(previous) = previous else { return alone };
        let mut price = alone;
        let single = matches!(this.kind, Kind::Load | Kind::Store { .. });
        if single && previous.kind == Kind::Load && this.address & previous.loaded == 0 && price > 1 {
            price -= 1;
        }
        price += u32::from(this.accesses_memory() && this.address & previous.result != 0);
        price + u32::from(this.float_operands & previous.float_result != 0)
    }

    /// Cycles on top if the instruction continued elsewhere than behind itself; `None` if it is not one that can.
    pub(crate) fn refill(self, kind: Kind) -> Option<u32> {
        use Kind::{Branch, Call, Jump, LoadMany, LoadPc, TableBranch};
        Some(match (self, kind) {
            (_, LoadMany { pc: false, .. }) => return None,
            (Self::Unpriced, Branch | Call | Jump | LoadMany { .. } | LoadPc | TableBranch) => 0,
            (Self::M0, Branch | Jump) => 2,
            (Self::M0, Call | LoadMany { .. }) => 3,
            (Self::M0Plus, Branch | Jump) => 1,
            (Self::M0Plus, Call | LoadMany { .. }) => 2,
            (_, Branch | Call | Jump | LoadMany { .. } | LoadPc | TableBranch) => REFILL,
            _ => return None,
        })
    }

    /// Cycles on top if a load of so many bytes was at this address.
    pub(crate) fn unaligned(self, width: u8, address: u64) -> u64 {
        match (width, address & 3) {
            _ if !self.loads_unaligned() => 0,
            (2, 1 | 3) | (4, 2) => 1,
            (4, 1 | 3) => 2,
            _ => 0,
        }
    }

    fn v6m(self, kind: Kind) -> u32 {
        match kind {
            Kind::Load | Kind::Store { .. } => 2,
            Kind::LoadMany { registers, .. } | Kind::StoreMany { registers } => 1 + u32::from(registers),
            Kind::Status | Kind::Refetch | Kind::Barrier if self == Self::M0 => 4,
            Kind::Status | Kind::Refetch | Kind::Barrier => 3,
            _ => 1,
        }
    }
}

/// Prices that Cortex-M3 and M4 share, and where they part.
fn v7m(kind: Kind, m3: bool) -> u32 {
    match kind {
        Kind::MultiplyAdd if m3 => 2,
        Kind::MultiplyLong if m3 => 5,
        Kind::MultiplyAddLong if m3 => 7,
        Kind::Divide => DIVISION,
        Kind::Load | Kind::LoadPc | Kind::Store { indexed: true } => 2,
        Kind::Store { indexed: false } => 1,
        Kind::LoadPair | Kind::StorePair => 3,
        Kind::LoadMany { registers, .. } | Kind::StoreMany { registers } => 1 + u32::from(registers),
        Kind::TableBranch | Kind::Status => 2,
        Kind::Refetch => 1 + REFILL,
        Kind::FloatMultiplyAdd => 3,
        Kind::FloatDivide => 14,
        Kind::FloatMovePair => 2,
        Kind::FloatLoad { words }
        | Kind::FloatStore { words }
        | Kind::FloatLoadMany { words }
        | Kind::FloatStoreMany { words } => 1 + u32::from(words),
        _ => 1,
    }
}

/// What a core's figures mean, for reports.
pub(crate) fn model(core: &str) -> &'static str {
    match core {
        "cortex-m0" => "Arm DDI 0432C, zero wait states, product in one cycle",
        "cortex-m0plus" => "Arm DDI 0484C, zero wait states, product in one cycle",
        "cortex-m3" => "Arm DDI 0337I, zero wait states, refill of 2, long products at their longest",
        "cortex-m4" => "Arm DDI 0439D, zero wait states, refill of 2",
        "cortex-m33" => {
            "priced as Cortex-M4, since no timing of Cortex-M33 is published; zero wait states, refill of 2"
        }
        "cortex-m7" => {
            "priced as Cortex-M4, one instruction at a time: an upper bound without mispredictions and cache misses"
        }
        _ => "instructions only: no prices of this core",
    }
}

impl Core {
    /// Whether prices depend on the instruction before.
    pub(crate) fn pairs(self) -> bool {
        !self.is_v6m()
    }
}
