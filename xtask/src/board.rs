//! Boards: the folders that hold one, and their board.toml.

use crate::{names, package, toolchain::Need, workplace::Workplace};
use anyhow::{Context, anyhow, bail, ensure};
use niwaki_pack::Isa;
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The board that commands take where none is named.
pub(crate) const DEFAULT: &str = "mps2-an386";

/// A board: its board.toml and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    /// Its folder, with Cargo.toml and board.toml.
    pub(crate) folder: PathBuf,
    /// The firmware's package.
    pub(crate) package: String,
    /// What board.toml says.
    pub(crate) spec: Spec,
}

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
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

/// How a firmware is run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Runner {
    /// On a machine that QEMU emulates.
    Qemu {
        machine: String,
        /// An instruction takes 2^shift nanoseconds of emulated time.
        icount_shift: u8,
        args: Vec<String>,
    },
    /// As a process, which is given the blob's path.
    Process {},
    /// As such a process of another architecture, whose instructions QEMU translates; its system calls are this
    /// machine's.
    QemuUser {
        /// What QEMU calls the core: decides which instructions there are.
        cpu: String,
    },
}

/// The boards in this repository.
pub(crate) fn all(work: &Workplace) -> Vec<String> {
    package::folders(&work.root.join("boards"), &["Cargo.toml", "board.toml"])
}

impl Board {
    /// Finds a board by its name or path.
    pub(crate) fn find(work: &Workplace, text: &str) -> anyhow::Result<Self> {
        if package::is_path(text) {
            for file in ["Cargo.toml", "board.toml"] {
                ensure!(Path::new(text).join(file).is_file(), "no board in {text}: it has no {file}");
            }
            return Self::read(&Path::new(text).canonicalize().with_context(|| text.to_string())?);
        }
        let boards = all(work);
        ensure!(boards.iter().any(|name| name == text), names::unknown("board", text, &boards));
        let board = Self::read(&work.root.join("boards").join(text))?;
        ensure!(board.spec.name == text, "{}/board.toml: name is \"{}\"", board.folder.display(), board.spec.name);
        Ok(board)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("board.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let spec = Spec::parse(&path, &text)?;
        Ok(Self { folder: folder.to_path_buf(), package: package::name(folder)?, spec })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Whether it is emulated: what it may say of time means nothing.
    pub(crate) fn emulated(&self) -> bool {
        !matches!(self.spec.runner, Runner::Process {})
    }

    /// Whether its firmware is a process, which reads the blob when it starts, and has no flash or RAM of its own.
    pub(crate) fn is_process(&self) -> bool {
        !matches!(self.spec.runner, Runner::Qemu { .. })
    }

    /// Whether its firmware was ever run on the real board; `None` for a process, which has none.
    pub(crate) fn silicon(&self) -> Option<bool> {
        self.spec.target.is_some().then_some(self.spec.silicon)
    }

    /// What has to be installed to build and run it.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let target = self.spec.target.clone().map(Need::Target);
        target.into_iter().chain(self.qemu().map(|program| Need::Qemu(program.into()))).collect()
    }

    /// The QEMU program that emulates it.
    fn qemu(&self) -> Option<&'static str> {
        let target = self.spec.target.as_deref().unwrap_or_default();
        let architecture = target.split('-').next().unwrap_or_default();
        match (&self.spec.runner, architecture) {
            (Runner::Process {}, _) => None,
            (Runner::QemuUser { .. }, "aarch64") => Some("qemu-aarch64"),
            (Runner::QemuUser { .. }, _) => Some("qemu-arm"),
            (Runner::Qemu { .. }, "aarch64") => Some("qemu-system-aarch64"),
            (Runner::Qemu { .. }, "riscv32imc" | "riscv32imac") => Some("qemu-system-riscv32"),
            (Runner::Qemu { .. }, _) => Some("qemu-system-arm"),
        }
    }

    /// What runs a firmware, in words.
    pub(crate) fn runner_name(&self) -> String {
        match &self.spec.runner {
            Runner::Qemu { machine, .. } => format!("QEMU ({machine})"),
            Runner::Process {} => "a process".into(),
            Runner::QemuUser { cpu } => format!("QEMU (a process, {cpu})"),
        }
    }

