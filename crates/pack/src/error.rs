//! What does not fit the format.

use niwaki_blob::{MAX_INTERFACES, WriteError};

/// A plan that does not fit the format.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PackError {
    /// The manifest holds at most four inputs and four outputs.
    #[error("the network has {0} inputs or outputs; a blob holds at most {max} of each", max = MAX_INTERFACES)]
    Interfaces(usize),
    /// A scale that the format cannot express.
    #[error("`{0}` has an output scale that is not below one half of its inputs': planning should have shifted it")]
    Scale(String),
    /// The bytes cannot be laid out, or would not be read.
    #[error("{0}")]
    Write(WriteError),
}
