//! One of a model's networks on a board: firmware, run, figures.

use crate::{
    board::Board,
    firmware::{self, DoesNotFit, Firmware},
    logs::{Level, Logs},
    measure::{self, Measured},
    output,
    report::Column,
    runner::Session,
    variant::{self, BlobFile, Which},
    workplace::Workplace,
};
use niwaki_pack::{
    Isa,
    artefact::{EvalSet, Report},
};
use std::path::PathBuf;

/// A board and how to use it.
pub(crate) struct Trial<'a> {
    pub(crate) work: &'a Workplace,
    pub(crate) board: &'a Board,
    /// Run at most so many samples.
    pub(crate) samples: Option<usize>,
    /// Build the firmware with logging, and show it.
    pub(crate) log: Option<Level>,
    /// Build the firmware so that it spoils what is digested of this layer: to see that the difference is found.
    pub(crate) fault: Option<u16>,
}

impl Trial<'_> {
    /// Where results about a model on this board go.
    pub(crate) fn folder(&self, model: &str) -> PathBuf {
        self.work.results(model).join(self.board.full_name().replace(':', "-"))
    }

    /// Builds the firmware of one of a model's networks; the blob is the one that the firmware holds.
    pub(crate) fn build(&self, report: &Report, which: Which) -> anyhow::Result<(BlobFile, Firmware)> {
        let blob = BlobFile::of(self.work, report, which)?;
        self.firmware(&report.model, &blob, &which.to_string())
    }

    /// Builds the firmware for any blob, in the layout of the board's kernels; `label` names the files.
    pub(crate) fn firmware(&self, model: &str, blob: &BlobFile, label: &str) -> anyhow::Result<(BlobFile, Firmware)> {
        let spoilt = if self.fault.is_some() { "-spoilt" } else { "" };
        let file = |ending: &str| self.folder(model).join(format!("{label}{spoilt}.{ending}"));
        let blob = match self.board.spec.kernels.isa() {
            Isa::Scalar => blob.clone(),
            isa => blob.repacked(isa, &self.board.spec.core, &file("nwk"))?,
        };
        let firmware = firmware::build(self, &blob, &file("elf"))?;
        if firmware.sizes.is_some() {
            output::wrote(self.work, &firmware.path);
        }
        Ok((blob, firmware))
    }

    /// Runs a firmware and compares with the host.
    pub(crate) fn measure(&self, blob: &BlobFile, firmware: &Firmware, set: &EvalSet) -> anyhow::Result<Measured> {
        let logs = self.logs(firmware)?;
        let mut session = Session::start(self.board, &firmware.path, &blob.path, &logs)?;
        measure::check_identity(&session, blob)?;
        measure::measure(&mut session, self.board, set, self.samples.unwrap_or(usize::MAX))
    }

    /// Where this board's log goes.
    pub(crate) fn logs(&self, firmware: &Firmware) -> anyhow::Result<Logs> {
        match self.log.filter(|_| self.board.spec.target.is_some()) {
            Some(level) => Logs::decoded(self.work, self.board.name(), &firmware.path, level),
            None => Ok(Logs::off()),
        }
    }

    /// Builds, checks the budget, and runs. A network that does not fit is an error only where `must_fit`.
    pub(crate) fn column(&self, report: &Report, which: Which, must_fit: bool) -> anyhow::Result<Column> {
        let host = which.of(report).clone();
        let mut column = Column { host, firmware: None, stack_bytes: None, board: None, not_run: None };
        let outcome = self.fill(&mut column, report, which);
        if let Err(error) = outcome {
            match error.downcast_ref::<DoesNotFit>() {
                Some(reason) if !must_fit => column.not_run = Some(reason.to_string()),
                _ => return Err(error),
            }
        }
        Ok(column)
    }

    fn fill(&self, column: &mut Column, report: &Report, which: Which) -> anyhow::Result<()> {
        let (blob, firmware) = self.build(report, which)?;
        // What the board holds: its kernels' layout has other sizes, and they may need scratch.
        (column.host.blob_bytes, column.host.arena_bytes) = (blob.bytes, blob.arena_bytes);
        if let Some(sizes) = &firmware.sizes {
            column.firmware = Some(sizes.sections);
            column.stack_bytes = Some(sizes.stack_bytes);
            firmware::check_budget(self.board, &blob, sizes)?;
        }
        let set = variant::eval_set(self.work, report, which, &blob)?;
        let measured = self.measure(&blob, &firmware, &set)?;
        column.board = Some(measured.judged(&report.metric, Some(which.of(report))));
        Ok(())
    }
}
