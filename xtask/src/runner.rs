//! Starts a firmware on a board and talks to it.

use crate::{
    board::Board,
    logs::Logs,
    reach::{self, Reached, Way},
};
use anyhow::anyhow;
use niwaki_link::{Client, Identity, LinkError, Mode, Refusal, Settings, Streams};
use std::{io::Write, path::Path, process::Command, thread, time::Duration};

/// A board that runs a firmware and has answered.
pub(crate) struct Session<'l> {
    client: Client<'l, Streams<Box<dyn Write + Send>>>,
    board: String,
    // Dropped last: the conversation ends before the board is switched off.
    way: Way,
}

impl<'l> Session<'l> {
    /// Starts the firmware and waits until it says who it is.
    pub(crate) fn start(board: &Board, firmware: &Path, blob: &Path, logs: &'l Logs) -> anyhow::Result<Self> {
        Self::talk(reach::reach(board, firmware, blob)?, board, logs)
    }

    /// Starts a board by this command, with the link on its standard input and output.
    pub(crate) fn by(command: &mut Command, board: &Board, logs: &'l Logs) -> anyhow::Result<Self> {
        Self::talk(reach::process(command, &board.runner_name())?, board, logs)
    }

    fn talk(reached: Reached, board: &Board, logs: &'l Logs) -> anyhow::Result<Self> {
        let Reached { name, reader, writer, way } = reached;
        let streams = Streams::new(name, reader, writer);
        // On a busy computer an emulator takes longer for everything than a board. A reset is noticed as soon all the same:
        // requests are repeated meanwhile.
        let settings = match board.emulated() {
            true => Settings { start: Duration::from_secs(30), answer: Duration::from_secs(30), ..Settings::default() },
            false => Settings::default(),
        };
        let client = Client::connect(streams, settings, |event| logs.take(event));
        let client = client.map_err(|error| explain(error, &board.full_name(), &way))?;
        Ok(Self { client, board: board.full_name(), way })
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

    /// The same where something else counts: the board's counter may follow this computer's clock and seem not to move.
    pub(crate) fn infer_untimed(&mut self, input: &[i8], mode: Mode) -> anyhow::Result<()> {
        let input: Vec<u8> = input.iter().map(|byte| *byte as u8).collect();
        match self.client.infer(&input, mode) {
            Err(LinkError::Refused(Refusal::CounterStuck)) => Ok(()),
            answer => self.explained(answer).map(drop),
        }
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
        answer.map_err(|error| explain(error, &self.board, &self.way))
    }
}

/// Adds what the runner said, which is often the reason.
fn explain(error: LinkError, board: &str, way: &Way) -> anyhow::Error {
    // A process that has just closed its pipes takes a moment to end and to be heard.
    if matches!(error, LinkError::Broken { .. }) {
        thread::sleep(Duration::from_millis(100));
    }
    anyhow!("{board}: {error}{}", way.fate())
}
