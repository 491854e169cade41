//! Frames: version, postcard body and CRC-32, in COBS between zero bytes.

use crate::{CHUNK, LOG_CHUNK, Message, PROTOCOL};
use cobs::{DecodeResult, DecoderState};
use heapless::Vec;
use serde::Serialize;

/// Longest content of a frame: the version, the longest body (its head takes at most 24 bytes) and the CRC.
const MAX_CONTENT: usize = 1 + 24 + CHUNK + CRC_BYTES;

const CRC_BYTES: usize = 4;

/// Longest frame on the wire, both delimiters included.
pub const MAX_FRAME: usize = framed(MAX_CONTENT);

/// Longest content of a log frame: version, head, bytes, CRC.
const MAX_LOG_CONTENT: usize = 1 + 8 + LOG_CHUNK + CRC_BYTES;

const fn framed(content: usize) -> usize {
    content + content.div_ceil(254) + 2
}

/// One frame, ready to be sent.
pub type Frame = Vec<u8, MAX_FRAME>;

/// CRC-32/ISO-HDLC, without a table: what a frame ends with, and the digest of a layer's output.
pub fn checksum(bytes: &[u8]) -> u32 {
    const CRC: crc::Crc<u32, crc::NoTable> = crc::Crc::<u32, crc::NoTable>::new(&crc::CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

/// The frame of a message; empty if the message is longer than any that this crate's types allow.
///
/// It starts with a delimiter as well, so that whatever stands before it on the line cannot spoil it.
pub(crate) fn frame(message: &impl Serialize) -> Frame {
    pack::<MAX_CONTENT, MAX_FRAME>(message).unwrap_or_default()
}

/// The frame of one piece of the log; `bytes` beyond [`LOG_CHUNK`] give an empty frame.
pub fn log_frame(offset: u32, bytes: &[u8]) -> Vec<u8, { framed(MAX_LOG_CONTENT) }> {
    pack::<MAX_LOG_CONTENT, _>(&Message::Log { offset, bytes }).unwrap_or_default()
}

fn pack<const CONTENT: usize, const FRAME: usize>(message: &impl Serialize) -> Option<Vec<u8, FRAME>> {
    let mut content = [0; CONTENT];
    let (version, body) = content.split_first_mut()?;
    *version = PROTOCOL;
    let used = 1 + postcard::to_slice(message, body).ok()?.len();
    let crc = checksum(content.get(..used)?).to_le_bytes();
    content.get_mut(used..used + CRC_BYTES)?.copy_from_slice(&crc);
    let mut frame = Vec::new();
    frame.resize(FRAME, 0).ok()?;
    let len = cobs::try_encode(content.get(..used + CRC_BYTES)?, frame.get_mut(1..FRAME - 1)?).ok()?;
    frame.truncate(len + 2);
    if let Some(end) = frame.last_mut() {
        *end = 0;
    }
    Some(frame)
}

/// The content of a frame whose checksum matched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unpacked<'a> {
    /// The sender's [`PROTOCOL`].
    pub version: u8,
    /// The postcard body.
    pub body: &'a [u8],
}

/// Collects bytes until a frame is complete. Bytes of any kind may be fed; what is not a frame is dropped.
#[derive(Debug, Default)]
pub struct Receiver {
    state: DecoderState,
    content: Vec<u8, MAX_CONTENT>,
    /// Too long to be a frame: nothing of it is kept.
    overlong: bool,
}

impl Receiver {
    /// One that has seen nothing.
    pub const fn new() -> Self {
        Self { state: DecoderState::Idle, content: Vec::new(), overlong: false }
    }

    /// Takes the next byte; gives the content of a frame if this byte completes one.
    pub fn feed(&mut self, byte: u8) -> Option<Unpacked<'_>> {
        match self.state.feed(byte) {
            Ok(DecodeResult::DataContinue(byte)) => {
                self.overlong |= self.content.push(byte).is_err();
                None
            }
            Ok(DecodeResult::DataComplete) if !self.overlong => unseal(&self.content),
            Ok(DecodeResult::NoData) => None,
            // A frame starts, or this one is not worth anything.
            Ok(DecodeResult::DataStart | DecodeResult::DataComplete) | Err(_) => {
                self.content.clear();
                self.overlong = false;
                None
            }
        }
    }
}

fn unseal(content: &[u8]) -> Option<Unpacked<'_>> {
    let (sealed, crc) = content.split_last_chunk::<CRC_BYTES>()?;
    if checksum(sealed) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (version, body) = sealed.split_first()?;
    Some(Unpacked { version: *version, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ask, Identity, LAYERS_PER_FRAME, Request, Response, message};
    use std::vec;

    fn through(frame: &[u8]) -> Option<vec::Vec<u8>> {
        let mut receiver = Receiver::new();
        frame.iter().filter_map(|byte| receiver.feed(*byte).map(|content| content.body.to_vec())).next()
    }

    #[test]
    fn the_longest_messages_fit() {
        let bytes = [0xa5; CHUNK];
        let ask = Ask { session: u32::MAX, seq: u32::MAX, request: Request::Load { offset: u32::MAX, bytes: &bytes } };
        assert_eq!(postcard::from_bytes(&through(&frame(&ask)).unwrap()), Ok(ask));

        let name = message::name(&"m".repeat(99));
        let counter = message::CounterInfo {
            kind: message::CounterKind::Cycles,
            hz: u32::MAX,
            calibration: Some(message::Calibration { ticks: u32::MAX, instructions: u32::MAX }),
        };
        let identity = Identity {
            board: name.clone(),
            model: name,
            blob_crc: u32::MAX,
            blob_version: u16::MAX,
            layers: u16::MAX,
            input_bytes: u32::MAX,
            output_bytes: u32::MAX,
            arena_bytes: u32::MAX,
            counter,
        };
        let layers = Vec::from_slice(&[u32::MAX; LAYERS_PER_FRAME]).unwrap();
        for response in [Response::Identity(identity), Response::Output { bytes: &bytes }, Response::Layers(layers)] {
            let message = Message::Answer { session: u32::MAX, seq: u32::MAX, response };
            assert_eq!(postcard::from_bytes(&through(&frame(&message)).unwrap()), Ok(message));
        }

        let piece = [0; LOG_CHUNK];
        let message = Message::Log { offset: u32::MAX, bytes: &piece };
        assert_eq!(postcard::from_bytes(&through(&log_frame(u32::MAX, &piece)).unwrap()), Ok(message));
    }

    #[test]
    fn a_frame_after_noise_is_read() {
        let frame = frame(&Message::Booted);
        for noise in [&[0u8; 3][..], &[7; 5], &[0xff; 2000], &frame[..frame.len() - 2]] {
            assert!(through(&[noise, &frame].concat()).is_some(), "after {} bytes", noise.len());
        }
    }
}
