//! `setup`: installs what is missing on this machine.

use crate::{
    board::{self, Board},
    install,
    output::{self, table},
    toolchain::{self, Finding, Need},
    workplace::Workplace,
};

/// Install what is missing: Rust targets, QEMU; for a board of your own also what flashes it
///
/// Says what it installs and how to do it by hand; changes nothing where all is there. Commands that need something
/// call it themselves. On Debian and Ubuntu it uses apt-get, elsewhere it says what to install.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also a Vulkan driver, for Burn's wgpu device
    #[arg(long)]
    devices: bool,
    /// Only what this board needs, and what it needs beyond emulation: probe-rs or ssh
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let needs = match &args.board {
        Some(board) => of_board(&Board::find(work, board)?),
        None => test_needs(work, args.devices)?,
    };
    install::ensure_all(&needs)?;
    install::renew_qemu(&needs)?;
    let findings: Vec<Finding> = needs.iter().map(Need::check).collect();
    output::result(work, &findings, || show(&findings))
}

/// Everything that a board needs, however it is run.
fn of_board(board: &Board) -> Vec<Need> {
    let target = board.spec.target.as_deref();
    let runners = board.spec.runners.values().flat_map(|runner| runner.needs(target));
    board.needs().into_iter().chain(runners).collect()
}

/// Everything that all boards need, real ones too.
pub(crate) fn all_needs(work: &Workplace, devices: bool) -> anyhow::Result<Vec<Need>> {
    let mut needs = Vec::new();
    for name in board::all(work) {
        needs.extend(of_board(&Board::find(work, &name)?));
    }
    needs.extend(devices.then_some(Need::Vulkan));
    needs.sort();
    needs.dedup();
    Ok(needs)
}

/// What building for all boards and running the emulated ones needs: everything but what reaches real boards.
pub(crate) fn test_needs(work: &Workplace, devices: bool) -> anyhow::Result<Vec<Need>> {
    let mut needs = all_needs(work, devices)?;
    needs.retain(|need| !need.only_real_boards());
    Ok(needs)
}

/// Makes sure that a command has what it needs, for a `board` if it is for one.
pub(crate) fn ready(needs: &[Need], board: Option<&str>, no_setup: bool) -> anyhow::Result<()> {
    // What flashes a real board takes minutes to install, which is not to be done in passing.
    let (real, others): (Vec<Need>, Vec<Need>) = needs.iter().cloned().partition(Need::only_real_boards);
    toolchain::require(&real, board)?;
    if no_setup {
        return toolchain::require(&others, board);
    }
    install::ensure_all(&others).map(|_| ())
}

/// What was found, as a table.
pub(crate) fn show(findings: &[Finding]) -> String {
    let mut table = table(["needed", "found", "to do"], 9);
    for finding in findings {
        let (found, fix) = (finding.found.as_deref().unwrap_or("missing"), finding.fix.as_ref());
        let todo = [fix, finding.note.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join("; ");
        table.add_row([finding.need.as_str(), found, &todo]);
    }
    table.to_string()
}
