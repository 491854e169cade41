//! Starts boards and connects to them.

use crate::{keep, model};
use niwaki_link::{Client, Settings, Streams};
use std::{
    cell::RefCell,
    fs,
    io::Write,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    rc::Rc,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A log as it came: bytes, or how many were lost.
type Log = Rc<RefCell<Vec<Result<Vec<u8>, u32>>>>;

/// A board that runs until this is dropped.
pub(crate) struct Running {
    pub(crate) client: Client<'static, Streams<ChildStdin>>,
    pub(crate) log: Log,
    _child: KilledOnDrop,
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// `boards/host` with this blob.
    pub(crate) fn process(blob: &[u8]) -> Self {
        let path = temporary("process.nwk");
        fs::write(&path, blob).expect("a place for the blob");
        Self::start(Command::new(env!("CARGO_BIN_EXE_host")).arg(path), &[])
    }

    /// A board with the test's model under QEMU. `noise` is sent before the conversation starts.
    pub(crate) fn emulated(board: &Emulated, noise: &[u8]) -> Self {
        Self::start(&mut board.qemu("none"), noise)
    }

    /// The same, with QEMU's monitor on a socket: what is written to it controls the emulated board.
    pub(crate) fn emulated_with_monitor(board: &Emulated) -> (Self, UnixStream) {
        let socket = temporary(&format!("monitor-{}", std::process::id()));
        let _ = fs::remove_file(&socket);
        let board = Self::start(&mut board.qemu(&format!("unix:{},server,nowait", socket.display())), &[]);
        let monitor = UnixStream::connect(&socket).expect("QEMU listens before the board runs");
        (board, monitor)
    }

    /// Bytes logged so far.
    pub(crate) fn logged(&self) -> usize {
        self.log.borrow().iter().flatten().map(Vec::len).sum()
    }

    fn start(command: &mut Command, noise: &[u8]) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = KilledOnDrop(child.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program())));
        let mut stdin = child.0.stdin.take().expect("a pipe");
        let stdout = child.0.stdout.take().expect("a pipe");
        stdin.write_all(noise).expect("it takes noise");
        let log = Log::default();
        let heard = log.clone();
        // Tests share their machine: patience costs nothing.
        let settings =
            Settings { start: Duration::from_secs(60), answer: Duration::from_secs(60), ..Settings::default() };
        let streams = Streams::new("a board under test", stdout, stdin);
        let client = Client::connect(streams, settings, move |event| heard.borrow_mut().push(keep(event)));
        Self { client: client.unwrap_or_else(|error| panic!("{error}")), log, _child: child }
    }
}

/// What a board.toml says of a board that QEMU emulates.
pub(crate) struct Emulated {
    pub(crate) name: String,
    pub(crate) clock_hz: u64,
    pub(crate) icount_shift: u32,
    target: String,
    machine: String,
    args: Vec<String>,
}

impl Emulated {
    /// The board in this folder of `boards/`.
    pub(crate) fn read(name: &str) -> Self {
        let path = boards().join(name).join("board.toml");
        let text = fs::read_to_string(&path).expect("a board.toml");
        let spec: toml::Table = text.parse().expect("TOML");
        let runner = spec["runner"].as_table().expect("a runner");
        let string = |value: &toml::Value| value.as_str().expect("a string").to_string();
        Self {
            name: string(&spec["name"]),
            clock_hz: spec["clock_hz"].as_integer().expect("a number") as u64,
            icount_shift: runner["icount_shift"].as_integer().expect("a number") as u32,
            target: string(&spec["target"]),
            machine: string(&runner["machine"]),
            args: runner["args"].as_array().expect("a list").iter().map(string).collect(),
        }
    }

    /// The command that runs the firmware.
    fn qemu(&self, monitor: &str) -> Command {
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-machine", &self.machine, "-icount", &format!("shift={}", self.icount_shift)]);
        // Of repeated options QEMU takes every one: the monitor's is replaced.
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-monitor" => _ = args.next(),
                arg => _ = qemu.arg(arg),
            }
        }
        qemu.args(["-monitor", monitor, "-kernel"]).arg(self.firmware());
        qemu
    }

    /// Builds the firmware; cargo sees to it that this is done once.
    fn firmware(&self) -> PathBuf {
        // Tests run side by side, and a blob that is written while a build reads it is half a blob.
        static BUILDING: Mutex<()> = Mutex::new(());
        let _one = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = temporary("firmware.nwk");
        let bytes = model::blob();
        if fs::read(&blob).ok().as_deref() != Some(&*bytes) {
            fs::write(&blob, &*bytes).expect("a place for the blob");
        }
        // Its own target folder, so that it does not disturb the build of another blob.
        let target = temporary("firmware");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--package", &self.name, "--target", &self.target, "--manifest-path"])
            .arg(boards().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .env("NIWAKI_BLOB", &blob)
            .env("DEFMT_LOG", "info")
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the firmware does not build");
        target.join(&self.target).join("release").join(&self.name)
    }
}

fn boards() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}
