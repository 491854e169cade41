//! board.toml: what it says, and what is wrong with one.

use super::Runner;
use crate::names;
use anyhow::{anyhow, bail, ensure};
use niwaki_pack::Isa;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// A board.toml. Unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The Rust target; absent for a process on this machine.
    pub(crate) target: Option<String>,
    pub(crate) core: String,
    /// The kernels that its firmware is built with: blobs are brought into the layouts that they read.
    #[serde(default)]
    pub(crate) kernels: Kernels,
    pub(crate) clock_hz: Option<u64>,
    /// Whether anyone has run this firmware on the real board.
    pub(crate) silicon: bool,
    pub(crate) flash: Option<Memory>,
    pub(crate) ram: Option<Memory>,
    pub(crate) budget: Option<Budget>,
    pub(crate) runner: Runner,
    /// Other ways to run it, by name: `--board NAME:RUNNER`.
    #[serde(default)]
    pub(crate) runners: BTreeMap<String, Runner>,
    /// Where its kernels are counted, if not on the board itself.
    pub(crate) bench: Option<Bench>,
}

/// Where kernels are counted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bench {
    /// On another board, whose core runs the same code and has more memory.
    Board(String),
    /// On cores of QEMU's machine for 64-bit Arm, without an operating system.
    Cores(Vec<String>),
}

/// An instruction set of `niwaki-kernels`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kernels {
    /// Plain Rust.
    #[default]
    Scalar,
    /// The DSP instructions of Cortex-M4, M7 and M33.
    Dsp,
    /// The vectors of Cortex-M55.
    Helium,
    /// Cortex-M3.
    V7m,
    /// Cortex-M0 and M0+.
    V6m,
    /// 64-bit Arm, with and without dot products.
    Neon,
}

impl Kernels {
    /// For [`niwaki_pack::repack`].
    pub(crate) fn isa(self) -> Isa {
        match self {
            Self::Scalar => Isa::Scalar,
            Self::Dsp => Isa::Dsp,
            Self::Helium => Isa::Helium,
            Self::V7m => Isa::V7m,
            Self::V6m => Isa::V6m,
            Self::Neon => Isa::Neon,
        }
    }
}

impl std::fmt::Display for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// A memory of the board.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    pub(crate) origin: u64,
    pub(crate) bytes: u64,
}

/// What firmware and model together may use.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    pub(crate) flash_bytes: u64,
    pub(crate) ram_bytes: u64,
}

impl Spec {
    /// Reads one; `path` is for messages.
    pub(super) fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let spec: Self = toml::from_str(text).map_err(|error| toml_error(path, text, &error))?;
        let shown = path.display();
        if !spec.runner.is_process() {
            for (key, there) in [
                ("target", spec.target.is_some()),
                ("flash", spec.flash.is_some()),
                ("ram", spec.ram.is_some()),
                ("budget", spec.budget.is_some()),
            ] {
                ensure!(there, "{shown}: missing key `{key}`, which a microcontroller needs");
            }
        }
        if matches!(spec.runner, Runner::QemuUser { .. }) {
            ensure!(spec.target.is_some(), "{shown}: missing key `target`, which says whose instructions are emulated");
        }
        for runner in std::iter::once(&spec.runner).chain(spec.runners.values()) {
            runner.check().map_err(|error| anyhow!("{shown}: {error}"))?;
            ensure!(
                runner.is_process() == spec.runner.is_process(),
                "{shown}: runner `{}` runs a process and `{}` does not",
                if runner.is_process() { runner.kind() } else { spec.runner.kind() },
                if runner.is_process() { spec.runner.kind() } else { runner.kind() },
            );
        }
        if let (Some(budget), Some(flash), Some(ram)) = (spec.budget, spec.flash, spec.ram)
            && (budget.flash_bytes > flash.bytes || budget.ram_bytes > ram.bytes)
        {
            bail!("{shown}: the budget is larger than the memories");
        }
        Ok(spec)
    }
}

/// `FILE, line 3: unknown field ...`, in one line, with the key that was probably meant.
pub(crate) fn toml_error(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    let message = error.message().replace('\n', " ");
    let meant = meant(&message).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    anyhow!("{}{line}: {message}{meant}", path.display())
}

/// Which of the names that serde expected is nearest to the unknown one.
fn meant(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2).map(String::from);
    let unknown = names.next().filter(|_| message.starts_with("unknown "))?;
    names::nearest(&unknown, &names.collect::<Vec<_>>()).map(String::from)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = r#"
name = "b"
description = "a board"
target = "thumbv7em-none-eabihf"
core = "cortex-m4f"
clock_hz = 25_000_000
silicon = false
flash = { origin = 0, bytes = 4096 }
ram = { origin = 0x2000_0000, bytes = 1024 }
budget = { flash_bytes = 4096, ram_bytes = 1024 }
[runner]
kind = "qemu"
machine = "mps2-an386"
icount_shift = 8
args = ["-display", "none"]
"#;

    pub(crate) fn error(text: &str) -> String {
        Spec::parse(Path::new("boards/b/board.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_one_is_read() {
        let spec = Spec::parse(Path::new("b"), GOOD).unwrap();
        assert_eq!((spec.name.as_str(), spec.ram.unwrap().bytes), ("b", 1024));
    }

    #[test]
    fn an_unknown_key_names_key_file_and_line() {
        let text = error(&GOOD.replace("core =", "colour = 1\ncore ="));
        assert!(
            text.starts_with("boards/b/board.toml, line 5: unknown field `colour`, expected one of `name`"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_key_of_the_runner_is_named_too() {
        let text = error(&GOOD.replace("icount_shift", "icount"));
        assert!(text.contains("boards/b/board.toml") && text.contains("`icount`"), "{text}");
        let text = error(&GOOD.replace("\"qemu\"", "\"qmeu\""));
        assert!(text.contains("unknown variant `qmeu`") && text.ends_with("; did you mean `qemu`?"), "{text}");
        let text = error(&GOOD.replace("clock_hz", "clock_mhz"));
        assert!(text.ends_with("; did you mean `clock_hz`?"), "{text}");
        let process =
            "name = \"p\"\ndescription = \"\"\ncore = \"host\"\nsilicon = false\n[runner]\nkind = \"process\"\n";
        assert!(Spec::parse(Path::new("p"), process).is_ok());
        assert!(error(&format!("{process}speed = 1\n")).contains("`speed`"));
    }

    #[test]
    fn what_a_microcontroller_needs_is_asked_for() {
        let without = GOOD.replace("ram = { origin = 0x2000_0000, bytes = 1024 }\n", "");
        assert_eq!(error(&without), "boards/b/board.toml: missing key `ram`, which a microcontroller needs");
        assert!(error(&GOOD.replace("core = \"cortex-m4f\"\n", "")).contains("missing field `core`"));
        assert!(error(&GOOD.replace("ram_bytes = 1024", "ram_bytes = 1025")).contains("larger than the memories"));
    }
}
