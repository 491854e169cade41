//! What a board does when something went wrong that cannot: it says so and starts anew, which the host notices.

use crate::log;
use core::panic::PanicInfo;
use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};
use embedded_io::Write;

/// For a board's panic handler: logs where, sends the log, resets. Brings no formatting code with it.
pub fn panicked(info: &PanicInfo<'_>, mut serial: impl Write) -> ! {
    match info.location() {
        Some(place) => defmt::error!("panicked at {=str}:{=u32}", place.file(), place.line()),
        None => defmt::error!("panicked"),
    }
    // There is nobody left to tell if this fails.
    let _ = log::send(&mut serial);
    SCB::sys_reset()
}

/// A fault, a full stack among them. Without this the board would fall silent instead of saying that it restarted.
// SAFETY: it uses neither the stack frame nor any state of the interrupted code; the symbol is cortex-m-rt's.
#[exception]
unsafe fn HardFault(_frame: &ExceptionFrame) -> ! {
    SCB::sys_reset()
}
