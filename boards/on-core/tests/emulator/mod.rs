//! Builds firmware and runs it in QEMU.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A machine that QEMU emulates, and what runs on it.
pub(crate) struct Machine {
    /// The Rust target.
    pub(crate) target: &'static str,
    /// QEMU's name of it.
    machine: &'static str,
}

/// A Cortex-M4F.
pub(crate) const MPS2_AN386: Machine = Machine { target: "thumbv7em-none-eabihf", machine: "mps2-an386" };

/// Builds one of this package's programs and returns where it is.
pub(crate) fn firmware(name: &str, target: &str) -> io::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A folder of its own: the one of the command that runs this may be locked.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--release", "--target", target, "--bin", name]).arg("--target-dir").arg(&folder);
    let status = command.current_dir(package).status()?;
    match status.success() {
        true => Ok(folder.join(target).join("release").join(name)),
        false => Err(io::Error::other(format!("cargo build of {name} failed"))),
    }
}

/// Runs a program to its end; whether it says that all is well, and what else it says.
pub(crate) fn run(machine: &Machine, firmware: &Path, more: &[String]) -> io::Result<(bool, String)> {
    let mut command = Command::new("qemu-system-arm");
    command.args(["-machine", machine.machine, "-display", "none", "-monitor", "none", "-serial", "stdio"]);
    command.args(["-semihosting-config", "enable=on,target=native"]).args(more).arg("-kernel").arg(firmware);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}
