//! The clock of a process: the core's own counter of time where processes may read it, else the operating system's.

use crate::{Counter, CounterKind};
use std::time::Instant;

/// The generic timer's virtual count (Arm Architecture Reference Manual, D12), which Linux lets processes read. It counts
/// at one rate whatever the core's clock does: 19.2 MHz on a Pi 3, 54 MHz on a Pi 4 and 5.
#[cfg(target_arch = "aarch64")]
mod timer {
    use core::arch::asm;

    pub(super) fn count() -> u64 {
        let count: u64;
        // SAFETY: it reads a register. The barrier keeps the reading from being done before what comes earlier.
        unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nostack, preserves_flags)) };
        count
    }

    /// Counts per second; 0 where nobody has said: under QEMU.
    pub(super) fn hz() -> u64 {
        let hz: u64;
        // SAFETY: it reads a register that never changes.
        unsafe { asm!("mrs {}, cntfrq_el0", out(reg) hz, options(nomem, nostack, preserves_flags)) };
        hz
    }
}

#[cfg(not(target_arch = "aarch64"))]
mod timer {
    pub(super) fn count() -> u64 {
        0
    }

    pub(super) fn hz() -> u64 {
        0
    }
}

/// Nanoseconds since its last restart.
pub(super) enum Clock {
    /// By the core's counter.
    Timer { start: u64, hz: u64 },
    /// By the operating system.
    System(Instant),
}

impl Clock {
    pub(super) fn start() -> Self {
        match timer::hz() {
            0 => Self::System(Instant::now()),
            hz => Self::Timer { start: timer::count(), hz },
        }
    }
}

fn nanoseconds(ticks: u64, hz: u64) -> u64 {
    (u128::from(ticks) * 1_000_000_000 / u128::from(hz.max(1))) as u64
}

impl Counter for Clock {
    const KIND: CounterKind = CounterKind::Nanoseconds;

    fn hz(&self) -> u32 {
        1_000_000_000
    }

    fn restart(&mut self) {
        match self {
            Self::Timer { start, .. } => *start = timer::count(),
            Self::System(start) => *start = Instant::now(),
        }
    }

    fn now(&mut self) -> u64 {
        match self {
            Self::Timer { start, hz } => nanoseconds(timer::count().saturating_sub(*start), *hz),
            Self::System(start) => start.elapsed().as_nanos() as u64,
        }
    }

    /// A process is interrupted too often for a known loop to mean anything.
    fn known_loop(&mut self, _instructions: u32) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread::sleep, time::Duration};

    #[test]
    fn it_keeps_time() {
        let mut clock = Clock::start();
        sleep(Duration::from_millis(20));
        let slept = clock.now();
        assert!((20_000_000..20_000_000_000).contains(&slept), "{slept} ns");
        clock.restart();
        assert!(clock.now() < slept);
    }

    #[test]
    fn ticks_of_a_pis_timer_are_time() {
        assert_eq!(nanoseconds(54_000_000, 54_000_000), 1_000_000_000);
        assert_eq!(nanoseconds(192, 19_200_000), 10_000);
        // A year.
        assert_eq!(nanoseconds(54_000_000 * 31_536_000, 54_000_000), 31_536_000_000_000_000);
    }
}
