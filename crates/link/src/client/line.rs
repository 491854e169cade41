//! One request at a time over a line that may lose bytes: sends, waits, repeats, and sorts what comes back.

use super::{LinkError, Transport};
use crate::{
    Ask, Message, PROTOCOL, Receiver, Refusal, Request, Response,
    frame::{Unpacked, frame},
};
use std::{
    boxed::Box,
    hash::{BuildHasher, RandomState},
    string::ToString,
    time::{Duration, Instant},
    vec::Vec,
};

/// A part of the board's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEvent<'a> {
    /// Raw defmt bytes.
    Bytes(&'a [u8]),
    /// So many bytes are missing here.
    Lost(u32),
}

pub(super) struct Line<'l, T> {
    transport: T,
    /// Before a request is repeated the first time.
    repeat: Duration,
    on_log: Box<dyn FnMut(LogEvent<'_>) + 'l>,
    receiver: Receiver,
    /// Received, not yet looked at.
    pending: Vec<u8>,
    looked_at: usize,
    session: u32,
    seq: u32,
    /// The board has identified itself: if it starts from now on, it was reset.
    begun: bool,
    /// Where the next piece of the log starts, once that is begun.
    log_end: Option<u32>,
    repeats: u64,
}

impl<'l, T: Transport> Line<'l, T> {
    pub(super) fn new(transport: T, repeat: Duration, on_log: impl FnMut(LogEvent<'_>) + 'l) -> Self {
        Self {
            transport,
            repeat,
            on_log: Box::new(on_log),
            receiver: Receiver::new(),
            pending: Vec::new(),
            looked_at: 0,
            // Random, so that answers to an earlier program that still wait in a serial driver are not taken for ours.
            session: RandomState::new().hash_one(0u8) as u32 | 1,
            seq: 0,
            begun: false,
            log_end: None,
            repeats: 0,
        }
    }

    pub(super) fn begun(&mut self) {
        self.begun = true;
    }

    pub(super) fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Sends a request, again and again, until its answer arrives or `limit` has passed.
    pub(super) fn exchange<R>(
        &mut self,
        request: Request<'_>,
        limit: Duration,
        accept: impl Fn(Response<'_>) -> Option<R>,
    ) -> Result<R, LinkError> {
        self.seq = self.seq.wrapping_add(1);
        let question = frame(&Ask { session: self.session, seq: self.seq, request });
        let (mut left, mut patience) = (limit, self.repeat);
        loop {
            self.transport.send(&question).map_err(|source| broken(&self.transport, source))?;
            let wait = patience.min(left);
            if let Some(answer) = self.listen(wait, &accept)? {
                return Ok(answer);
            }
            left -= wait;
            if left.is_zero() {
                return Err(LinkError::Silent { transport: self.transport.name().to_string(), after: limit });
            }
            self.repeats += 1;
            patience = (patience * 2).min(Duration::from_secs(1));
        }
    }

    /// Looks at what arrives until it is the answer to the request under way, for at most `wait`.
    fn listen<R>(
        &mut self,
        wait: Duration,
        accept: impl Fn(Response<'_>) -> Option<R>,
    ) -> Result<Option<R>, LinkError> {
        let end = Instant::now() + wait;
        loop {
            while let Some(byte) = self.pending.get(self.looked_at).copied() {
                self.looked_at += 1;
                let Some(content) = self.receiver.feed(byte) else { continue };
                let begun = self.begun;
                let log = Log { end: &mut self.log_end, tell: &mut self.on_log };
                if let Some(heard) = hear(content, begun, log, self.transport.name())?
                    && (heard.session, heard.seq) == (self.session, self.seq)
                {
                    return match heard.response {
                        Response::Refused(Refusal::NoSession) => Err(reset(self.transport.name())),
                        Response::Refused(refusal) => Err(LinkError::Refused(refusal)),
                        response => accept(response).ok_or(LinkError::Unexpected).map(Some),
                    };
                }
            }
            let mut buffer = [0; 1024];
            let left = end.saturating_duration_since(Instant::now());
            let received = self.transport.receive(&mut buffer, left);
            let received = received.map_err(|source| broken(&self.transport, source))?;
            if received == 0 {
                return Ok(None);
            }
            self.pending = buffer[..received].to_vec();
            self.looked_at = 0;
        }
    }
}

/// An answer, to this request or another.
struct Heard<'a> {
    session: u32,
    seq: u32,
    response: Response<'a>,
}

struct Log<'a, 'l> {
    end: &'a mut Option<u32>,
    tell: &'a mut (dyn FnMut(LogEvent<'_>) + 'l),
}

/// Makes sense of a frame. A board that starts once the conversation has `begun` was reset.
fn hear<'c>(
    content: Unpacked<'c>,
    begun: bool,
    log: Log<'_, '_>,
    transport: &str,
) -> Result<Option<Heard<'c>>, LinkError> {
    if content.version != PROTOCOL {
        return Err(LinkError::Version { transport: transport.to_string(), board: content.version });
    }
    match postcard::from_bytes(content.body) {
        Ok(Message::Answer { session, seq, response }) => Ok(Some(Heard { session, seq, response })),
        Ok(Message::Log { offset, bytes }) => {
            if let Some(lost) = log.end.map(|end| offset.wrapping_sub(end)).filter(|lost| *lost > 0) {
                (log.tell)(LogEvent::Lost(lost));
            }
            *log.end = Some(offset.wrapping_add(bytes.len() as u32));
            (log.tell)(LogEvent::Bytes(bytes));
            Ok(None)
        }
        Ok(Message::Booted) if begun => Err(reset(transport)),
        Ok(Message::Booted) => {
            *log.end = Some(0);
            Ok(None)
        }
        // The checksum was right, so the sender's types are not ours, whatever its version says.
        Err(_) => Err(LinkError::Unexpected),
    }
}

fn broken(transport: &impl Transport, source: std::io::Error) -> LinkError {
    LinkError::Broken { transport: transport.name().to_string(), source }
}

fn reset(transport: &str) -> LinkError {
    LinkError::Reset { transport: transport.to_string() }
}
