//! Carries out what the link asks of a model.

use crate::{Counter, log, ports, probe, stopwatch::Stopwatch};
use embedded_hal::digital::OutputPin;
use niwaki::{OpKind, Session};
use niwaki_link::{
    CHUNK, CounterKind, Handler, Identity, LAYERS_PER_FRAME, Mode, Refusal, Request, Response, checksum,
};

/// A model in a session, with what it is timed by.
pub(crate) struct Inference<'a, C, P, const OPS: u32> {
    pub(crate) session: Session<'a, OPS>,
    pub(crate) watch: Stopwatch<C>,
    pub(crate) trigger: P,
    pub(crate) identity: Identity,
    /// Ticks or digests of the layers of the last run, as its mode was.
    pub(crate) layers: &'a mut [u32],
    /// Input bytes that are there, counted from the first.
    pub(crate) loaded: usize,
    /// The last run, if its outputs are still there.
    pub(crate) ran: Option<Mode>,
}

impl<C: Counter, P: OutputPin, const OPS: u32> Handler for Inference<'_, C, P, OPS> {
    fn handle(&mut self, request: Request<'_>) -> Response<'_> {
        let done = match request {
            Request::Identify => {
                (self.loaded, self.ran) = (0, None);
                return Response::Identity(self.identity.clone());
            }
            Request::Load { offset, bytes } => self.load(offset as usize, bytes),
            Request::Run { mode } => self.run(mode),
            Request::KnownLoop { instructions } => {
                let ticks = self.watch.counter().known_loop(instructions);
                ticks.map(|ticks| Response::Ran { ticks: Some(ticks) }).ok_or(Refusal::NoCounter)
            }
            Request::Stack => {
                let (used, bytes) = probe::stack().unzip();
                return Response::Stack { used, bytes };
            }
            Request::Profile { first } => self.layers(Mode::Layers, first),
            Request::Digests { first } => self.layers(Mode::Digest, first),
            Request::ReadOutput { .. } if self.ran.is_none() => Err(Refusal::NoResult),
            Request::ReadOutput { offset, len } => {
                let len = usize::from(len).min(CHUNK);
                return match ports::output(&self.session, offset as usize, len) {
                    [] => refused(Refusal::OutOfRange),
                    bytes => Response::Output { bytes },
                };
            }
        };
        done.unwrap_or_else(refused)
    }
}

/// What a spoiled byte does to the checksum of a layer's output: with the feature `fault`, to that of the layer whose
/// number is in NIWAKI_FAULT_LAYER when the firmware is built. (The lowest bit of the last byte: flipping a bit changes
/// a CRC by the CRC of the flipped bit alone.)
fn fault(index: usize) -> u32 {
    #[cfg(feature = "fault")]
    if option_env!("NIWAKI_FAULT_LAYER").and_then(|layer| layer.parse().ok()) == Some(index) {
        return checksum(&[1]) ^ checksum(&[0]);
    }
    let _ = index;
    0
}

fn refused(refusal: Refusal) -> Response<'static> {
    log::refused(refusal);
    Response::Refused(refusal)
}

impl<C: Counter, P: OutputPin, const OPS: u32> Inference<'_, C, P, OPS> {
    fn load(&mut self, offset: usize, bytes: &[u8]) -> Result<Response<'static>, Refusal> {
        let end = offset.checked_add(bytes.len());
        let end = end.filter(|end| offset <= self.loaded && *end <= self.identity.input_bytes as usize);
        let end = end.ok_or(Refusal::OutOfRange)?;
        ports::load(&mut self.session, offset, bytes);
        self.ran = None;
        self.loaded = end;
        Ok(Response::Loaded { total: end as u32 })
    }

    fn run(&mut self, mode: Mode) -> Result<Response<'static>, Refusal> {
        if self.loaded != self.identity.input_bytes as usize {
            return Err(Refusal::InputMissing);
        }
        if mode == Mode::Layers && C::KIND == CounterKind::None {
            return Err(Refusal::NoCounter);
        }
        // Activations may lie where the inputs were.
        (self.loaded, self.ran) = (0, None);
        // A pin that does not obey spoils a power measurement, but not this one.
        let _ = self.trigger.set_high();
        let (session, layers) = (&mut self.session, &mut *self.layers);
        let (done, ticks) = match mode {
            Mode::Whole => self.watch.time(|| session.run()),
            Mode::Layers => self.watch.laps(layers, |laps| session.run_observed(laps)),
            Mode::Digest => {
                let mut digest = |index: usize, _kind: OpKind, output: &[i8]| {
                    if let Some(place) = layers.get_mut(index) {
                        *place = checksum(bytemuck::cast_slice(output)) ^ fault(index);
                    }
                };
                (session.run_observed(&mut digest), 0)
            }
        };
        let _ = self.trigger.set_low();
        if let Err(error) = done {
            log::failed(error);
            return Err(Refusal::Failed);
        }
        let timed = mode != Mode::Digest && C::KIND != CounterKind::None;
        if timed && ticks == 0 {
            return Err(Refusal::CounterStuck);
        }
        self.ran = Some(mode);
        Ok(Response::Ran { ticks: timed.then_some(ticks) })
    }

    fn layers(&self, mode: Mode, first: u16) -> Result<Response<'static>, Refusal> {
        if self.ran != Some(mode) {
            return Err(Refusal::NoResult);
        }
        let rest = self.layers.get(usize::from(first)..usize::from(self.identity.layers)).unwrap_or_default();
        let values = rest.chunks(LAYERS_PER_FRAME).next().unwrap_or_default();
        Ok(Response::Layers(values.try_into().unwrap_or_default()))
    }
}
