//! A board that is a process: it reads the blob whose path it is given, and serves the link on standard input and output.

use crate::{Board, Counter, CounterKind};
use embedded_io::ErrorType;
use std::{
    env, format, fs,
    io::{self, Read, Write},
    process::ExitCode,
    time::Instant,
    vec,
};

/// The whole program of such a board, of this name.
pub fn main(name: &'static str) -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        return failed(2, &format!("usage: {name} BLOB"));
    };
    let blob = match fs::read(&path) {
        Ok(bytes) => niwaki_blob::AlignedBytes::new(&bytes),
        Err(error) => return failed(1, &format!("cannot read {}: {error}", path.display())),
    };
    // 15 bytes more, because memory on the heap may lie anywhere.
    let mut arena = vec![0; niwaki::arena_bytes(&blob).saturating_add(15)];
    let board = Board { name, serial: Pipes, trigger: NoPin, counter: Clock(Instant::now()) };
    match board.serve::<{ niwaki::ALL_OPS }>(&blob, &mut arena) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(1, &format!("{error}")),
    }
}

fn failed(status: u8, reason: &str) -> ExitCode {
    std::eprintln!("{reason}");
    ExitCode::from(status)
}

/// Standard input and output.
struct Pipes;

impl ErrorType for Pipes {
    type Error = io::Error;
}

impl embedded_io::Read for Pipes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match io::stdin().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whatever else happens to a pipe will not pass.
                other => return other.map_err(|error| io::Error::new(io::ErrorKind::BrokenPipe, error)),
            }
        }
    }
}

impl embedded_io::Write for Pipes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// A process has no pin.
struct NoPin;

impl embedded_hal::digital::ErrorType for NoPin {
    type Error = core::convert::Infallible;
}

impl embedded_hal::digital::OutputPin for NoPin {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// The operating system's clock.
struct Clock(Instant);

impl Counter for Clock {
    const KIND: CounterKind = CounterKind::Nanoseconds;

    fn hz(&self) -> u32 {
        1_000_000_000
    }

    fn restart(&mut self) {
        self.0 = Instant::now();
    }

    fn now(&mut self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    /// A process is interrupted too often for a known loop to mean anything.
    fn known_loop(&mut self, _instructions: u32) -> Option<u64> {
        None
    }
}
