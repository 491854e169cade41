//! The ways to a board: whatever ends in a pair of byte streams with the link on them.

mod probe;
mod serial;
mod ssh;
mod uf2;
mod volume;

use crate::{
    board::{Board, Runner},
    children::Running,
};
use anyhow::Context;
use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How much of what a runner says on stderr is kept for an error message.
const KEPT: usize = 2000;

/// An open way to a board that runs a firmware.
pub(crate) struct Reached {
    /// What it is called in messages.
    pub(crate) name: String,
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) writer: Box<dyn Write + Send>,
    pub(crate) way: Way,
}

/// What has to be kept while talking.
pub(crate) struct Way {
    /// What the process said on stderr.
    said: Arc<Mutex<String>>,
    /// The process that runs the firmware or leads to it.
    running: Option<Running>,
    /// Set when nobody listens any more: a serial port would be kept open for ever.
    over: Arc<AtomicBool>,
    /// How long the process may take to end by itself when nobody talks to it any more.
    patience: Duration,
}

/// Fails if a real board is not there, before minutes are spent on building for it.
pub(crate) fn expect(board: &Board) -> anyhow::Result<()> {
    match &board.spec.runner {
        Runner::ProbeRs { usb, .. } => serial::open(&serial::find(board.place.port.as_deref(), usb)?).map(|_| ()),
        Runner::Ssh { host, .. } => host_of(board, host.as_deref()).map(|_| ()),
        // A Pico may yet have to be put into its boot loader; the others are programs.
        Runner::Uf2 { .. } | Runner::Qemu { .. } | Runner::Process {} | Runner::QemuUser { .. } => Ok(()),
    }
}

fn host_of<'a>(board: &'a Board, usual: Option<&'a str>) -> anyhow::Result<&'a str> {
    let host = board.place.host.as_deref().or(usual);
    host.with_context(|| format!("say where {} is: --host [USER@]HOST, or `host` in its board.toml", board.name()))
}

/// Brings a firmware to a board and starts it.
pub(crate) fn reach(board: &Board, firmware: &Path, blob: &Path) -> anyhow::Result<Reached> {
    match &board.spec.runner {
        Runner::ProbeRs { chip, usb } => {
            // First the port: a board that is not there is easier to see so.
            let port = serial::find(board.place.port.as_deref(), usb)?;
            let open = serial::open(&port)?;
            probe::flash(chip, firmware)?;
            serial::reached(port, open)
        }
        Runner::Uf2 { volume, family, usb } => {
            let image = uf2::image(firmware, *family)?;
            volume::flash(&image, volume, board.place.volume.as_deref(), board.place.port.as_deref(), usb)?;
            let (port, open) = serial::wait(board.place.port.as_deref(), usb)?;
            serial::reached(port, open)
        }
        Runner::Ssh { host, .. } => {
            let host = host_of(board, host.as_deref())?;
            let mut reached =
                process(&mut ssh::command(host, firmware, blob, &board.place)?, &format!("ssh ({host})"))?;
            // What was copied there is removed when the program there has ended.
            reached.way.patience = Duration::from_secs(3);
            Ok(reached)
        }
        Runner::Qemu { .. } | Runner::Process {} | Runner::QemuUser { .. } => {
            process(&mut board.run_command(firmware, blob)?, &board.runner_name())
        }
    }
}

/// A process with the link on its standard input and output.
pub(crate) fn process(command: &mut Command, name: &str) -> anyhow::Result<Reached> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = Running::start(command, name)?;
    let (stdin, stdout, stderr) = {
        let mut child = running.child();
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    };
    let ((stdin, stdout), stderr) = stdin.zip(stdout).zip(stderr).context("the runner has no pipes")?;
    let way = Way { said: keep(stderr), running: Some(running), over: Arc::default(), patience: Duration::ZERO };
    Ok(Reached { name: name.into(), reader: Box::new(stdout), writer: Box::new(stdin), way })
}

impl Way {
    /// What is known of its end, to be put behind an error message.
    pub(crate) fn fate(&self) -> String {
        let ended = self.running.as_ref().and_then(Running::ended);
        let ended = ended.map(|status| format!("; its process ended ({status})")).unwrap_or_default();
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
        format!("{ended}{said}")
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let start = Instant::now();
        while start.elapsed() < self.patience && self.running.as_ref().is_some_and(|running| running.ended().is_none())
        {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A stream that ends when nobody listens any more, instead of waiting for bytes for ever.
struct UntilOver<R>(R, Arc<AtomicBool>);

impl<R: Read> Read for UntilOver<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.load(Ordering::Relaxed) { Ok(0) } else { self.0.read(buffer) }
    }
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

/// Runs a helper program to its end; its words are the error where it fails.
fn run(command: &mut Command, what: &str, remedy: &str) -> anyhow::Result<String> {
    let spinner = crate::progress::spinner(what);
    let output = command.stdin(Stdio::null()).output();
    drop(spinner);
    let program = command.get_program().to_string_lossy().into_owned();
    let output = output.with_context(|| format!("{program} did not start"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_string());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    anyhow::bail!("{what} failed ({}): {words}; {remedy}", output.status)
}
