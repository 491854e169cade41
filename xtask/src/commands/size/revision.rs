//! The firmware of another revision of this repository, built in a working tree of its own that does not stay.

use crate::{
    board::Board, children, elf::Sizes, firmware, package, trial::Trial, variant::BlobFile, workplace::Workplace,
};
use anyhow::{Context, bail, ensure};
use std::{path::Path, process::Command};

/// Where the version of the blob format stands in every revision.
const FORMAT: &str = "crates/blob/src/header.rs";

/// A revision, checked out in `target/niwaki/worktrees` until this is dropped or we are told to end.
pub(super) struct Revision<'a> {
    work: &'a Workplace,
    name: String,
    board: String,
    there: Workplace,
}

impl<'a> Revision<'a> {
    /// Checks it out, for firmware of a board of that name.
    ///
    /// # Errors
    /// There is no such revision, its firmware reads another format of blobs than ours, or it cannot have the board.
    pub(super) fn checkout(work: &'a Workplace, name: &str, board: &str) -> anyhow::Result<Self> {
        has(board, name)?;
        let commit = commit(work, name)?;
        readable(work, name, &commit)?;
        let short = commit.get(..12).unwrap_or(&commit);
        let root = work.root.join("target/niwaki/worktrees").join(format!("{short}-{}", std::process::id()));
        let own_target = Some(root.join("target"));
        // What an earlier run could not take back: one that was killed.
        git(work, &["worktree", "prune"])?;
        children::remove_with_us(&root);
        // From here on it is removed, whatever happens.
        let revision = Self {
            work,
            name: name.into(),
            board: board.into(),
            there: Workplace { root, json: work.json, own_target },
        };
        let folder = revision.there.root.display().to_string();
        git(work, &["worktree", "add", "--quiet", "--detach", &folder, &commit])
            .with_context(|| format!("{name} cannot be checked out"))?;
        Ok(revision)
    }

    /// What the firmware with this very blob occupies there.
    pub(super) fn sizes(&self, blob: &BlobFile) -> anyhow::Result<Sizes> {
        let at = || format!("at {}", self.name);
        let board = Board::find(&self.there, &self.board).with_context(at)?;
        let trial = Trial { work: &self.there, board: &board, samples: None, log: None, fault: None };
        let copy = self.there.root.join("target/firmware.elf");
        let firmware = firmware::build(&trial, blob, &copy).with_context(at)?;
        firmware.sizes.context("the firmware is no ELF file")
    }
}

impl Drop for Revision<'_> {
    fn drop(&mut self) {
        let folder = &self.there.root;
        let removed = git(self.work, &["worktree", "remove", "--force", &folder.display().to_string()]);
        if removed.is_err() {
            let _ = std::fs::remove_dir_all(folder);
            let _ = git(self.work, &["worktree", "prune"]);
        }
    }
}

/// Whether the text names a file rather than a revision.
pub(super) fn is_file(text: &str) -> bool {
    Path::new(text).is_file() || text.ends_with(".json")
}

/// Only a board of this repository is in other revisions of it.
fn has(board: &str, revision: &str) -> anyhow::Result<()> {
    let remedy = "save a report with `size --json` before the change, and compare with that: `--diff FILE.json`";
    ensure!(!package::is_path(board), "{board} is no board of this repository: there is none at {revision}; {remedy}");
    Ok(())
}

/// The commit that a revision names.
fn commit(work: &Workplace, name: &str) -> anyhow::Result<String> {
    // What starts with a dash would be an option of git's.
    ensure!(!name.starts_with('-'), "no revision \"{name}\": a revision starts with no dash");
    let found = command(work, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]).output();
    let found = found.context(NO_GIT)?;
    // It says nothing where there is a repository without that revision.
    let said = String::from_utf8_lossy(&found.stderr);
    let said = said.lines().next().map(|line| format!(" ({line})")).unwrap_or_default();
    ensure!(
        found.status.success(),
        "no revision \"{name}\" in {}{said}; `git log --oneline` lists them, `git fetch` gets those of others; a file \
         that `size --json` wrote does as well",
        work.root.display()
    );
    Ok(String::from_utf8_lossy(&found.stdout).trim().to_string())
}

/// Fails if that revision reads another version of the format.
fn readable(work: &Workplace, name: &str, commit: &str) -> anyhow::Result<()> {
    let source = command(work, &["show", &format!("{commit}:{FORMAT}")]).output().context(NO_GIT)?;
    let Some(theirs) = version(&String::from_utf8_lossy(&source.stdout)) else {
        bail!("{name} cannot be compared with: it has no format of blobs ({FORMAT}); name a later revision");
    };
    let ours = niwaki_blob::VERSION;
    ensure!(
        theirs == ours,
        "{name} cannot read this blob: it knows format version {theirs}, this is version {ours}; check it out, pack the \
         model and write `cargo xtask size MODEL --board BOARD --json > FILE.json` there, then compare with `--diff \
         FILE.json`"
    );
    Ok(())
}

/// The version of the format, from its source.
fn version(source: &str) -> Option<u16> {
    let rest = source.split_once("pub const VERSION: u16 =")?.1;
    rest.split_once(';')?.0.trim().parse().ok()
}

fn git(work: &Workplace, arguments: &[&str]) -> anyhow::Result<()> {
    let output = command(work, arguments).output().context(NO_GIT)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), said.trim().replace('\n', "; "));
    Ok(())
}

const NO_GIT: &str = "git did not start; install it, or compare with a file that `size --json` wrote";

fn command(work: &Workplace, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(&work.root).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_source_says_its_version() {
        let source = std::fs::read_to_string(Workplace::new(false).root.join(FORMAT)).unwrap();
        assert_eq!(version(&source), Some(niwaki_blob::VERSION));
        assert_eq!(version("pub const VERSION: u16 = 2;"), Some(2));
        assert_eq!(version("const OTHER: u16 = 2;"), None);
    }

    #[test]
    fn a_file_is_told_from_a_revision() {
        assert!(is_file("no/such.json") && is_file("Cargo.toml"));
        assert!(!is_file("HEAD~1") && !is_file("v0.1.0"));
    }
}
