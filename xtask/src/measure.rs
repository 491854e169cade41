//! Runs a network on a board: compares every output with the host's, and counts what an inference takes.

use crate::{board::Board, progress, runner::Session, variant::BlobFile};
use anyhow::{bail, ensure};
use niwaki_link::{Calibration, CounterKind, Mode};
use niwaki_pack::artefact::{EvalSet, TOP_1, Variant};
use serde::{Deserialize, Serialize};

/// Timed runs after a warm-up, of which the median counts.
const RUNS: usize = 5;

/// Length of the loop that proves the counter, in instructions. Not the one that the firmware calibrates with.
const PROOF: u32 = 123_456;

/// What counting an inference gives, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Executed instructions, under emulation.
    Instructions,
    /// Core cycles, on silicon.
    Cycles,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
        })
    }
}

/// What an inference takes: the median of several runs on the first sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) unit: Unit,
    /// The whole inference.
    pub(crate) total: u64,
    /// Each layer, in the blob's order.
    pub(crate) layers: Vec<u64>,
}

/// What a board did with a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Inputs that were run.
    pub(crate) samples: usize,
    /// The report's metric on these inputs; absent where only the model's own program can compute it, and the board
    /// did not repeat all of the host's outputs.
    pub(crate) quality: Option<f64>,
    /// Samples whose output is not the host's, byte for byte.
    pub(crate) differing: Vec<usize>,
    /// What an inference takes.
    pub(crate) count: Option<Count>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uncounted: Option<String>,
}

impl Measured {
    /// With the quality by the report's metric. Only top-1 follows from the outputs; any other is the host's where the
    /// board yielded the same bytes for all of its samples.
    pub(crate) fn judged(mut self, metric: &str, host: Option<&Variant>) -> Self {
        if metric != TOP_1 {
            let same = host.filter(|host| self.differing.is_empty() && self.samples == host.samples);
            self.quality = same.map(|host| host.int8_quality);
        }
        self
    }
}

/// The class that an output stands for: the first of the largest.
pub(crate) fn top(output: &[i8]) -> usize {
    output.iter().enumerate().fold((0, i8::MIN), |best, (at, x)| if *x > best.1 { (at, *x) } else { best }).0
}

/// Checks that the board runs this blob, and not one of before.
pub(crate) fn check_identity(session: &Session<'_>, blob: &BlobFile) -> anyhow::Result<()> {
    let identity = session.identity();
    let version = niwaki_blob::VERSION;
    ensure!(
        identity.blob_version == version,
        "the firmware reads blobs of version {}, and this program writes version {version}; build it anew",
        identity.blob_version
    );
    ensure!(
        identity.blob_crc == blob.crc,
        "the board runs another blob (checksum {:08x} instead of {:08x}) of \"{}\"; build its firmware anew",
        identity.blob_crc,
        blob.crc,
        identity.model
    );
    let board = (identity.layers as usize, identity.input_bytes as usize, identity.output_bytes as usize);
    ensure!(
        board == (blob.layers, blob.input_bytes, blob.output_bytes),
        "the board and {} disagree about the network's layers, inputs or outputs",
        blob.path.display()
    );
    Ok(())
}

/// Runs every sample, or the first `limit`, then counts.
pub(crate) fn measure(
    session: &mut Session<'_>,
    board: &Board,
    set: &EvalSet,
    limit: usize,
) -> anyhow::Result<Measured> {
    let samples = set.len().min(limit);
    let bar = progress::bar(samples, &format!("{} runs {samples} samples", board.name()));
    let (mut right, mut differing) = (0, Vec::new());
    for index in 0..samples {
        let (input, label, host) = set.sample(index);
        let (output, _) = session.infer(input, Mode::Whole)?;
        if output != host {
            differing.push(index);
        }
        right += usize::from(top(&output) == usize::from(label));
        bar.step();
    }
    drop(bar);
    let (count, uncounted) = match count(session, board, set.sample(0).0)? {
        Ok(count) => (Some(count), None),
        Err(reason) => (None, Some(reason)),
    };
    Ok(Measured { samples, quality: Some(right as f64 / samples.max(1) as f64), differing, count, uncounted })
}

/// Counts an inference; the inner error says why this board cannot.
fn count(session: &mut Session<'_>, board: &Board, input: &[i8]) -> anyhow::Result<Result<Count, String>> {
    let counter = session.identity().counter;
    let (unit, calibration) = match counter.kind {
        CounterKind::None => return Ok(Err(format!("{} has no counter", board.name()))),
        CounterKind::Nanoseconds if board.emulated() => {
            let name = board.name();
            return Ok(Err(format!("{name} is a process that QEMU translates, which neither counts nor keeps time")));
        }
        CounterKind::Nanoseconds => {
            let owner = if board.silicon().is_none() { " of this computer" } else { "" };
            return Ok(Err(format!("{} is a process{owner}, which counts no instructions", board.name())));
        }
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
    let (mut totals, mut layers) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        let (_, ticks) = session.infer(input, Mode::Whole)?;
        session.infer(input, Mode::Layers)?;
        let profile = session.profile()?;
        // The first run of each is the warm-up.
        if run > 0 {
            totals.push(ticks.unwrap_or(0));
            layers.push(profile);
        }
    }
    let total = median(totals);
    ensure!(total > 0, "the counter of {} did not move during an inference", board.name());
    let per_layer = |layer: usize| median(layers.iter().map(|run| u64::from(run[layer])).collect());
    let layers = (0..usize::from(session.identity().layers)).map(per_layer).map(convert).collect();
    Ok(Ok(Count { unit, total: convert(total), layers }))
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

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_is_the_class() {
        assert_eq!(top(&[-128, -128]), 0);
        assert_eq!(top(&[1, 5, 5, -3]), 1);
    }

    #[test]
    fn the_median_ignores_outliers() {
        assert_eq!(median(vec![5, 1, 900, 4, 6]), 5);
        assert_eq!(median(Vec::new()), 0);
    }
}
