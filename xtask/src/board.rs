//! Boards: the folders that hold one, and their board.toml.

mod runner;
mod spec;

pub(crate) use runner::{Runner, usb_identity};
pub(crate) use spec::{Bench, Kernels, Spec, toml_error};

use crate::{names, package, toolchain::Need, workplace::Workplace};
use anyhow::{Context, ensure};
use std::{
    num::NonZeroUsize,
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
    /// What board.toml says. `runner` is the one that was chosen.
    pub(crate) spec: Spec,
    /// The name of the runner, where it is not the board's first.
    pub(crate) choice: Option<String>,
    /// Where the board is, as the user said.
    pub(crate) place: Place,
}

/// Where a real board is; what is absent is searched for.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Real boards")]
pub(crate) struct Place {
    /// The board's serial port; searched for by its USB identity otherwise
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<String>,
    /// The folder where the board's UF2 drive is mounted; searched for otherwise
    #[arg(long, value_name = "FOLDER")]
    pub(crate) volume: Option<PathBuf>,
    /// The computer to run on with ssh
    #[arg(long, value_name = "[USER@]HOST")]
    pub(crate) host: Option<String>,
    /// There, the line of a GPIO chip that is high during every inference: gpiochip0:17
    #[arg(long, value_name = "CHIP:LINE")]
    pub(crate) trigger: Option<String>,
    /// On a computer, share large operations among so many threads
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<NonZeroUsize>,
}

impl Place {
    /// What a process is told behind its blob's path.
    pub(crate) fn options(&self) -> Vec<String> {
        let trigger = self.trigger.clone().map(|line| ["--trigger".to_string(), line]);
        let threads = self.threads.map(|count| ["--threads".to_string(), count.to_string()]);
        trigger.into_iter().chain(threads).flatten().collect()
    }
}

/// The boards in this repository.
pub(crate) fn all(work: &Workplace) -> Vec<String> {
    package::folders(&work.root.join("boards"), &["Cargo.toml", "board.toml"])
}

