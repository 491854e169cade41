//! A board that is a process: it reads the blob whose path it is given, and serves the link on standard input and output.

mod clock;
mod trigger;

use crate::Board;
use clock::Clock;
use embedded_io::ErrorType;
use std::{
    env,
    ffi::OsString,
    format, fs,
    io::{self, Read, Write},
    process::ExitCode,
    vec,
    vec::Vec,
};
use trigger::Trigger;

/// The whole program of such a board, of this name.
pub fn main(name: &'static str) -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (path, line) = match arguments.as_slice() {
        [path] => (path, None),
        [path, option, line] if option == "--trigger" => (path, Some(line.to_string_lossy())),
        _ => return failed(2, &format!("usage: {name} BLOB [--trigger CHIP:LINE]")),
    };
    let blob = match fs::read(path) {
        Ok(bytes) => niwaki_blob::AlignedBytes::new(&bytes),
        Err(error) => return failed(1, &format!("cannot read {}: {error}", path.display())),
    };
    let trigger = match Trigger::open(line.as_deref()) {
        Ok(trigger) => trigger,
        Err(reason) => return failed(1, &reason),
    };
    // 15 bytes more, because memory on the heap may lie anywhere.
    let mut arena = vec![0; niwaki::arena_bytes(&blob).saturating_add(15)];
    let board = Board { name, serial: Pipes, trigger, counter: Clock::start() };
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
