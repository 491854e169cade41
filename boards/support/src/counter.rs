//! The seam to whatever a board counts time with.

use niwaki_link::{Calibration, CounterInfo, CounterKind};

/// Something that counts while code runs.
pub trait Counter {
    /// What a tick is.
    const KIND: CounterKind;

    /// Ticks per second; 0 where that means nothing.
    fn hz(&self) -> u32;

    /// Starts from zero, so that the same code gives the same ticks whenever it runs.
    fn restart(&mut self);

    /// Ticks since [`Counter::restart`]. Never runs backwards: wraps of the hardware are the implementation's to mend.
    fn now(&mut self) -> u64;

    /// Ticks for a loop of exactly this many instructions; `None` where there is no such loop.
    fn known_loop(&mut self, instructions: u32) -> Option<u64>;
}

/// For a board that cannot count.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounter;

impl Counter for NoCounter {
    const KIND: CounterKind = CounterKind::None;

    fn hz(&self) -> u32 {
        0
    }

    fn restart(&mut self) {}

    fn now(&mut self) -> u64 {
        0
    }

    fn known_loop(&mut self, _instructions: u32) -> Option<u64> {
        None
    }
}

/// Length of the loop by which a counter is calibrated: long enough that a tick more or less does not matter, short
/// enough that nobody waits for it.
const CALIBRATION_INSTRUCTIONS: u32 = 10_000;

/// What the board says of its counter. A loop twice as long must take twice the time, to the tick; else the counter
/// counts something else as well, and there is no calibration.
pub(crate) fn describe<C: Counter>(counter: &mut C) -> CounterInfo {
    let calibration = || {
        let ticks = counter.known_loop(CALIBRATION_INSTRUCTIONS)?;
        let twice = counter.known_loop(2 * CALIBRATION_INSTRUCTIONS)?;
        let ticks =
            u32::try_from(ticks).ok().filter(|ticks| *ticks > 0 && twice.abs_diff(2 * u64::from(*ticks)) <= 1)?;
        Some(Calibration { ticks, instructions: CALIBRATION_INSTRUCTIONS })
    };
    CounterInfo { kind: C::KIND, calibration: { calibration }(), hz: counter.hz() }
}
