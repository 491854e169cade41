//! Starts a firmware, on QEMU or as a process, and talks to it.

use crate::{board::Board, children::Running, logs::Logs};
use anyhow::{Context, anyhow};
use niwaki_link::{Client, Identity, LinkError, Mode, Settings, Streams};
use std::{
    io::Read,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// How much of what a runner says on stderr is kept for an error message.
const KEPT: usize = 2000;

/// A board that runs a firmware and has answered.
pub(crate) struct Session<'l> {
    client: Client<'l, Streams<ChildStdin>>,
    said: Arc<Mutex<String>>,
    board: String,
    // Dropped last: the conversation ends before the board is switched off.
    running: Running,
}

impl<'l> Session<'l> {
    /// Starts the firmware and waits until it says who it is.
    pub(crate) fn start(board: &Board, firmware: &Path, blob: &Path, logs: &'l Logs) -> anyhow::Result<Self> {
        Self::talk(board.run_command(firmware, blob), board, logs)
    }

    /// Starts a board by this command and waits until it says who it is.
    pub(crate) fn talk(mut command: Command, board: &Board, logs: &'l Logs) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running::start(&mut command, &board.runner_name())?;
        let (stdin, stdout, stderr) = {
            let mut child = running.child();
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        };
        let pipes = stdin.zip(stdout).zip(stderr).context("the runner has no pipes")?;
        let ((stdin, stdout), stderr) = pipes;
        let said = keep(stderr);
        let streams = Streams::new(board.runner_name(), stdout, stdin);
        // On a busy computer an emulator takes longer for everything than a board. A reset is noticed as soon all the same:
        // requests are repeated meanwhile.
        let settings = match board.emulated() {
            true => Settings { start: Duration::from_secs(30), answer: Duration::from_secs(30), ..Settings::default() },
            false => Settings::default(),
        };
        let client = Client::connect(streams, settings, |event| logs.take(event));
        let client = client.map_err(|error| explain(error, board.name(), &running, &said))?;
        Ok(Self { client, said, board: board.name().to_string(), running })
    }

    /// What the board said of itself.
    pub(crate) fn identity(&self) -> &Identity {
        self.client.identity()
    }

    /// Loads, runs and reads back.
    pub(crate) fn infer(&mut self, input: &[i8], mode: Mode) -> anyhow::Result<(Vec<i8>, Option<u64>)> {
        let input: Vec<u8> = input.iter().map(|byte| *byte as u8).collect();
        let answer = self.client.infer(&input, mode);
        let (output, ticks) = self.explained(answer)?;
        Ok((output.into_iter().map(|byte| byte as i8).collect(), ticks))
    }

    /// Ticks of each layer in the last run.
    pub(crate) fn profile(&mut self) -> anyhow::Result<Vec<u32>> {
        let answer = self.client.profile();
        self.explained(answer)
    }

    /// Checksum of each layer's output in the last run.
    pub(crate) fn digests(&mut self) -> anyhow::Result<Vec<u32>> {
        let answer = self.client.digests();
        self.explained(answer)
    }

    /// Ticks of a loop of known length.
    pub(crate) fn known_loop(&mut self, instructions: u32) -> anyhow::Result<u64> {
        let answer = self.client.known_loop(instructions);
        self.explained(answer)
    }

    /// Bytes of the stack that were used, and bytes that there are; none from a board that cannot tell.
    pub(crate) fn stack(&mut self) -> anyhow::Result<Option<(u32, u32)>> {
        let answer = self.client.stack();
        self.explained(answer)
    }

    fn explained<T>(&self, answer: Result<T, LinkError>) -> anyhow::Result<T> {
        answer.map_err(|error| explain(error, &self.board, &self.running, &self.said))
    }
}

/// Adds what the runner said, which is often the reason.
fn explain(error: LinkError, board: &str, running: &Running, said: &Mutex<String>) -> anyhow::Error {
    // A process that has just closed its pipes takes a moment to end and to be heard.
    if matches!(error, LinkError::Broken { .. }) {
        thread::sleep(Duration::from_millis(100));
    }
    let ended = running.ended().map(|status| format!("; its process ended ({status})")).unwrap_or_default();
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
    anyhow!("{board}: {error}{ended}{said}")
}

fn keep(stderr: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&said);
    thread::spawn(move || {
        let (mut stderr, mut buffer) = (stderr, [0; 512]);
        while let Ok(len @ 1..) = stderr.read(&mut buffer) {
            let mut said = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() < KEPT {
                said.push_str(&String::from_utf8_lossy(&buffer[..len]));
            }
        }
    });
    said
}
