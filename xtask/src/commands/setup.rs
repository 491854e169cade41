//! `setup`: installs what is missing on this machine.

use crate::{
    board::{self, Board},
    install,
    output::{self, table},
    toolchain::{self, Finding, Need},
    workplace::Workplace,
};

/// Install what is missing: Rust targets, QEMU
///
/// Says what it installs and how to do it by hand; changes nothing where all is there. Commands that need something
/// call it themselves. On Debian and Ubuntu it uses apt-get, elsewhere it says what to install.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also a Vulkan driver, for Burn's wgpu device
    #[arg(long)]
    devices: bool,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let needs = all_needs(work, args.devices)?;
    install::ensure_all(&needs)?;
    let findings: Vec<Finding> = needs.iter().map(Need::check).collect();
    output::result(work, &findings, || show(&findings))
}

/// Everything that all boards need.
pub(crate) fn all_needs(work: &Workplace, devices: bool) -> anyhow::Result<Vec<Need>> {
    let mut needs = Vec::new();
    for name in board::all(work) {
        needs.extend(Board::find(work, &name)?.needs());
    }
    needs.extend(devices.then_some(Need::Vulkan));
    needs.sort();
    needs.dedup();
    Ok(needs)
}

/// Makes sure that a command has what it needs.
pub(crate) fn ready(needs: &[Need], no_setup: bool) -> anyhow::Result<()> {
    if no_setup {
        return toolchain::require(needs);
    }
    install::ensure_all(needs).map(|_| ())
}

/// What was found, as a table.
pub(crate) fn show(findings: &[Finding]) -> String {
    let mut table = table(["needed", "found", "to do"], 9);
    for finding in findings {
        let (found, fix) = (finding.found.as_deref().unwrap_or("missing"), finding.fix.as_ref());
        let todo = fix.or(finding.note.as_ref()).map_or("", String::as_str);
        table.add_row([finding.need.as_str(), found, todo]);
    }
    table.to_string()
}
