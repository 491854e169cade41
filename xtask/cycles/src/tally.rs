//! Counts of instructions and cycles by what the instructions do.

use crate::decode::Kind;
use std::fmt::Write;

/// Names of the classes, in the order of the arrays below.
pub(crate) const CLASSES: [&str; 12] = [
    "data",
    "multiply",
    "divide",
    "load",
    "store",
    "load-many",
    "store-many",
    "branch",
    "if-then",
    "float",
    "system",
    "other",
];

/// The place of a kind in [`CLASSES`].
pub(crate) fn class(kind: Kind) -> usize {
    match kind {
        Kind::Data => 0,
        Kind::Multiply | Kind::MultiplyAdd | Kind::MultiplyLong | Kind::MultiplyAddLong => 1,
        Kind::Divide => 2,
        Kind::Load | Kind::FloatLoad { .. } => 3,
        Kind::Store { .. } | Kind::FloatStore { .. } => 4,
        Kind::LoadPair | Kind::LoadMany { .. } | Kind::FloatLoadMany { .. } => 5,
        Kind::StorePair | Kind::StoreMany { .. } | Kind::FloatStoreMany { .. } => 6,
        Kind::Branch | Kind::Call | Kind::Jump | Kind::TableBranch | Kind::LoadPc => 7,
        Kind::IfThen => 8,
        Kind::Float | Kind::FloatMultiplyAdd | Kind::FloatDivide | Kind::FloatMove | Kind::FloatMovePair => 9,
        Kind::Status | Kind::Refetch | Kind::Barrier | Kind::Hint => 10,
        Kind::Other => 11,
    }
}

/// Counts since some start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) instructions: [u64; CLASSES.len()],
    /// In the class of the instruction that took them; the refill after a taken branch is the branch's.
    pub(crate) cycles: [u64; CLASSES.len()],
    /// Branches that were taken.
    pub(crate) taken: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.instructions.iter_mut().zip(other.instructions) {
            *sum += more;
        }
        for (sum, more) in self.cycles.iter_mut().zip(other.cycles) {
            *sum += more;
        }
        self.taken += other.taken;
    }

    /// One line of JSON. `mark` is `null` for the end.
    pub(crate) fn line(&self, mark: Option<usize>) -> String {
        let mark = mark.map_or("null".into(), |mark| mark.to_string());
        let mut line = format!("{{\"mark\":{mark},\"taken\":{}", self.taken);
        for (name, values) in [("instructions", self.instructions), ("cycles", self.cycles)] {
            let values = values.map(|value| value.to_string()).join(",");
            // Writing to a string does not fail.
            let _ = write!(line, ",\"{name}\":[{values}]");
        }
        line + "}\n"
    }
}
