//! Everything that can go wrong, in one flat list.

use niwaki_blob::{OpKind, ReadError};

/// Why a model cannot be read or run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a blob that can be run.
    Blob(ReadError),
    /// The blob uses an operation that this program was not linked with; see [`crate::Model::read_linked`].
    NotLinked {
        /// Index of the operation.
        index: u16,
        /// What it is.
        kind: OpKind,
    },
    /// The kernels of this program need more scratch than the blob was planned with: it is meant for another core.
    Scratch {
        /// Index of the operation.
        index: u16,
        /// Bytes that its kernel needs.
        needed: usize,
        /// Bytes that the blob provides for.
        planned: usize,
    },
    /// The arena is too small.
    ArenaTooSmall {
        /// Bytes that the blob needs.
        needed: usize,
        /// Bytes of the arena, from its first 16-byte boundary on.
        available: usize,
    },
    /// An operation could not be run. Does not happen with a blob that was read.
    Op {
        /// Index of the operation.
        index: u16,
    },
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Blob(error)
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Blob(error) => error.fmt(f),
            Self::NotLinked { index, kind } => {
                write!(f, "operation {index} is a {}, whose kernel is not in this program", kind.name())
            }
            Self::Scratch { index, needed, planned } => {
                write!(f, "operation {index} needs {needed} bytes of scratch here, the blob was planned with {planned}")
            }
            Self::ArenaTooSmall { needed, available } => {
                write!(f, "the model needs an arena of {needed} bytes, this one has {available}")
            }
            Self::Op { index } => write!(f, "operation {index} could not be run"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Blob(error) => Some(error),
            _ => None,
        }
    }
}
