//! A board in a thread: an in-memory serial line, a trigger that remembers, a counter that steps.

use embedded_hal::digital::{self, OutputPin};
use embedded_io::{ErrorKind, ErrorType};
use niwaki_board::{Board, Counter, CounterKind};
use niwaki_link::{Client, LinkError, Settings, Streams};
use std::{
    convert::Infallible,
    io::{self, PipeReader, PipeWriter, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// Ticks per reading of the pretended counter.
pub(crate) const STEP: u64 = 1000;

/// Starts a board with this blob and connects to it. The number counts how often the trigger rose.
pub(crate) fn connect(
    blob: impl std::ops::Deref<Target = [u8]> + Send + 'static,
    counter: impl Counter + Send + 'static,
) -> (Result<Client<'static, Streams<PipeWriter>>, LinkError>, Arc<AtomicU32>) {
    let (board_reader, host_writer) = io::pipe().expect("a pipe");
    let (host_reader, board_writer) = io::pipe().expect("a pipe");
    let rises = Arc::new(AtomicU32::new(0));
    let trigger = Trigger(rises.clone());
    thread::spawn(move || {
        let mut arena = vec![0; niwaki::arena_bytes(&blob) + 15];
        let board = Board { name: "simulated", serial: Serial(board_reader, board_writer), trigger, counter };
        // The line closes when the test drops its client.
        let _ = board.serve::<{ niwaki::ALL_OPS }>(&blob, &mut arena);
    });
    let streams = Streams::new("a simulated board", host_reader, host_writer);
    (Client::connect(streams, Settings::default(), |_| {}), rises)
}

struct Serial(PipeReader, PipeWriter);

#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the pipe broke")
    }
}

impl std::error::Error for Broken {}

impl embedded_io::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BrokenPipe
    }
}

impl ErrorType for Serial {
    type Error = Broken;
}

impl embedded_io::Read for Serial {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        self.0.read(buffer).map_err(|_| Broken)
    }
}

impl embedded_io::Write for Serial {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.1.write(bytes).map_err(|_| Broken)
    }

    fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

struct Trigger(Arc<AtomicU32>);

impl digital::ErrorType for Trigger {
    type Error = Infallible;
}

impl OutputPin for Trigger {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Counts its own readings: what is timed seems to take one step more than nothing for every reading in between.
pub(crate) struct Steps {
    pub(crate) now: u64,
    pub(crate) step: u64,
}

impl Counter for Steps {
    const KIND: CounterKind = CounterKind::Cycles;

    fn hz(&self) -> u32 {
        1_000_000
    }

    fn restart(&mut self) {
        self.now = 0;
    }

    fn now(&mut self) -> u64 {
        self.now += self.step;
        self.now
    }

    fn known_loop(&mut self, instructions: u32) -> Option<u64> {
        Some(3 * u64::from(instructions))
    }
}

/// A counter by the wall clock, for times that mean something.
pub(crate) struct Wall(pub(crate) std::time::Instant);

impl Counter for Wall {
    const KIND: CounterKind = CounterKind::Nanoseconds;

    fn hz(&self) -> u32 {
        1_000_000_000
    }

    fn restart(&mut self) {
        self.0 = std::time::Instant::now();
    }

    fn now(&mut self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    fn known_loop(&mut self, _instructions: u32) -> Option<u64> {
        None
    }
}