impl Board {
    /// Finds a board by its name or path, with `:RUNNER` behind it where it is not to be run as usual.
    pub(crate) fn find(work: &Workplace, text: &str) -> anyhow::Result<Self> {
        let whole = Path::new(text).join("board.toml").is_file();
        let (text, choice) = match text.rsplit_once(':').filter(|_| !whole) {
            Some((board, choice)) => (board, Some(choice)),
            None => (text, None),
        };
        if package::is_path(text) {
            for file in ["Cargo.toml", "board.toml"] {
                ensure!(Path::new(text).join(file).is_file(), "no board in {text}: it has no {file}");
            }
            return Self::read(&Path::new(text).canonicalize().with_context(|| text.to_string())?)?.with(choice);
        }
        let boards = all(work);
        ensure!(boards.iter().any(|name| name == text), names::unknown("board", text, &boards));
        let board = Self::read(&work.root.join("boards").join(text))?;
        ensure!(board.spec.name == text, "{}/board.toml: name is \"{}\"", board.folder.display(), board.spec.name);
        board.with(choice)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("board.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let spec = Spec::parse(&path, &text)?;
        let (choice, place) = (None, Place::default());
        Ok(Self { folder: folder.to_path_buf(), package: package::name(folder)?, spec, choice, place })
    }

    /// Chooses another of its runners.
    fn with(mut self, choice: Option<&str>) -> anyhow::Result<Self> {
        let Some(choice) = choice else { return Ok(self) };
        let runner = self.spec.runners.get(choice).cloned();
        let names: Vec<String> = self.spec.runners.keys().cloned().collect();
        let unknown = || names::unknown(&format!("runner of {}", self.spec.name), choice, &names);
        self.spec.runner = runner.with_context(unknown)?;
        if let Some(core) = self.spec.runner.core() {
            self.spec.core = core.to_string();
        }
        self.choice = Some(choice.into());
        Ok(self)
    }

    /// Says where it is. A place that only another of its runners can use chooses that.
    pub(crate) fn at(mut self, place: &Place) -> anyhow::Result<Self> {
        let fits = |runner: &Runner| {
            ((place.host.is_none() && place.trigger.is_none()) || matches!(runner, Runner::Ssh { .. }))
                && (place.threads.is_none() || runner.is_process())
                && (place.port.is_none() || runner.is_serial())
                && (place.volume.is_none() || matches!(runner, Runner::Uf2 { .. }))
        };
        if !fits(&self.spec.runner) {
            let other = self.spec.runners.iter().find(|(_, runner)| fits(runner)).map(|(name, _)| name.clone());
            let given = [
                ("--port", place.port.is_some()),
                ("--volume", place.volume.is_some()),
                ("--trigger", place.trigger.is_some()),
                ("--threads", place.threads.is_some()),
            ];
            let given = given.iter().find(|(_, given)| *given).map_or("--host", |(option, _)| option);
            let (name, runner) = (self.name(), self.runner_name());
            let other = other.with_context(|| format!("{given} means nothing to {name}, which is run by {runner}"))?;
            self = self.with(Some(&other))?;
        }
        self.place = place.clone();
        Ok(self)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its name, and how it is run where that is not as usual: `raspberry-pi:cortex-a53`.
    pub(crate) fn full_name(&self) -> String {
        let choice = self.choice.as_ref().map(|choice| format!(":{choice}"));
        format!("{}{}", self.spec.name, choice.unwrap_or_default())
    }

    /// Whether it is emulated: what it may say of time means nothing.
    pub(crate) fn emulated(&self) -> bool {
        self.spec.runner.emulated()
    }

    /// Whether its firmware is a process, which reads the blob when it starts, and has no flash or RAM of its own.
    pub(crate) fn is_process(&self) -> bool {
        self.spec.runner.is_process()
    }

    /// Whether its firmware was ever run on the real board; `None` for a process of this computer, which has none.
    pub(crate) fn silicon(&self) -> Option<bool> {
        self.spec.target.is_some().then_some(self.spec.silicon)
    }

    /// What has to be installed to build its firmware.
    pub(crate) fn build_needs(&self) -> Vec<Need> {
        // As .cargo/config.toml has it.
        let armv7 = self.spec.target.as_deref() == Some("armv7-unknown-linux-gnueabihf");
        let linker = armv7.then_some(Need::Linker("arm-linux-gnueabihf-gcc"));
        self.spec.target.clone().map(Need::Target).into_iter().chain(linker).collect()
    }

    /// What has to be installed to build and run it.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let mut needs = self.build_needs();
        needs.extend(self.spec.runner.needs(self.spec.target.as_deref()));
        needs
    }

    /// Why it cannot be run with what is installed, beyond what is missing.
    pub(crate) fn too_old(&self) -> Option<String> {
        self.spec.runner.too_old(self.spec.target.as_deref())
    }

    /// What runs a firmware, in words.
    pub(crate) fn runner_name(&self) -> String {
        self.spec.runner.name()
    }

    /// The command that runs a firmware, with the link on its standard input and output.
    pub(crate) fn run_command(&self, firmware: &Path, blob: &Path) -> anyhow::Result<Command> {
        let mut command = self.spec.runner.command(self.spec.target.as_deref(), firmware, blob)?;
        command.args(self.place.options());
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        spec::tests::{GOOD, error},
        *,
    };

    #[test]
    fn a_process_of_another_architecture_runs_under_qemu() {
        let text = "name = \"p\"\ndescription = \"\"\ntarget = \"aarch64-unknown-linux-musl\"\ncore = \"cortex-a72\"\n\
                    silicon = false\n[runner]\nkind = \"qemu-user\"\ncpu = \"cortex-a72\"\n";
        let board = |text: &str| Board {
            folder: PathBuf::new(),
            package: "p".into(),
            spec: Spec::parse(Path::new("p"), text).unwrap(),
            choice: None,
            place: Place::default(),
        };
        let pi = board(text);
        assert!(pi.emulated() && pi.is_process() && pi.silicon() == Some(false));
        let command = pi.run_command(Path::new("f"), Path::new("b.nwk")).unwrap();
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(command.get_program(), "qemu-aarch64");
        assert_eq!(arguments, ["-cpu", "cortex-a72", "f", "b.nwk"]);
        let needs = [Need::Target("aarch64-unknown-linux-musl".into()), Need::Qemu("qemu-aarch64".into())];
        assert_eq!(pi.needs(), needs);
        let old = board(&text.replace("aarch64-unknown-linux-musl", "armv7-unknown-linux-gnueabihf"));
        assert_eq!(old.run_command(Path::new("f"), Path::new("b")).unwrap().get_program(), "qemu-arm");
        assert!(error(&text.replace("target = \"aarch64-unknown-linux-musl\"\n", "")).contains("missing key `target`"));
        assert!(error(&text.replace("cpu =", "core =")).contains("`core`"));
    }

    const PROBE: &str = "kind = \"probe-rs\"\nchip = \"STM32L475VG\"\nusb = \"0483:374b\"\n";

    fn board(text: &str) -> Board {
        let spec = Spec::parse(Path::new("b"), text).unwrap();
        Board { folder: PathBuf::new(), package: "b".into(), spec, choice: None, place: Place::default() }
    }

    #[test]
    fn a_board_has_several_runners() {
        let text = format!("{GOOD}[runners.silicon]\n{PROBE}");
        let usual = board(&text);
        assert!(usual.emulated() && usual.full_name() == "b");
        let real = usual.clone().with(Some("silicon")).unwrap();
        assert!(!real.emulated() && real.full_name() == "b:silicon" && real.name() == "b");
        assert_eq!(real.needs(), [Need::Target("thumbv7em-none-eabihf".into()), Need::ProbeRs]);
        let wrong = usual.clone().with(Some("silicone")).unwrap_err().to_string();
        assert_eq!(wrong, "no runner of b \"silicone\"; there is silicon; did you mean \"silicon\"?");

        let place = Place { port: Some("/dev/ttyACM0".into()), ..Place::default() };
        assert_eq!(usual.clone().at(&place).unwrap().full_name(), "b:silicon");
        let place = Place { host: Some("pi".into()), ..Place::default() };
        let wrong = usual.at(&place).unwrap_err().to_string();
        assert_eq!(wrong, "--host means nothing to b, which is run by QEMU (mps2-an386)");
        assert!(error(&format!("{GOOD}[runners.p]\nkind = \"process\"\n")).contains("`process` runs a process"));
        assert!(error(&format!("{GOOD}[runners.p]\n{PROBE}").replace("0483:", "")).contains("no USB identity"));
    }

    #[test]
    fn a_runner_may_have_another_core() {
        let pi = "name = \"p\"\ndescription = \"a Pi\"\ntarget = \"aarch64-unknown-linux-musl\"\ncore = \"cortex-a72\"\n\
                  silicon = false\n[runner]\nkind = \"process\"\n[runners.five]\nkind = \"ssh\"\ncore = \"cortex-a76\"\n\
                  [runners.three]\nkind = \"qemu-user\"\ncpu = \"cortex-a53\"\n[runners.ssh]\nkind = \"ssh\"\n";
        let core = |runner| board(pi).with(runner).unwrap().spec.core;
        assert_eq!([None, Some("ssh")].map(core), ["cortex-a72"; 2]);
        assert_eq!([Some("five"), Some("three")].map(core), ["cortex-a76", "cortex-a53"]);
    }
}
