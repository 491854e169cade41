//! Times a run and its layers, less what the timing itself takes.

use crate::{Counter, probe};
use niwaki::{Observer, OpKind};

/// A counter and what reading it costs.
pub(crate) struct Stopwatch<C> {
    counter: C,
    /// Ticks between two readings with nothing between them.
    reading: u64,
    /// Ticks between two laps with nothing between them.
    lap: u64,
}

impl<C: Counter> Stopwatch<C> {
    pub(crate) fn new(counter: C) -> Self {
        let mut watch = Self { counter, reading: 0, lap: 0 };
        let (mut reading, mut lap) = (u64::MAX, u64::MAX);
        // The shortest of a few: on an operating system, any one may be interrupted.
        for _ in 0..8 {
            reading = reading.min(watch.time(|| ()).1);
            let mut empty = [0; 2];
            watch.laps(&mut empty, |laps| {
                laps.layer(0, OpKind::Conv2d, &[]);
                laps.layer(1, OpKind::Conv2d, &[]);
            });
            // The second: the first also holds the way into the closure.
            lap = lap.min(u64::from(empty[1]));
        }
        (watch.reading, watch.lap) = (reading, lap);
        watch
    }

    pub(crate) fn counter(&mut self) -> &mut C {
        &mut self.counter
    }

    /// Runs something and returns its result and the ticks that it took.
    pub(crate) fn time<R>(&mut self, run: impl FnOnce() -> R) -> (R, u64) {
        self.counter.restart();
        let start = self.counter.now();
        probe::start();
        let result = run();
        probe::stop();
        let end = self.counter.now();
        (result, end.saturating_sub(start).saturating_sub(self.reading))
    }

    /// Runs something that it hands an observer, which puts the ticks of each layer into `ticks`. Returns its result and
    /// the ticks of the whole, which is measured on its own: the layers must add up to it.
    pub(crate) fn laps<R>(&mut self, ticks: &mut [u32], run: impl FnOnce(&mut Laps<'_, C>) -> R) -> (R, u64) {
        self.counter.restart();
        let start = self.counter.now();
        let mut laps = Laps { counter: &mut self.counter, ticks, last: start, lap: self.lap, count: 0 };
        probe::start();
        let result = run(&mut laps);
        probe::stop();
        let cost = self.reading + self.lap * laps.count;
        let end = self.counter.now();
        (result, end.saturating_sub(start).saturating_sub(cost))
    }
}

/// Puts down how long each layer took.
pub(crate) struct Laps<'a, C> {
    counter: &'a mut C,
    ticks: &'a mut [u32],
    last: u64,
    lap: u64,
    count: u64,
}

impl<C: Counter> Observer for Laps<'_, C> {
    // Not inlined: every lap has the same cost, and `Stopwatch::new` has measured it.
    #[inline(never)]
    fn layer(&mut self, index: usize, _kind: OpKind, _output: &[i8]) {
        probe::layer();
        let now = self.counter.now();
        if let Some(ticks) = self.ticks.get_mut(index) {
            let spent = now.saturating_sub(self.last).saturating_sub(self.lap);
            *ticks = u32::try_from(spent).unwrap_or(u32::MAX);
        }
        self.last = now;
        self.count += 1;
    }
}
