//! The core's cycle counter, and SysTick where it has none.

use super::{SysTick, known_loop::timed};
use crate::{Counter, CounterKind};
use cortex_m::peripheral::{DCB, DWT, SYST};

/// DWT's registers (Armv7-M Architecture Reference Manual, C1.8): whether there is a counter, and the counter.
const CONTROL: *const u32 = 0xe000_1000 as *const u32;
const COUNT: *const u32 = 0xe000_1004 as *const u32;
const NO_COUNTER: u32 = 1 << 25;

/// Counts core cycles: with DWT's counter, which every Cortex-M3 and later has on silicon, or with SysTick, where that
/// counter does not move: under QEMU.
pub enum CycleCounter {
    /// DWT.
    Dwt {
        /// Cycles per second.
        hz: u32,
        /// The count at the last `restart`, wraps since then included.
        start: u64,
        /// The last reading, wraps included.
        last: u64,
    },
    /// SysTick.
    SysTick(SysTick),
}

impl CycleCounter {
    /// Starts it. `hz` is the core's clock.
    pub fn new(mut dcb: DCB, _dwt: DWT, syst: SYST, hz: u32) -> Self {
        dcb.enable_trace();
        // SAFETY: every Cortex-M has these addresses; writing bit 0 starts the counter and has no other effect. `_dwt`
        // was given to us: nobody else uses it.
        let there = unsafe {
            CONTROL.cast_mut().write_volatile(CONTROL.read_volatile() | 1);
            CONTROL.read_volatile() & NO_COUNTER == 0
        };
        let before = count();
        cortex_m::asm::delay(16);
        match there && count() != before {
            true => Self::Dwt { hz, start: 0, last: 0 },
            false => Self::SysTick(SysTick::new(syst, hz)),
        }
    }

    /// Whether the core is emulated: its own counter does not move.
    pub fn is_emulated(&self) -> bool {
        matches!(self, Self::SysTick(_))
    }
}

fn count() -> u32 {
    // SAFETY: the counter is mapped on every core that has one, and reading it changes nothing.
    unsafe { COUNT.read_volatile() }
}

impl Counter for CycleCounter {
    const KIND: CounterKind = CounterKind::Cycles;

    fn hz(&self) -> u32 {
        match self {
            Self::Dwt { hz, .. } => *hz,
            Self::SysTick(timer) => timer.hz(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Dwt { start, last, .. } => {
                *last = u64::from(count());
                *start = *last;
            }
            Self::SysTick(timer) => timer.restart(),
        }
    }

    /// Sees one wrap between two readings: at 150 MHz a layer may take 28 seconds.
    // Not inlined: a reading takes the same cycles wherever it is made.
    #[inline(never)]
    fn now(&mut self) -> u64 {
        match self {
            Self::Dwt { start, last, .. } => {
                // The 32 low bits go on from the last reading; the difference is right across a wrap.
                *last += u64::from(count().wrapping_sub(*last as u32));
                last.saturating_sub(*start)
            }
            Self::SysTick(timer) => timer.now(),
        }
    }

    fn known_loop(&mut self, instructions: u32) -> Option<u64> {
        Some(timed(self, instructions))
    }
}
