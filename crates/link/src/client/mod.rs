//! The host's side of the conversation: what a host wants of a board, as requests and answers.

mod error;
mod line;
mod transport;

pub use error::LinkError;
pub use line::LogEvent;
pub use transport::{Streams, Transport};

use crate::{CHUNK, Identity, Mode, Refusal, Request, Response};
use line::Line;
use std::{time::Duration, vec::Vec};

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For the first answer: a board may still be starting.
    pub start: Duration,
    /// For every other answer but that to a run.
    pub answer: Duration,
    /// For an inference.
    pub run: Duration,
    /// Before a request is repeated the first time; it then doubles up to a second, so that a board which was reset
    /// in the middle of a long run is asked soon enough to say so.
    pub repeat: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(10),
            answer: Duration::from_secs(5),
            run: Duration::from_secs(60),
            repeat: Duration::from_millis(500),
        }
    }
}

/// A host in a conversation with a board.
pub struct Client<'l, T> {
    line: Line<'l, T>,
    settings: Settings,
    identity: Identity,
}

impl<'l, T: Transport> Client<'l, T> {
    /// Starts a conversation: waits until the board has said who it is. `on_log` is given its log from then on.
    ///
    /// # Errors
    /// [`LinkError::Silent`] if there is no board, [`LinkError::Version`] if its firmware is another one's.
    pub fn connect(transport: T, settings: Settings, on_log: impl FnMut(LogEvent<'_>) + 'l) -> Result<Self, LinkError> {
        let mut line = Line::new(transport, settings.repeat, on_log);
        let identity = line.exchange(Request::Identify, settings.start, |response| match response {
            Response::Identity(identity) => Some(identity),
            _ => None,
        })?;
        line.begun();
        Ok(Self { line, settings, identity })
    }

    /// What the board said of itself.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How often a request had to be repeated so far.
    pub fn repeats(&self) -> u64 {
        self.line.repeats()
    }

    /// Loads the inputs, which count as one array. Needed before every run: activations may lie where inputs were.
    ///
    /// # Errors
    /// [`LinkError::InputLength`], or what went wrong on the way.
    pub fn load(&mut self, input: &[u8]) -> Result<(), LinkError> {
        let expected = self.identity.input_bytes as usize;
        if input.len() != expected {
            return Err(LinkError::InputLength { expected, given: input.len() });
        }
        for (place, bytes) in input.chunks(CHUNK).enumerate() {
            let offset = (place * CHUNK) as u32;
            self.line.exchange(Request::Load { offset, bytes }, self.settings.answer, |response| match response {
                Response::Loaded { total } => (total as usize == offset as usize + bytes.len()).then_some(()),
                _ => None,
            })?;
        }
        Ok(())
    }

    /// Runs one inference on inputs that were just loaded. Returns the board's ticks; none from a board without a
    /// counter or for a run that is not timed.
    ///
    /// # Errors
    /// What went wrong on the way or on the board.
    pub fn run(&mut self, mode: Mode) -> Result<Option<u64>, LinkError> {
        self.ticks(Request::Run { mode })
    }

    /// Times a loop of exactly this many instructions on the board.
    ///
    /// # Errors
    /// [`Refusal::NoCounter`] from a board that has no such loop, or what went wrong on the way.
    pub fn known_loop(&mut self, instructions: u32) -> Result<u64, LinkError> {
        self.ticks(Request::KnownLoop { instructions })?.ok_or(LinkError::Refused(Refusal::NoCounter))
    }

    /// The outputs of the last run, as one array.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn output(&mut self) -> Result<Vec<u8>, LinkError> {
        let total = self.identity.output_bytes as usize;
        let mut output = Vec::with_capacity(total);
        while output.len() < total {
            let len = (total - output.len()).min(CHUNK);
            let request = Request::ReadOutput { offset: output.len() as u32, len: len as u16 };
            let piece = self.line.exchange(request, self.settings.answer, |response| match response {
                Response::Output { bytes } => (1..=len).contains(&bytes.len()).then(|| bytes.to_vec()),
                _ => None,
            })?;
            output.extend(piece);
        }
        Ok(output)
    }

    /// Ticks of each layer in the last run, which was [`Mode::Layers`].
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn profile(&mut self) -> Result<Vec<u32>, LinkError> {
        self.layers(|first| Request::Profile { first })
    }

    /// CRC-32 of each layer's output in the last run, which was [`Mode::Digest`].
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn digests(&mut self) -> Result<Vec<u32>, LinkError> {
        self.layers(|first| Request::Digests { first })
    }

    /// Bytes of the stack that were used since the board's start, and bytes that there are; none from a board that
    /// cannot tell.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn stack(&mut self) -> Result<Option<(u32, u32)>, LinkError> {
        self.line.exchange(Request::Stack, self.settings.answer, |response| match response {
            Response::Stack { used, bytes } => Some(used.zip(bytes)),
            _ => None,
        })
    }

    /// Loads, runs and reads back: one inference.
    ///
    /// # Errors
    /// What went wrong on the way or on the board.
    pub fn infer(&mut self, input: &[u8], mode: Mode) -> Result<(Vec<u8>, Option<u64>), LinkError> {
        self.load(input)?;
        let ticks = self.run(mode)?;
        Ok((self.output()?, ticks))
    }

    fn ticks(&mut self, request: Request<'_>) -> Result<Option<u64>, LinkError> {
        let answer = self.line.exchange(request, self.settings.run, |response| match response {
            Response::Ran { ticks } => Some(ticks),
            _ => None,
        });
        answer.map_err(|error| match error {
            LinkError::Silent { transport, after } => LinkError::Unfinished { transport, after },
            other => other,
        })
    }

    fn layers(&mut self, request: impl Fn(u16) -> Request<'static>) -> Result<Vec<u32>, LinkError> {
        let total = usize::from(self.identity.layers);
        let mut values = Vec::with_capacity(total);
        while values.len() < total {
            let request = request(values.len() as u16);
            values.extend(self.line.exchange(request, self.settings.answer, |response| match response {
                Response::Layers(values) => (!values.is_empty()).then_some(values),
                _ => None,
            })?);
        }
        match values.len() == total {
            true => Ok(values),
            false => Err(LinkError::Unexpected),
        }
    }
}
