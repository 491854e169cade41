//! The loop that every board ends in: requests in, answers and logs out.

use crate::{Counter, counter, inference::Inference, log, ports, probe, stopwatch::Stopwatch};
use embedded_hal::digital::OutputPin;
use embedded_io::{Error as _, ErrorKind, Read, Write};
use niwaki::{Error, Model};
use niwaki_link::{Device, Handler, Identity, Refusal, Request, Response, name};

/// Threads that a computer has; no microcontroller.
#[cfg(feature = "process")]
pub(crate) type Threads = niwaki::Threads;
#[cfg(not(feature = "process"))]
pub(crate) type Threads = core::convert::Infallible;

/// Most layers that a board measures one by one.
pub const MAX_LAYERS: usize = 256;

/// A board: what it is called and what it brings.
#[derive(Debug)]
pub struct Board<S, P, C> {
    /// Its name: its folder's.
    pub name: &'static str,
    /// The line to the host.
    pub serial: S,
    /// High during every inference, for a power analyser or a logic probe.
    pub trigger: P,
    /// What runs are timed with.
    pub counter: C,
}

impl<S: Read + Write, P: OutputPin, C: Counter> Board<S, P, C> {
    /// Answers the host until the line is closed, which on a microcontroller is never. Only the kernels of `OPS` are
    /// linked: `niwaki::op_set(BLOB)`.
    ///
    /// A model that cannot be used is logged, and every request refused: the host learns why.
    ///
    /// # Errors
    /// If the line broke.
    pub fn serve<const OPS: u32>(self, blob: &[u8], arena: &mut [i8]) -> Result<(), S::Error> {
        self.serve_on::<OPS>(blob, arena, None)
    }

    /// The same, with large operations shared among threads.
    pub(crate) fn serve_on<const OPS: u32>(
        mut self,
        blob: &[u8],
        arena: &mut [i8],
        threads: Option<&Threads>,
    ) -> Result<(), S::Error> {
        #[cfg(not(feature = "process"))]
        let _ = threads;
        probe::paint();
        log::start();
        self.serial.write_all(&Device::booted())?;
        let mut layers = [0; MAX_LAYERS];
        let done = Model::<OPS>::read_linked(blob).and_then(|model| {
            let session = model.session_in(arena)?;
            #[cfg(feature = "process")]
            let session = match threads {
                Some(threads) => session.on_threads(threads),
                None => session,
            };
            let identity = identify(self.name, &model, &mut self.counter);
            log::ready(&identity);
            let watch = Stopwatch::new(self.counter);
            let layers =
                layers.get_mut(..model.blob().records().len()).ok_or(Error::Op { index: MAX_LAYERS as u16 })?;
            let trigger = self.trigger;
            let mut handler = Inference { session, watch, trigger, identity, layers, loaded: 0, ran: None };
            Ok(answer(&mut self.serial, &mut handler))
        });
        done.unwrap_or_else(|error| {
            log::unusable(error);
            answer(&mut self.serial, &mut NoModel)
        })
    }
}

/// Answers requests until the line is closed.
fn answer<S: Read + Write>(serial: &mut S, handler: &mut impl Handler) -> Result<(), S::Error> {
    log::send(serial)?;
    let mut device = Device::new();
    let mut bytes = [0; 64];
    loop {
        let received = match serial.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(received) => received,
            Err(error) if closed(error.kind()) => return Err(error),
            // A byte came wrong or too fast. The checksum will show it, and the host will ask again.
            Err(_) => continue,
        };
        for byte in bytes.iter().take(received) {
            if let Some(frame) = device.feed(*byte, handler) {
                // What a request logged comes before its answer, so that whoever waits for the answer has the log too.
                log::send(serial)?;
                serial.write_all(frame)?;
                serial.flush()?;
            }
        }
    }
}

fn closed(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

fn identify<C: Counter, const OPS: u32>(board: &str, model: &Model<'_, OPS>, counter: &mut C) -> Identity {
    let summary = model.summary();
    Identity {
        board: name(board),
        model: name(summary.name),
        blob_crc: summary.crc,
        blob_version: niwaki_blob::VERSION,
        layers: u16::try_from(summary.ops).unwrap_or(u16::MAX),
        input_bytes: ports::input_bytes(model) as u32,
        output_bytes: ports::output_bytes(model) as u32,
        arena_bytes: model.arena_bytes() as u32,
        counter: counter::describe(counter),
    }
}

/// Firmware whose model cannot be used.
struct NoModel;

impl Handler for NoModel {
    fn handle(&mut self, _request: Request<'_>) -> Response<'_> {
        Response::Refused(Refusal::NoModel)
    }
}
