//! The defmt logger: encodes into a static ring.

use super::Ring;
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use critical_section::Mutex;

/// A few dozen messages: what a start and a failing request log, and more.
const RING_BYTES: usize = 1024;

struct State {
    encoder: defmt::Encoder,
    out: Out,
}

/// Where encoded bytes go.
struct Out {
    ring: Ring<RING_BYTES>,
    /// To a debug probe, if there is one. What it does not take in time is lost there.
    #[cfg(feature = "rtt")]
    probe: Option<rtt_target::UpChannel>,
}

impl Out {
    fn write(&mut self, bytes: &[u8]) {
        self.ring.write(bytes);
        #[cfg(feature = "rtt")]
        if let Some(probe) = &mut self.probe {
            probe.write(bytes);
        }
    }
}

static STATE: Mutex<RefCell<State>> = Mutex::new(RefCell::new(State {
    encoder: defmt::Encoder::new(),
    out: Out {
        ring: Ring::new(),
        #[cfg(feature = "rtt")]
        probe: None,
    },
}));

/// Lets a debug probe read along: probe-rs decodes a channel of this name.
#[cfg(feature = "rtt")]
pub(super) fn show_probe() {
    let channels = rtt_target::rtt_init! { up: { 0: { size: 1024, name: "defmt" } } };
    with(|state| state.out.probe = Some(channels.up.0));
}

/// Whether interrupts are to be enabled again when the message under way ends.
static INTERRUPTS_WERE_ON: AtomicBool = AtomicBool::new(false);

/// Moves logged bytes out of the ring; see [`Ring::take`].
pub(super) fn take(piece: &mut [u8]) -> Option<(u32, usize)> {
    with(|state| state.out.ring.take(piece)).flatten()
}

/// `None` if the state is in use already: a `Format` that logs. Its message is left out; a panic would help nobody.
fn with<R>(use_it: impl FnOnce(&mut State) -> R) -> Option<R> {
    critical_section::with(|section| STATE.borrow(section).try_borrow_mut().ok().map(|mut state| use_it(&mut state)))
}

#[defmt::global_logger]
struct Logger;

// SAFETY: `acquire` turns interrupts off and `release` restores them, so that on one core no second message can start
// while one is under way; the encoder itself lies behind a mutex.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        let on = cortex_m::register::primask::read().is_active();
        cortex_m::interrupt::disable();
        INTERRUPTS_WERE_ON.store(on, Ordering::Relaxed);
        with(|State { encoder, out }| encoder.start_frame(|bytes| out.write(bytes)));
    }

    unsafe fn flush() {
        // The ring is emptied by the code that owns the serial line.
    }

    unsafe fn release() {
        with(|State { encoder, out }| {
            encoder.end_frame(|bytes| out.write(bytes));
            out.ring.end_frame();
        });
        if INTERRUPTS_WERE_ON.load(Ordering::Relaxed) {
            // SAFETY: they were on before `acquire` turned them off.
            unsafe { cortex_m::interrupt::enable() };
        }
    }

    unsafe fn write(bytes: &[u8]) {
        with(|State { encoder, out }| encoder.write(bytes, |bytes| out.write(bytes)));
    }
}
