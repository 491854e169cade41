//! The board's side of the conversation: a state machine that is fed bytes and gives back frames.

use crate::{Ask, Frame, Message, PROTOCOL, Receiver, Refusal, Request, Response, frame::frame};

/// What carries requests out.
pub trait Handler {
    /// Carries out one request. Called once per request, however often it arrives.
    fn handle(&mut self, request: Request<'_>) -> Response<'_>;
}

/// A board in a conversation. Any bytes may be fed to it; only complete requests with the right checksum do anything.
#[derive(Debug, Default)]
pub struct Device {
    receiver: Receiver,
    /// The host's number for the conversation; 0 until one starts.
    session: u32,
    /// Number of the request that `sent` answers.
    answered: Option<u32>,
    sent: Frame,
}

impl Device {
    /// A board that has just started.
    pub const fn new() -> Self {
        Self { receiver: Receiver::new(), session: 0, answered: None, sent: Frame::new() }
    }

    /// The frame to send once, at start-up.
    pub fn booted() -> Frame {
        frame(&Message::Booted)
    }

    /// Takes the next byte. If it completes a request, has it carried out and gives the frame to send.
    pub fn feed(&mut self, byte: u8, handler: &mut impl Handler) -> Option<&[u8]> {
        let content = self.receiver.feed(byte)?;
        if content.version != PROTOCOL {
            // Every frame carries the version, so any frame tells the host what is wrong.
            self.sent = Self::booted();
            self.answered = None;
            return Some(&self.sent);
        }
        let Ask { session, seq, request } = postcard::from_bytes(content.body).ok()?;
        let known = session == self.session && session != 0;
        let response = match request {
            _ if known && self.answered == Some(seq) => return Some(&self.sent),
            Request::Identify => handler.handle(request),
            _ if known => handler.handle(request),
            _ => Response::Refused(Refusal::NoSession),
        };
        if matches!(request, Request::Identify) {
            self.session = session;
        }
        // Repeats are recognised within the conversation only; another program's request is no part of it.
        self.answered = (session == self.session).then_some(seq);
        self.sent = frame(&Message::Answer { session, seq, response });
        Some(&self.sent)
    }
}
