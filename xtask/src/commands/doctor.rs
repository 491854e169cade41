//! `doctor`: says what is missing on this machine and how to fix it, and changes nothing.

use crate::{
    commands::setup,
    output,
    toolchain::{Finding, Need},
    workplace::Workplace,
};
use anyhow::ensure;

/// Check what is installed and print the fix for what is not; changes nothing
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also look for a Vulkan driver, for Burn's wgpu device
    #[arg(long)]
    devices: bool,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let findings: Vec<Finding> = setup::all_needs(work, args.devices)?.iter().map(Need::check).collect();
    output::result(work, &findings, || setup::show(&findings))?;
    // What has a note is not needed by everybody.
    let missing = findings.iter().filter(|finding| finding.found.is_none() && finding.note.is_none()).count();
    ensure!(missing == 0, "{missing} missing; `cargo xtask setup` installs what is missing");
    Ok(())
}
