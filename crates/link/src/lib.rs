//! Messages between a host and a board: postcard bodies with a CRC-32, in COBS frames, over any byte stream.
//!
//! The host asks, the board answers; one request is under way at a time. A request that is repeated because its answer
//! got lost is answered again without being carried out again, so every request is safe to repeat. The board also sends
//! two messages unasked: that it has started, and what it logs.
//!
//! [`Device`] is the board's side and knows no heap; [`Client`], with the `std` feature, is the host's.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "std")]
mod client;
mod device;
mod frame;
mod message;

#[cfg(feature = "std")]
pub use client::{Client, LinkError, LogEvent, Settings, Streams, Transport};
pub use device::{Device, Handler};
pub use frame::{Frame, MAX_FRAME, Receiver, Unpacked, checksum, log_frame};
pub use message::{
    Ask, CHUNK, Calibration, CounterInfo, CounterKind, Identity, LAYERS_PER_FRAME, LOG_CHUNK, Message, Mode, Name,
    PROTOCOL, Refusal, Request, Response, name,
};
