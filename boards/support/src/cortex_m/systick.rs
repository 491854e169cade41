//! SysTick as a 64-bit counter: every Cortex-M has one, DWT's cycle counter is missing on ARMv6-M and in QEMU.

use super::known_loop::timed;
use crate::{Counter, CounterKind};
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU32, Ordering};
use cortex_m::peripheral::{SCB, SYST, syst::SystClkSource};

/// The counter has 24 bits.
const MASK: u32 = 0x00ff_ffff;

/// Times that it reached zero since [`Counter::restart`].
static WRAPS: AtomicU32 = AtomicU32::new(0);

/// The exception handler. Five instructions, known exactly, because they are executed inside what is being timed.
///
/// No other code writes `WRAPS` while SysTick is running, except `restart`, where interrupts are off.
// SAFETY: the name is the one that cortex-m-rt leaves to programs for this exception. The code changes r0 and r1, which
// the core saves on entry to an exception, and `WRAPS`; it returns by the address in lr.
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn SysTick() {
    naked_asm!(
        "ldr r0, 1f",
        "ldr r1, [r0]",
        "adds r1, #1",
        "str r1, [r0]",
        "bx lr",
        ".balign 4",
        "1: .word {wraps}",
        wraps = sym WRAPS,
    )
}

const HANDLER_INSTRUCTIONS: u32 = 5;

/// SysTick, clocked by the core.
pub struct SysTick {
    timer: SYST,
    hz: u32,
    /// What the handler takes away from the code that it interrupts, in ticks.
    handler: u64,
}

impl SysTick {
    /// Starts the timer. `hz` is the core's clock.
    pub fn new(mut timer: SYST, hz: u32) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(MASK);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
        let mut counter = Self { timer, hz, handler: 0 };
        // Too short to be interrupted, so that the handler's cost is not needed to find it.
        const LOOP: u32 = 1000;
        let ticks = counter.known_loop(LOOP).and_then(|ticks| u32::try_from(ticks).ok()).unwrap_or(0);
        counter.handler = u64::from((ticks.saturating_mul(HANDLER_INSTRUCTIONS) + LOOP / 2) / LOOP);
        counter
    }
}

impl Counter for SysTick {
    const KIND: CounterKind = CounterKind::SysTick;

    fn hz(&self) -> u32 {
        self.hz
    }

    fn restart(&mut self) {
        critical_section::with(|_| {
            WRAPS.store(0, Ordering::Relaxed);
            self.timer.clear_current();
            SCB::clear_pendst();
        });
    }

    // Not inlined: a reading takes the same instructions wherever it is made.
    #[inline(never)]
    fn now(&mut self) -> u64 {
        let (wraps, down) = critical_section::with(|_| {
            let (wraps, down) = (WRAPS.load(Ordering::Relaxed), SYST::get_current());
            // A wrap that the handler has not seen yet: before or after the reading above, but before this one.
            match SCB::is_pendst_pending() {
                true => (wraps.wrapping_add(1), SYST::get_current()),
                false => (wraps, down),
            }
        });
        // It counts down and reloads after zero: zero is where an interval of 2^24 ticks ends and the next begins.
        let up = u64::from(down.wrapping_neg() & MASK);
        let wraps = u64::from(wraps);
        ((wraps << 24) | up).saturating_sub(wraps * self.handler)
    }

    fn known_loop(&mut self, instructions: u32) -> Option<u64> {
        Some(timed(self, instructions))
    }
}
