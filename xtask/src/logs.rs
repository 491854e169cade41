//! A board's log: defmt bytes off the link, decoded by a process of its own and printed in line with the results.

use crate::{cargo, children::Running, progress, workplace::Workplace};
use anyhow::Context;
use niwaki_link::LogEvent;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread::JoinHandle,
};

/// The least important level that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// Its name, as `DEFMT_LOG` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Where a board's log goes.
pub(crate) struct Logs(Option<Decoder>);

struct Decoder {
    board: String,
    stdin: Mutex<Option<ChildStdin>>,
    printer: Option<JoinHandle<()>>,
    running: Running,
}

impl Logs {
    /// Nowhere.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// To stderr, decoded with the firmware's own symbols.
    pub(crate) fn decoded(work: &Workplace, board: &str, firmware: &Path, level: Level) -> anyhow::Result<Self> {
        let mut build = cargo::cargo(&work.root);
        build.args(["build", "--package", "niwaki-logs"]);
        let built = cargo::build(build, "building the log decoder")?;
        let program = cargo::pick(&built, "niwaki-logs").context("cargo built no log decoder")?;
        let mut command = Command::new(program);
        command.arg(firmware).arg(level.name()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let running = Running::start(&mut command, "the log decoder")?;
        let (stdin, stdout) = {
            let mut child = running.child();
            (child.stdin.take(), child.stdout.take().context("the log decoder has no output")?)
        };
        let name = board.to_string();
        let printer = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                progress::println(&format!("{name}: {line}"));
            }
        });
        Ok(Self(Some(Decoder { board: board.into(), stdin: Mutex::new(stdin), printer: Some(printer), running })))
    }

    /// Takes a piece of the log.
    pub(crate) fn take(&self, event: LogEvent<'_>) {
        let Some(decoder) = &self.0 else { return };
        match event {
            LogEvent::Lost(bytes) => {
                progress::println(&format!("{}: {bytes} bytes of the log are lost", decoder.board))
            }
            LogEvent::Bytes(bytes) => {
                let mut stdin = decoder.stdin.lock().unwrap_or_else(PoisonError::into_inner);
                // A decoder that has ended has said why on stderr; the results matter more than the log.
                if stdin.as_mut().is_some_and(|stdin| stdin.write_all(bytes).is_err()) {
                    *stdin = None;
                }
            }
        }
    }
}

impl Drop for Decoder {
    /// Waits until everything is printed.
    fn drop(&mut self) {
        *self.stdin.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.running.wait();
        if let Some(printer) = self.printer.take() {
            let _ = printer.join();
        }
    }
}
