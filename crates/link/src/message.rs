//! What a host and a board say to each other.

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// Version of the messages; every frame carries it. Any change to a type in this file changes it.
pub const PROTOCOL: u8 = 2;

/// Most input or output bytes in one message.
pub const CHUNK: usize = 512;

/// Most layers that one [`Response::Layers`] covers.
pub const LAYERS_PER_FRAME: usize = 64;

/// Most log bytes in one [`Message::Log`]: small, because a board holds such a frame on its stack.
pub const LOG_CHUNK: usize = 128;

/// A name; a longer one is cut.
pub type Name = String<32>;

/// `text` as a [`Name`], cut where it is too long.
pub fn name(text: &str) -> Name {
    let mut name = Name::new();
    for letter in text.chars() {
        if name.push(letter).is_err() {
            break;
        }
    }
    name
}

/// What the host sends: a request with its place in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask<'a> {
    /// The host's number for the conversation, never 0. The board learns it from [`Request::Identify`] and forgets it
    /// when it is reset, which is how a reset is noticed.
    pub session: u32,
    /// Number of the request in the conversation; the answer repeats it.
    pub seq: u32,
    /// What is asked.
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// What a host can ask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Who is there? Starts a conversation. Answered by [`Response::Identity`].
    Identify,
    /// Bytes of the inputs, which count as one array in the order of the model's arguments. Starts at 0 and continues
    /// without gaps. Answered by [`Response::Loaded`].
    Load {
        /// Place of the first byte.
        offset: u32,
        /// At most [`CHUNK`] bytes.
        bytes: &'a [u8],
    },
    /// One inference on inputs loaded since the last one: activations may lie where the inputs were. Answered by
    /// [`Response::Ran`].
    Run {
        /// What to observe.
        mode: Mode,
    },
    /// Bytes of the outputs, which count as one array. Answered by [`Response::Output`].
    ReadOutput {
        /// Place of the first byte.
        offset: u32,
        /// Number of bytes; at most [`CHUNK`] come.
        len: u16,
    },
    /// Ticks of each layer in the last run, which was [`Mode::Layers`]. Answered by [`Response::Layers`].
    Profile {
        /// First layer asked for.
        first: u16,
    },
    /// CRC-32 of each layer's output in the last run, which was [`Mode::Digest`]. Answered by [`Response::Layers`].
    Digests {
        /// First layer asked for.
        first: u16,
    },
    /// Times a loop of known length, which shows whether ticks mean what they should. Answered by [`Response::Ran`].
    KnownLoop {
        /// Instructions to execute, exactly.
        instructions: u32,
    },
    /// How deep was the stack since the start? Answered by [`Response::Stack`].
    Stack,
}

/// What a run observes. Only the first two are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Nothing but the time of the whole inference.
    Whole,
    /// The time of each layer as well.
    Layers,
    /// A checksum of each layer's output, for finding the first layer in which host and board differ.
    Digest,
}

/// What the board sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is no heap to put the large one on; one exists at a time")]
pub enum Message<'a> {
    /// The answer to a request.
    Answer {
        /// The request's session.
        session: u32,
        /// The request's number.
        seq: u32,
        /// The answer.
        #[serde(borrow)]
        response: Response<'a>,
    },
    /// Raw defmt bytes.
    Log {
        /// Log bytes written before these since the start, sent or not: a gap shows what was lost.
        offset: u32,
        /// At most [`LOG_CHUNK`] bytes.
        bytes: &'a [u8],
    },
    /// The board has started. In the middle of a conversation: it was reset.
    Booted,
}

/// What a board answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response<'a> {
    /// To [`Request::Identify`].
    Identity(Identity),
    /// To [`Request::Load`].
    Loaded {
        /// Input bytes that are there now, counted from the first.
        total: u32,
    },
    /// To [`Request::Run`] and [`Request::KnownLoop`].
    Ran {
        /// Ticks that it took; absent where the board has no counter or the run was not timed.
        ticks: Option<u64>,
    },
    /// To [`Request::ReadOutput`].
    Output {
        /// The bytes asked for, or the first of them: at least one.
        bytes: &'a [u8],
    },
    /// To [`Request::Profile`] and [`Request::Digests`]: empty past the last layer.
    Layers(Vec<u32, LAYERS_PER_FRAME>),
    /// To [`Request::Stack`]. Absent where the board cannot tell.
    Stack {
        /// Bytes used since the start, at most.
        used: Option<u32>,
        /// Bytes that there are.
        bytes: Option<u32>,
    },
    /// The request was not carried out.
    Refused(Refusal),
}

/// Why a board does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The board does not know the conversation: it was reset, or another program talks to it.
    NoSession,
    /// The inputs were not loaded completely since the last run.
    InputMissing,
    /// Bytes that do not lie inside the inputs or outputs, or do not follow those before.
    OutOfRange,
    /// The last run did not produce what is asked for.
    NoResult,
    /// The board has no counter that could time this.
    NoCounter,
    /// The counter did not move.
    CounterStuck,
    /// The model did not run.
    Failed,
    /// The firmware cannot read its model; its log says why.
    NoModel,
}

impl Refusal {
    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoSession => "it does not know this conversation",
            Self::InputMissing => "the inputs are not completely loaded",
            Self::OutOfRange => "those bytes do not lie inside the inputs or outputs",
            Self::NoResult => "the last run did not produce that",
            Self::NoCounter => "it has no counter",
            Self::CounterStuck => "its counter does not move",
            Self::Failed => "the model did not run",
            Self::NoModel => "it cannot read the model in its firmware; its log says why",
        }
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.reason())
    }
}

/// Which board and which model is there, and how it measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the board: its folder.
    pub board: Name,
    /// Name of the model, from the blob's manifest.
    pub model: Name,
    /// Checksum in the blob's header.
    pub blob_crc: u32,
    /// The blob format that the firmware reads.
    pub blob_version: u16,
    /// Number of layers.
    pub layers: u16,
    /// Bytes of all inputs together.
    pub input_bytes: u32,
    /// Bytes of all outputs together.
    pub output_bytes: u32,
    /// Bytes of the arena.
    pub arena_bytes: u32,
    /// What runs are timed with.
    pub counter: CounterInfo,
}

/// What a board times runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterInfo {
    /// What is counted.
    pub kind: CounterKind,
    /// Ticks per second by the board's own account; 0 where that means nothing.
    pub hz: u32,
    /// What a known loop took at start-up, where the board has one.
    pub calibration: Option<Calibration>,
}

/// What a tick is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CounterKind {
    /// There is no counter.
    None,
    /// A nanosecond of a process on an operating system.
    Nanoseconds,
    /// A tick of the SysTick timer: a core cycle on silicon, emulated time under QEMU.
    SysTick,
    /// A core cycle (DWT).
    Cycles,
}

/// How long a loop of known length took: `ticks` for `instructions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// Ticks counted, without what reading the counter takes.
    pub ticks: u32,
    /// Instructions executed.
    pub instructions: u32,
}

impl Calibration {
    /// The whole number of instructions nearest to `ticks`. Meaningful under emulation only, where every instruction
    /// takes the same time.
    pub fn instructions(self, ticks: u64) -> u64 {
        let (unit, count) = (u128::from(self.ticks.max(1)), u128::from(self.instructions));
        ((u128::from(ticks) * count + unit / 2) / unit) as u64
    }
}
