//! A pretended board behind a line that spoils chosen bytes.

use niwaki_link::{
    Calibration, CounterInfo, CounterKind, Device, Handler, Identity, LAYERS_PER_FRAME, Mode, Request, Response,
    Settings, Transport, name,
};
use std::{collections::VecDeque, io, time::Duration};

/// Layers of the pretended model: more than one frame carries.
pub(crate) const LAYERS: u16 = LAYERS_PER_FRAME as u16 + 3;

/// A model that turns its input round. It remembers how often it ran.
#[derive(Default)]
pub(crate) struct Mirror {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) runs: u32,
    pub(crate) length: u32,
}

impl Handler for Mirror {
    fn handle(&mut self, request: Request<'_>) -> Response<'_> {
        match request {
            Request::Identify => Response::Identity(self.identity()),
            Request::Load { offset, bytes } => {
                self.input.truncate(offset as usize);
                self.input.extend(bytes);
                Response::Loaded { total: self.input.len() as u32 }
            }
            Request::Run { .. } => {
                self.runs += 1;
                self.output = self.input.drain(..).rev().collect();
                Response::Ran { ticks: Some(u64::from(self.runs)) }
            }
            Request::ReadOutput { offset, len } => {
                Response::Output { bytes: &self.output[offset as usize..][..usize::from(len)] }
            }
            Request::Profile { first } | Request::Digests { first } => {
                let last = LAYERS.min(first + LAYERS_PER_FRAME as u16);
                Response::Layers((first..last).map(|layer| u32::from(layer) * 1000).collect())
            }
            Request::Stack => Response::Stack { used: Some(40), bytes: None },
            Request::KnownLoop { instructions } => Response::Ran { ticks: Some(u64::from(instructions) * 2) },
        }
    }
}

impl Mirror {
    fn identity(&self) -> Identity {
        Identity {
            board: name("simulated"),
            model: name("mirror"),
            blob_crc: 0x1234_5678,
            blob_version: 1,
            layers: LAYERS,
            input_bytes: self.length,
            output_bytes: self.length,
            arena_bytes: 64,
            counter: CounterInfo {
                kind: CounterKind::SysTick,
                hz: 25_000_000,
                calibration: Some(Calibration { ticks: 16, instructions: 5 }),
            },
        }
    }
}

/// What happens to a byte on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Drop,
    Double,
    Flip(u8),
    /// It arrives after the host's patience has run out, behind everything that was sent later.
    Late,
    /// It and everything behind it arrive after the host's patience has run out.
    Stall,
}

/// A line to a board. `spoil` says what happens to the n-th byte, both directions counted together.
pub(crate) struct SimulatedLine<F> {
    pub(crate) device: Device,
    pub(crate) board: Mirror,
    pub(crate) passed: usize,
    pub(crate) spoil: F,
    to_host: VecDeque<u8>,
    late: Vec<(Direction, u8)>,
    stalled: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    ToBoard,
    ToHost,
}

impl<F: FnMut(usize) -> Option<Fault>> SimulatedLine<F> {
    pub(crate) fn new(length: u32, spoil: F) -> Self {
        Self {
            device: Device::new(),
            board: Mirror { length, ..Mirror::default() },
            passed: 0,
            spoil,
            to_host: Device::booted().iter().copied().collect(),
            late: Vec::new(),
            stalled: false,
        }
    }

    /// Bytes that the board sends unasked.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.to_host.extend(bytes);
    }

    fn pass(&mut self, direction: Direction, byte: u8) {
        let fault = (self.spoil)(self.passed);
        self.passed += 1;
        self.stalled |= fault == Some(Fault::Stall);
        match fault {
            _ if self.stalled => self.late.push((direction, byte)),
            Some(Fault::Drop) => {}
            Some(Fault::Late) => self.late.push((direction, byte)),
            Some(Fault::Flip(mask)) => self.arrive(direction, byte ^ mask),
            Some(Fault::Double) => {
                self.arrive(direction, byte);
                self.arrive(direction, byte);
            }
            _ => self.arrive(direction, byte),
        }
    }

    fn arrive(&mut self, direction: Direction, byte: u8) {
        match direction {
            Direction::ToHost => self.to_host.push_back(byte),
            Direction::ToBoard => {
                let answer = self.device.feed(byte, &mut self.board).map(<[u8]>::to_vec);
                for byte in answer.into_iter().flatten() {
                    self.pass(Direction::ToHost, byte);
                }
            }
        }
    }
}

impl<F: FnMut(usize) -> Option<Fault>> Transport for SimulatedLine<F> {
    fn name(&self) -> &str {
        "a simulated line"
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            self.pass(Direction::ToBoard, *byte);
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _patience: Duration) -> io::Result<usize> {
        let len = self.to_host.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(self.to_host.drain(..len)) {
            *place = byte;
        }
        if len == 0 {
            // The host gives up waiting; what was late arrives now.
            self.stalled = false;
            for (direction, byte) in std::mem::take(&mut self.late) {
                self.arrive(direction, byte);
            }
        }
        Ok(len)
    }
}

impl<F: FnMut(usize) -> Option<Fault>> Transport for &mut SimulatedLine<F> {
    fn name(&self) -> &str {
        SimulatedLine::name(self)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        SimulatedLine::send(self, bytes)
    }

    fn receive(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        SimulatedLine::receive(self, buffer, patience)
    }
}

/// Waits that a simulated line passes at once.
pub(crate) fn settings() -> Settings {
    Settings { start: Duration::from_secs(5), ..Settings::default() }
}

/// One inference and what it left behind, for comparing lines.
pub(crate) fn converse<F: FnMut(usize) -> Option<Fault>>(
    line: &mut SimulatedLine<F>,
) -> Result<u32, niwaki_link::LinkError> {
    let input: Vec<u8> = (0..line.board.length).map(|byte| byte as u8).collect();
    let mut client = niwaki_link::Client::connect(line, settings(), |_| {})?;
    let (output, ticks) = client.infer(&input, Mode::Layers)?;
    assert!(output.iter().eq(input.iter().rev()), "an output that is not the model's");
    assert_eq!(ticks, Some(1), "the run was carried out more than once");
    let profile = client.profile()?;
    assert!(profile.iter().copied().eq((0..u32::from(LAYERS)).map(|layer| layer * 1000)));
    Ok(client.repeats() as u32)
}
