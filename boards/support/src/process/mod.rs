//! A board that is a process: it reads the blob whose path it is given, and serves the link on standard input and output.

mod clock;
mod trigger;

use crate::Board;
use clock::Clock;
use embedded_io::ErrorType;
use niwaki::Threads;
use std::{
    borrow::Cow,
    env,
    ffi::{OsStr, OsString},
    format, fs,
    io::{self, Read, Write},
    num::NonZeroUsize,
    path::Path,
    process::ExitCode,
    vec,
    vec::Vec,
};
use trigger::Trigger;

/// The whole program of such a board, of this name.
pub fn main(name: &'static str) -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let Some(Arguments { path, line, threads }) = Arguments::of(&arguments) else {
        return failed(2, &format!("usage: {name} BLOB [--trigger CHIP:LINE] [--threads COUNT]"));
    };
    let blob = match fs::read(path) {
        Ok(bytes) => niwaki_blob::AlignedBytes::new(&bytes),
        Err(error) => return failed(1, &format!("cannot read {}: {error}", Path::new(path).display())),
    };
    let threads = match threads.map(Threads::new).transpose() {
        Ok(threads) => threads,
        Err(error) => return failed(1, &format!("no threads: {error}")),
    };
    let trigger = match Trigger::open(line.as_deref()) {
        Ok(trigger) => trigger,
        Err(reason) => return failed(1, &reason),
    };
    // 15 bytes more, because memory on the heap may lie anywhere.
    let mut arena = vec![0; niwaki::arena_bytes(&blob).saturating_add(15)];
    let board = Board { name, serial: Pipes, trigger, counter: Clock::start() };
    match board.serve_on::<{ niwaki::ALL_OPS }>(&blob, &mut arena, threads.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(1, &format!("{error}")),
    }
}

/// What it is told.
struct Arguments<'a> {
    /// The blob's.
    path: &'a OsStr,
    /// The trigger's GPIO line.
    line: Option<Cow<'a, str>>,
    /// How many threads share large operations; none where all run on one.
    threads: Option<NonZeroUsize>,
}

impl<'a> Arguments<'a> {
    fn of(arguments: &'a [OsString]) -> Option<Self> {
        let (path, mut rest) = arguments.split_first()?;
        let (mut line, mut threads) = (None, None);
        while let [option, value, behind @ ..] = rest {
            let value = value.to_string_lossy();
            match option.to_str()? {
                "--trigger" => line = Some(value),
                "--threads" => threads = Some(value.parse().ok()?),
                _ => return None,
            }
            rest = behind;
        }
        rest.is_empty().then_some(Self { path, line, threads })
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
