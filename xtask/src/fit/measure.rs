//! What a candidate takes on the board.

use super::budget::{Taken, Unit};
use crate::{
    estimate,
    firmware::DoesNotFit,
    logs::Logs,
    measure::{self, Unit as Counted},
    runner::Session,
    sample, timing,
    trial::Trial,
    variant::BlobFile,
};
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A candidate on the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// What it takes; absent where it does not fit, so that it cannot be run.
    pub(crate) taken: Option<Taken>,
    /// Its blob and arena in the board's layout.
    pub(crate) blob_bytes: u64,
    pub(crate) arena_bytes: u64,
    /// What each layer takes, in the blob's order, as the board counts.
    #[serde(default)]
    pub(crate) layers: Vec<u64>,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_run: Option<String>,
}

impl Measured {
    /// Bytes of flash and RAM that are taken beside blob and arena.
    pub(crate) fn around(&self) -> Option<[u64; 2]> {
        let taken = self.taken.as_ref()?;
        Some([taken.flash?.saturating_sub(self.blob_bytes), taken.ram?.saturating_sub(self.arena_bytes)])
    }
}

/// Builds the firmware around a blob and counts one inference.
pub(crate) fn candidate(
    trial: &Trial<'_>,
    model: &str,
    blob: &Path,
    input: &[i8],
    unit: Unit,
) -> anyhow::Result<Measured> {
    let plain = BlobFile::read(blob, "run fit again")?;
    let (blob, firmware) = match trial.firmware(model, &plain, "fit") {
        Ok(built) => built,
        Err(error) => {
            let reason = error.downcast_ref::<DoesNotFit>().map(ToString::to_string);
            let Some(reason) = reason else { return Err(error) };
            let not_run = Some(reason);
            let (blob_bytes, arena_bytes) = (plain.bytes as u64, plain.arena_bytes as u64);
            return Ok(Measured { taken: None, blob_bytes, arena_bytes, layers: Vec::new(), not_run });
        }
    };
    let input = input.get(..blob.input_bytes).context("the test samples have another size than the network's input")?;
    let board = trial.board;
    let logs = Logs::off();
    let mut session = Session::start(board, &firmware.path, &blob.path, &logs)?;
    measure::check_identity(&session, &blob)?;
    let timed = match timing::time(&mut session, board, input, 1)? {
        Ok(timed) => timed,
        Err(reason) => bail!("{reason}: no budget can be held on {}", board.full_name()),
    };
    drop(session);
    let work = match (unit, timed.unit) {
        (Unit::Instructions, Counted::Instructions) | (Unit::Cycles, Counted::Cycles) => timed.total(),
        (Unit::Cycles, Counted::Instructions) => {
            let core = &board.spec.core;
            let found = estimate::estimate(trial.work, board, &firmware.path, &blob.path, input)?;
            match found {
                Ok(found) => {
                    ensure!(found.priced, "nothing estimates the cycles of {core}; give --instructions instead");
                    found.total.cycles
                }
                Err(reason) => bail!("no estimated cycles: {reason}; give --instructions instead"),
            }
        }
        (wanted, counted) => bail!("{} counts {counted}, and the budget is in {wanted}", board.full_name()),
    };
    let sizes = firmware.sizes.as_ref();
    let flash = sizes.map(|sizes| sizes.sections.flash());
    let ram = sizes.map(|sizes| sizes.sections.ram() + sizes.stack_bytes);
    let taken = Some(Taken { work, flash, ram });
    let layers = (0..blob.layers).map(|at| timing::median(timed.layer(at))).collect();
    let (blob_bytes, arena_bytes) = (blob.bytes as u64, blob.arena_bytes as u64);
    Ok(Measured { taken, blob_bytes, arena_bytes, layers, not_run: None })
}

/// Flash and RAM that a firmware takes beside its network, where none of the model's networks fits yet: of the smallest
/// network there is.
pub(crate) fn smallest(trial: &Trial<'_>, model: &str) -> anyhow::Result<[u64; 2]> {
    let blob = BlobFile::read(&sample::write(&trial.folder(model))?, "run fit again")?;
    let (blob, firmware) = trial.firmware(model, &blob, "fit")?;
    let sizes = firmware.sizes.as_ref().context("a process has no memories")?;
    let ram = sizes.sections.ram() + sizes.stack_bytes;
    let beside = |all: u64, own: usize| all.saturating_sub(own as u64);
    Ok([beside(sizes.sections.flash(), blob.bytes), beside(ram, blob.arena_bytes)])
}
