//! What has to be on this machine, whether it is, and how it gets there.

use crate::machine::{Machine, any_file, find_program};
use anyhow::bail;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Something that a command needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A target of the Rust compiler, by its triple.
    Target(String),
    /// A program of QEMU.
    Qemu(String),
    /// A compiler that links programs for another architecture.
    Linker(&'static str),
    /// A Vulkan driver, for Burn's wgpu device.
    Vulkan,
    /// The program `probe-rs`, which flashes real boards.
    ProbeRs,
    /// The programs `ssh` and `scp`.
    Ssh,
}

/// The QEMU from which on every emulated board is there; older ones run most.
const GOOD_QEMU: (u32, u32) = (9, 0);

/// How a [`Need`] stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What is needed.
    pub(crate) need: String,
    /// What was found; absent if it is missing.
    pub(crate) found: Option<String>,
    /// What to type where it is missing.
    pub(crate) fix: Option<String>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl Need {
    /// Looks whether it is there. Takes some milliseconds, so nothing is remembered between runs.
    pub(crate) fn check(&self) -> Finding {
        let found = match self {
            Self::Target(triple) => target_folder(triple).map(|folder| folder.display().to_string()),
            Self::Qemu(program) => find_program(program).map(|path| version_line(&path)),
            Self::Linker(program) => find_program(program).map(|path| path.display().to_string()),
            Self::Vulkan => vulkan(),
            Self::ProbeRs => find_program("probe-rs").map(|path| version_line(&path)),
            Self::Ssh => find_program("ssh").and(find_program("scp")).map(|path| path.display().to_string()),
        };
        let fix = found.is_none().then(|| self.by_hand(&Machine::this()));
        let note = match self {
            Self::Qemu(_) => {
                let old = found.as_deref().and_then(old_qemu);
                old.map(|old| format!("{old}: {}", self.by_hand(&Machine::this())))
            }
            _ if found.is_none() && self.only_real_boards() => Some("only for real boards".into()),
            _ => None,
        };
        Finding { need: self.to_string(), found, fix, note }
    }

    /// Whether one can do without it as long as one has no board on the desk.
    pub(crate) fn only_real_boards(&self) -> bool {
        matches!(self, Self::ProbeRs | Self::Ssh)
    }

    /// What one types to install it.
    pub(crate) fn by_hand(&self, machine: &Machine) -> String {
        match self {
            Self::Target(triple) if find_program("rustup").is_some() => format!("rustup target add {triple}"),
            Self::Target(triple) => {
                format!("install rustup (https://rustup.rs), then rustup target add {triple}")
            }
            Self::Qemu(program) => machine.install_line(&machine.qemu_packages(program)),
            Self::Linker(program) => machine.install_line(&machine.linker_packages(program)),
            Self::Vulkan => machine.install_line(&machine.vulkan_packages()),
            Self::ProbeRs => "cargo install probe-rs-tools --locked".into(),
            Self::Ssh => machine.install_line(&machine.ssh_packages()),
        }
    }
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Target(triple) => write!(f, "Rust target {triple}"),
            Self::Qemu(program) => f.write_str(program),
            Self::Linker(program) => f.write_str(program),
            Self::Vulkan => f.write_str("a Vulkan driver"),
            Self::ProbeRs => f.write_str("probe-rs"),
            Self::Ssh => f.write_str("ssh"),
        }
    }
}

/// Fails with one line if anything is missing. `board` is the one that needs it, for what only real boards do.
pub(crate) fn require(needs: &[Need], board: Option<&str>) -> anyhow::Result<()> {
    for need in needs {
        if let Some(fix) = need.check().fix {
            let setup = match need.only_real_boards() {
                true => format!("cargo xtask setup --board {}", board.unwrap_or("BOARD")),
                false => "cargo xtask setup".into(),
            };
            bail!("{need} is not installed; `{setup}` installs it, or by hand: {fix}");
        }
    }
    Ok(())
}

/// Where the compiler keeps a target's standard library. Asking for the folder works without rustup, too.
fn target_folder(triple: &str) -> Option<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let folder = sysroot.join("lib/rustlib").join(triple).join("lib");
    folder.is_dir().then_some(folder)
}

/// The first line of what it says of its version.
fn version_line(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("of unknown version").to_string()
}

/// The version in QEMU's own words.
fn version_in(line: &str) -> Option<(u32, u32)> {
    line.split_whitespace().find_map(|word| {
        let mut parts = word.split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    })
}

fn old_qemu(line: &str) -> Option<String> {
    let (good, _) = GOOD_QEMU;
    let old = version_in(line).filter(|version| *version < GOOD_QEMU);
    old.map(|_| format!("older than {good}: some boards need a newer one"))
}

/// The version of a program of QEMU, if it is older than `than` or not known.
pub(crate) fn older_qemu(program: &str, than: (u32, u32)) -> Option<String> {
    let Some(path) = find_program(program) else { return Some("none".into()) };
    match version_in(&version_line(&path)) {
        Some(version) if version >= than => None,
        Some((major, minor)) => Some(format!("{major}.{minor}")),
        None => Some("one of unknown version".into()),
    }
}

fn vulkan() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("the system's own graphics interface".into());
    }
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| std::env::var_os(name).is_some());
    let drivers = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let driver = named || any_file(&drivers.map(Path::new), |name| name.ends_with(".json"));
    let folders =
        ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib"];
    let loader = any_file(&folders.map(Path::new), |name| name.starts_with("libvulkan.so"));
    (driver && loader).then(|| "driver and loader".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_qemu_is_noticed() {
        assert!(old_qemu("QEMU emulator version 7.2.11 (Debian 1:7.2+dfsg-7)").is_some());
        assert!(old_qemu("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)").is_none());
        assert!(old_qemu("of unknown version").is_none());
        assert_eq!(version_in("QEMU emulator version 9.0.2"), Some((9, 0)));
        assert_eq!(older_qemu("no-such-qemu", (9, 0)), Some("none".into()));
    }

    #[test]
    fn a_missing_target_is_named_with_its_fix() {
        let error = require(&[Need::Target("no-such-target".into())], None).unwrap_err().to_string();
        assert!(error.starts_with("Rust target no-such-target is not installed; `cargo xtask setup`"), "{error}");
        assert!(error.ends_with("rustup target add no-such-target"), "{error}");
    }
}
