//! What every Cortex-M does at the end of its bring-up: counts cycles and serves the link, for ever.

use crate::{Board, Counter, CycleCounter, SysTick};
use cortex_m::{Peripherals, peripheral::SCB};
use embedded_hal::digital::OutputPin;
use embedded_io::{Read, Write};

/// What a core has of its own. Nobody else takes it: if somebody did, the board starts anew.
fn peripherals() -> Peripherals {
    Peripherals::take().unwrap_or_else(|| SCB::sys_reset())
}

impl CycleCounter {
    /// Takes the core's peripherals and starts counting. `hz` is the core's clock.
    pub fn take(hz: u32) -> Self {
        let core = peripherals();
        Self::new(core.DCB, core.DWT, core.SYST, hz)
    }
}

impl SysTick {
    /// Takes the core's peripherals and starts the timer. `hz` is the core's clock.
    pub fn take(hz: u32) -> Self {
        Self::new(peripherals().SYST, hz)
    }
}

impl<S: Read + Write, P: OutputPin, C: Counter> Board<S, P, C> {
    /// Serves the link, for ever: see [`Board::serve`]. The line of a microcontroller is never closed.
    pub fn serve_for_ever<const OPS: u32>(self, blob: &[u8], arena: &mut [i8]) -> ! {
        let _ = self.serve::<OPS>(blob, arena);
        loop {
            cortex_m::asm::wfi();
        }
    }
}
