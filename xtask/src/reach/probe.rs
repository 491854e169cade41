//! Flashing through a probe, with the `probe-rs` that is installed.

use crate::reach::run;
use std::{path::Path, process::Command};

const REMEDY: &str = "connect the board's debug USB port and look at what `probe-rs list` shows; on Linux a probe needs \
                      the udev rules of https://probe.rs/docs/getting-started/probe-setup; where there are several, \
                      choose one with PROBE_RS_PROBE=VID:PID:SERIAL";

/// Flashes a firmware and starts it.
pub(crate) fn flash(chip: &str, firmware: &Path) -> anyhow::Result<()> {
    let probe_rs = |verb: &str| {
        let mut command = Command::new("probe-rs");
        // A question that nobody sees would never be answered.
        command.args([verb, "--chip", chip]).env("PROBE_RS_NON_INTERACTIVE", "true");
        command
    };
    run(probe_rs("download").arg(firmware), "probe-rs download", REMEDY)?;
    run(&mut probe_rs("reset"), "probe-rs reset", REMEDY)?;
    Ok(())
}
