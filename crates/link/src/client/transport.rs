//! Byte streams to a board.

use std::{
    io::{self, Read, Write},
    string::String,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
    vec::Vec,
};

/// A byte stream in both directions that may lose or change bytes.
pub trait Transport {
    /// What to call the connection in messages: `QEMU (mps2-an386)`, `/dev/ttyACM0`.
    fn name(&self) -> &str;

    /// Sends all bytes.
    ///
    /// # Errors
    /// If the connection broke.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until bytes arrive, for at most `patience`, and puts them into `buffer`. 0 if none came.
    ///
    /// # Errors
    /// If the connection broke or ended.
    fn receive(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize>;
}

/// A pair of ordinary blocking streams: the pipes of a child process, a socket, a serial port.
pub struct Streams<W> {
    name: String,
    writer: W,
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// The last piece and how much of it was handed out.
    piece: Vec<u8>,
    taken: usize,
}

impl<W: Write> Streams<W> {
    /// Starts reading in a thread of its own, which ends when `reader` does.
    pub fn new(name: impl Into<String>, reader: impl Read + Send + 'static, writer: W) -> Self {
        // Bounded, so that a board that babbles cannot fill the host's memory.
        let (sender, pieces) = sync_channel(64);
        thread::spawn(move || {
            let mut reader = reader;
            let mut buffer = [0; 4096];
            loop {
                let piece = match reader.read(&mut buffer) {
                    Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed at the other end")),
                    Ok(len) => Ok(buffer[..len].to_vec()),
                    Err(error) if passing(error.kind()) => continue,
                    Err(error) => Err(error),
                };
                let over = piece.is_err();
                if sender.send(piece).is_err() || over {
                    return;
                }
            }
        });
        Self { name: name.into(), writer, pieces, piece: Vec::new(), taken: 0 }
    }
}

/// A serial port's way of saying that nothing came yet.
fn passing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

impl<W: Write> Transport for Streams<W> {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }

    fn receive(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            self.piece = match self.pieces.recv_timeout(patience) {
                Ok(piece) => piece?,
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            self.taken = 0;
        }
        let rest = &self.piece[self.taken..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.taken += len;
        Ok(len)
    }
}
