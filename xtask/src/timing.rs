//! Times a network on a board: several runs of the whole, several of every layer, and what makes the figures wrong.

use crate::{board::Board, measure::Unit, runner::Session};
use anyhow::{bail, ensure};
use niwaki_link::{Calibration, CounterKind, Mode};

/// Length of the loop that proves the counter, in instructions. Not the one that the firmware calibrates with.
const PROOF: u32 = 123_456;

/// How far the sum of the layers may be from the whole: one part of so many, and this many nanoseconds where an
/// operating system's clock is read.
const TOLERANCE: u64 = 50;
const CLOCK_TOLERANCE: u64 = 2_000;

/// What was counted, run by run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timed {
    pub(crate) unit: Unit,
    /// Units per second; 0 where they are no time.
    pub(crate) hz: u64,
    /// Whole inferences.
    pub(crate) totals: Vec<u64>,
    /// Each run's layers, in the blob's order.
    pub(crate) layers: Vec<Vec<u64>>,
}

impl Timed {
    /// The median of the whole inference.
    pub(crate) fn total(&self) -> u64 {
        median(self.totals.clone())
    }

    /// The runs of one layer.
    pub(crate) fn layer(&self, index: usize) -> Vec<u64> {
        self.layers.iter().filter_map(|run| run.get(index).copied()).collect()
    }
}

/// Runs a network `runs` times on one input after a warm-up, and as often again layer by layer. The inner error says
/// why this board cannot count.
///
/// # Errors
/// If the counter did not move, counts a known loop wrong, or the layers do not add up to the whole.
pub(crate) fn time(
    session: &mut Session<'_>,
    board: &Board,
    input: &[i8],
    runs: usize,
) -> anyhow::Result<Result<Timed, String>> {
    let counter = session.identity().counter;
    let (unit, calibration) = match counter.kind {
        CounterKind::None => return Ok(Err(format!("{} has no counter", board.name()))),
        CounterKind::Nanoseconds if board.emulated() => {
            let name = board.name();
            return Ok(Err(format!("{name} is a process that QEMU translates, which neither counts nor keeps time")));
        }
        CounterKind::Nanoseconds => (Unit::Nanoseconds, None),
        CounterKind::SysTick | CounterKind::Cycles if board.emulated() => match counter.calibration {
            Some(calibration) => (Unit::Instructions, Some(calibration)),
            None => bail!("{} is emulated and its firmware did not calibrate its counter", board.name()),
        },
        CounterKind::SysTick | CounterKind::Cycles => (Unit::Cycles, None),
    };
    if let Some(calibration) = calibration {
        prove(session, calibration)?;
    }
    let convert = |ticks: u64| calibration.map_or(ticks, |calibration| calibration.instructions(ticks));
    let hz = if unit == Unit::Instructions { 0 } else { u64::from(counter.hz) };
    let mut timed = Timed { unit, hz, totals: Vec::new(), layers: Vec::new() };
    for run in 0..=runs {
        let whole = session.infer(input, Mode::Whole)?.1.unwrap_or(0);
        let observed = session.infer(input, Mode::Layers)?.1.unwrap_or(0);
        let layers: Vec<u64> = session.profile()?.into_iter().map(u64::from).collect();
        ensure!(whole > 0 && observed > 0, "the counter of {} did not move during an inference", board.name());
        // The first run of each is the warm-up.
        if run > 0 {
            add_up(board.name(), unit, &layers, observed)?;
            timed.totals.push(convert(whole));
            timed.layers.push(layers.into_iter().map(convert).collect());
        }
    }
    Ok(Ok(timed))
}

/// A run's layers must add up to the run, which was measured on its own.
fn add_up(board: &str, unit: Unit, layers: &[u64], whole: u64) -> anyhow::Result<()> {
    let sum: u64 = layers.iter().sum();
    let allowed = whole / TOLERANCE + if unit == Unit::Nanoseconds { CLOCK_TOLERANCE } else { 0 };
    ensure!(
        sum.abs_diff(whole) <= allowed,
        "the layers on {board} add up to {sum} ticks and the whole inference took {whole}: more than 2 % apart"
    );
    Ok(())
}

/// A loop of known length must come out right, or no number of this counter can be trusted.
fn prove(session: &mut Session<'_>, calibration: Calibration) -> anyhow::Result<()> {
    let counted = calibration.instructions(session.known_loop(PROOF)?);
    let off = counted.abs_diff(u64::from(PROOF));
    ensure!(
        off * 1000 <= u64::from(PROOF),
        "the board's counter is off: a loop of {PROOF} instructions was counted as {counted}"
    );
    Ok(())
}

/// The one in the middle, the larger of two.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_outliers() {
        assert_eq!(median(vec![5, 1, 900, 4, 6]), 5);
        assert_eq!(median(Vec::new()), 0);
    }

    #[test]
    fn layers_that_do_not_add_up_are_an_error() {
        let check = |unit, layers: &[u64], whole| add_up("b", unit, layers, whole).map_err(|error| error.to_string());
        assert_eq!(check(Unit::Cycles, &[500, 490], 1000), Ok(()));
        assert_eq!(check(Unit::Instructions, &[500, 480], 1000), Ok(()));
        assert!(check(Unit::Instructions, &[500, 479], 1000).unwrap_err().ends_with("more than 2 % apart"));
        assert!(check(Unit::Cycles, &[500, 521], 1000).unwrap_err().contains("add up to 1021 ticks"));
        assert_eq!(check(Unit::Nanoseconds, &[1000, 1000], 1000), Ok(()));
        assert!(check(Unit::Nanoseconds, &[1000, 3000], 1000).is_err());
    }
}
