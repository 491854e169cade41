//! Builds a board's firmware around a blob, and says beforehand where it cannot fit.

use crate::{
    board::{Board, Runner},
    cargo::{self, BuildFailed},
    elf::{self, Sizes},
    output::thousands,
    trial::Trial,
    variant::BlobFile,
};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};

/// A network or firmware that is larger than what a board has to give.
#[derive(Debug)]
pub(crate) struct DoesNotFit(String);

impl std::fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DoesNotFit {}

/// A firmware that was built.
pub(crate) struct Firmware {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it occupies; absent for a board that is a process.
    pub(crate) sizes: Option<Sizes>,
}

/// Fails if the network alone takes more than the board has to give: the linker would say the same less clearly.
pub(crate) fn check_fit(board: &Board, blob: &BlobFile) -> anyhow::Result<()> {
    let Some(budget) = &board.spec.budget else { return Ok(()) };
    fits(board, &blob.path, "the arena", blob.arena_bytes as u64, budget.ram_bytes, "RAM")?;
    fits(board, &blob.path, "the blob", blob.bytes as u64, budget.flash_bytes, "flash")
}

/// Fails if a firmware exceeds the budget in board.toml.
pub(crate) fn check_budget(board: &Board, blob: &BlobFile, sizes: &Sizes) -> anyhow::Result<()> {
    let Some(budget) = &board.spec.budget else { return Ok(()) };
    let (ram, flash) = (sizes.sections.ram() + sizes.stack_bytes, sizes.sections.flash());
    fits(board, &blob.path, "the firmware with its stack", ram, budget.ram_bytes, "RAM")?;
    fits(board, &blob.path, "the firmware", flash, budget.flash_bytes, "flash")
}

fn fits(board: &Board, blob: &Path, what: &str, bytes: u64, budget: u64, kind: &str) -> anyhow::Result<()> {
    let Some(over) = bytes.checked_sub(budget).filter(|over| *over > 0) else { return Ok(()) };
    let (bytes, over, budget) = (thousands(bytes), thousands(over), thousands(budget));
    let sum =
        format!("{what} takes {bytes} bytes, {over} more than the {budget} bytes of {kind} that board.toml allows");
    Err(too_large(board, blob, &sum))
}

fn too_large(board: &Board, blob: &Path, reason: &str) -> anyhow::Error {
    DoesNotFit(format!("{} does not fit on {}: {reason}; prune more", blob.display(), board.name())).into()
}

/// Builds it, and leaves a copy at `copy` if it is for a microcontroller.
pub(crate) fn build(trial: &Trial<'_>, blob: &BlobFile, copy: &Path) -> anyhow::Result<Firmware> {
    let Trial { work, board, log, fault, .. } = *trial;
    check_fit(board, blob)?;
    let mut command = cargo::cargo(&board.folder);
    command.args(["build", "--release", "--package", &board.package]).env("NIWAKI_BLOB", &blob.path);
    if let Some(folder) = &work.own_target {
        command.arg("--target-dir").arg(folder);
    }
    if let Some(target) = &board.spec.target {
        command.args(["--target", target]);
    }
    if let Some(layer) = fault {
        // Of a process there would be no copy: host and board would be the same program.
        ensure!(!board.is_process(), "{} is a process: there is no firmware to spoil", board.name());
        command.args(["--features", "niwaki-board/fault"]).env("NIWAKI_FAULT_LAYER", layer.to_string());
    }
    if let Some(level) = log {
        command.env("DEFMT_LOG", level.name());
        if matches!(board.spec.runner, Runner::ProbeRs { .. }) {
            command.args(["--features", "niwaki-board/rtt"]);
        }
    }
    let built = cargo::build(command, &format!("building the firmware for {}", board.name()));
    let built = built.map_err(|error| match error.downcast_ref::<BuildFailed>() {
        Some(failed) => explain(board, blob, failed),
        None => error,
    })?;
    let program = cargo::pick(&built, &board.package)
        .with_context(|| format!("the board {} has no program of that name", board.name()))?;
    // A process reads its blob when it starts: there is nothing in it to keep or to measure.
    if board.is_process() {
        return Ok(Firmware { path: program, sizes: None });
    }
    copy_whole(&program, copy)?;
    Ok(Firmware { path: copy.to_path_buf(), sizes: Some(elf::sizes(copy)?) })
}

/// Copies a file whole or not at all.
fn copy_whole(from: &Path, to: &Path) -> anyhow::Result<()> {
    let folder = to.parent().context("a firmware needs a folder")?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let part = tempfile::Builder::new().tempfile_in(folder).with_context(|| folder.display().to_string())?;
    std::fs::copy(from, part.path()).with_context(|| from.display().to_string())?;
    part.persist(to).with_context(|| to.display().to_string())?;
    Ok(())
}

/// The linker's words in one line where it ran out of memory; everything it said where it did not.
fn explain(board: &Board, blob: &BlobFile, failed: &BuildFailed) -> anyhow::Error {
    let Some((region, bytes)) = overflow(&failed.said) else {
        return failed.explained(&format!("the firmware for {}", board.name()));
    };
    too_large(board, &blob.path, &format!("the firmware is {} bytes too large for {region}", thousands(bytes)))
}

/// The memory that overflowed and by how much, the worst if there are several.
fn overflow(said: &str) -> Option<(String, u64)> {
    let found = said.split("region '").skip(1).filter_map(|rest| {
        let (region, rest) = rest.split_once('\'')?;
        let (_, rest) = rest.lines().next()?.split_once("overflowed by ")?;
        let bytes = rest.split_whitespace().next()?.parse().ok()?;
        Some((region.to_string(), bytes))
    });
    found.max_by_key(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_is_read_from_the_linkers_words() {
        let said = "  = note: rust-lld: error: section '.rodata' will not fit in region 'FLASH': overflowed by 120 bytes\n\
                    rust-lld: error: section '.bss' will not fit in region 'RAM': overflowed by 4120 bytes\n";
        assert_eq!(overflow(said), Some(("RAM".into(), 4120)));
        assert_eq!(overflow("error: linking with `rust-lld` failed"), None);
    }
}
