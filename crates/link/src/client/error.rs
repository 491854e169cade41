//! What can go wrong between a host and a board.

use crate::{PROTOCOL, Refusal};
use std::{io, string::String, time::Duration};

/// A conversation that failed. Transports name themselves, so that a message says where to look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No answer in time, however often the request was repeated.
    #[error("the board does not answer within {} s on {transport}: is the right firmware running?", .after.as_secs_f32())]
    Silent {
        /// The connection.
        transport: String,
        /// How long the client waited.
        after: Duration,
    },
    /// An inference did not end in time.
    #[error("the board did not finish within {} s on {transport}", .after.as_secs_f32())]
    Unfinished {
        /// The connection.
        transport: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The connection ended or failed.
    #[error("the connection to the board broke ({transport}): {source}")]
    Broken {
        /// The connection.
        transport: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The board started anew in the middle of a conversation, or another program has begun one.
    #[error("the board on {transport} was reset in the middle of a conversation")]
    Reset {
        /// The connection.
        transport: String,
    },
    /// The firmware was built for another version of the messages.
    #[error(
        "the firmware on {transport} speaks version {board} of the link and this program version {PROTOCOL}: \
         build and flash the firmware again"
    )]
    Version {
        /// The connection.
        transport: String,
        /// The version that the board speaks.
        board: u8,
    },
    /// The board understood the request and did not carry it out.
    #[error("the board refused: {0}")]
    Refused(Refusal),
    /// The answer is not one to the question, or does not agree with what the board said of itself.
    #[error("the board gave an answer that does not fit the question")]
    Unexpected,
    /// Not as many input bytes as the model takes.
    #[error("the model on the board takes {expected} bytes of input, not {given}")]
    InputLength {
        /// What the model takes.
        expected: usize,
        /// What it was given.
        given: usize,
    },
}
