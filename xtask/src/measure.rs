//! Runs a network on a board: compares every output with the host's, and counts what an inference takes.

use crate::{board::Board, progress, runner::Session, timing, variant::BlobFile};
use anyhow::ensure;
use niwaki_link::Mode;
use niwaki_pack::artefact::{EvalSet, TOP_1, Variant};
use serde::{Deserialize, Serialize};

/// Timed runs after a warm-up, of which the median counts.
const RUNS: usize = 5;

/// What counting an inference gives, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Executed instructions, under emulation.
    Instructions,
    /// Core cycles, on silicon.
    Cycles,
    /// By the clock of a computer, on silicon.
    Nanoseconds,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
            Self::Nanoseconds => "nanoseconds",
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
    let mut measured = accuracy(session, set, limit)?;
    match count(session, board, set.sample(0).0)? {
        Ok(count) => measured.count = Some(count),
        Err(reason) => measured.uncounted = Some(reason),
    }
    Ok(measured)
}

/// Runs every sample, or the first `limit`, and counts nothing.
pub(crate) fn accuracy(session: &mut Session<'_>, set: &EvalSet, limit: usize) -> anyhow::Result<Measured> {
    let samples = set.len().min(limit);
    let bar = progress::bar(samples, &format!("{} runs {samples} samples", session.identity().board));
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
    let quality = Some(right as f64 / samples.max(1) as f64);
    Ok(Measured { samples, quality, differing, count: None, uncounted: None })
}

/// Counts an inference; the inner error says why this board cannot.
fn count(session: &mut Session<'_>, board: &Board, input: &[i8]) -> anyhow::Result<Result<Count, String>> {
    let timed = match timing::time(session, board, input, RUNS)? {
        // How fast this computer is says nothing of a board.
        Ok(timed) if timed.unit == Unit::Nanoseconds && board.silicon().is_none() => {
            return Ok(Err(format!("{} is a process of this computer, which counts no instructions", board.name())));
        }
        Ok(timed) => timed,
        Err(reason) => return Ok(Err(reason)),
    };
    let layers = (0..usize::from(session.identity().layers)).map(|layer| timing::median(timed.layer(layer))).collect();
    Ok(Ok(Count { unit: timed.unit, total: timed.total(), layers }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_is_the_class() {
        assert_eq!(top(&[-128, -128]), 0);
        assert_eq!(top(&[1, 5, 5, -3]), 1);
    }
}