    /// The command that runs a firmware, with the link on its standard input and output.
    pub(crate) fn run_command(&self, firmware: &Path, blob: &Path) -> Command {
        match &self.spec.runner {
            Runner::Qemu { machine, icount_shift, args } => {
                let mut command = Command::new(self.qemu().unwrap_or("qemu-system-arm"));
                command.args(["-machine", machine, "-icount", &format!("shift={icount_shift}")]);
                command.args(args).arg("-kernel").arg(firmware);
                command
            }
            Runner::Process {} => {
                let mut command = Command::new(firmware);
                command.arg(blob);
                command
            }
            Runner::QemuUser { cpu } => {
                let mut command = Command::new(self.qemu().unwrap_or("qemu-aarch64"));
                command.args(["-cpu", cpu]).arg(firmware).arg(blob);
                command
            }
        }
    }
}

impl Spec {
    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let spec: Self = toml::from_str(text).map_err(|error| toml_error(path, text, &error))?;
        let shown = path.display();
        if matches!(spec.runner, Runner::Qemu { .. }) {
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
        if let (Some(budget), Some(flash), Some(ram)) = (spec.budget, spec.flash, spec.ram)
            && (budget.flash_bytes > flash.bytes || budget.ram_bytes > ram.bytes)
        {
            bail!("{shown}: the budget is larger than the memories");
        }
        Ok(spec)
    }
}

/// `FILE, line 3: unknown field ...`, in one line.
pub(crate) fn toml_error(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    anyhow!("{}{line}: {}", path.display(), error.message().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
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

    fn error(text: &str) -> String {
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
        assert!(text.contains("unknown variant `qmeu`"), "{text}");
        let process =
            "name = \"p\"\ndescription = \"\"\ncore = \"host\"\nsilicon = false\n[runner]\nkind = \"process\"\n";
        assert!(Spec::parse(Path::new("p"), process).is_ok());
        assert!(error(&format!("{process}speed = 1\n")).contains("`speed`"));
    }

    #[test]
    fn a_process_of_another_architecture_runs_under_qemu() {
        let text = "name = \"p\"\ndescription = \"\"\ntarget = \"aarch64-unknown-linux-musl\"\ncore = \"cortex-a72\"\n\
                    silicon = false\n[runner]\nkind = \"qemu-user\"\ncpu = \"cortex-a72\"\n";
        let board = |text: &str| Board {
            folder: PathBuf::new(),
            package: "p".into(),
            spec: Spec::parse(Path::new("p"), text).unwrap(),
        };
        let pi = board(text);
        assert!(pi.emulated() && pi.is_process() && pi.silicon() == Some(false));
        let command = pi.run_command(Path::new("f"), Path::new("b.nwk"));
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(command.get_program(), "qemu-aarch64");
        assert_eq!(arguments, ["-cpu", "cortex-a72", "f", "b.nwk"]);
        let needs = [Need::Target("aarch64-unknown-linux-musl".into()), Need::Qemu("qemu-aarch64".into())];
        assert_eq!(pi.needs(), needs);
        let old = board(&text.replace("aarch64-unknown-linux-musl", "armv7-unknown-linux-gnueabihf"));
        assert_eq!(old.run_command(Path::new("f"), Path::new("b")).get_program(), "qemu-arm");
        assert!(error(&text.replace("target = \"aarch64-unknown-linux-musl\"\n", "")).contains("missing key `target`"));
        assert!(error(&text.replace("cpu =", "core =")).contains("`core`"));
    }

    #[test]
    fn what_a_microcontroller_needs_is_asked_for() {
        let without = GOOD.replace("ram = { origin = 0x2000_0000, bytes = 1024 }\n", "");
        assert_eq!(error(&without), "boards/b/board.toml: missing key `ram`, which a microcontroller needs");
        assert!(error(&GOOD.replace("core = \"cortex-m4f\"\n", "")).contains("missing field `core`"));
        assert!(error(&GOOD.replace("ram_bytes = 1024", "ram_bytes = 1025")).contains("larger than the memories"));
    }
}
