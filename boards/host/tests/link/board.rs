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
    sync::OnceLock,
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

    /// `boards/mps2-an386` with the test's model under QEMU. `noise` is sent before the conversation starts.
    pub(crate) fn emulated(noise: &[u8]) -> Self {
        Self::start(&mut qemu("none"), noise)
    }

    /// The same, with QEMU's monitor on a socket: what is written to it controls the emulated board.
    pub(crate) fn emulated_with_monitor() -> (Self, UnixStream) {
        let socket = temporary(&format!("monitor-{}", std::process::id()));
        let _ = fs::remove_file(&socket);
        let board = Self::start(&mut qemu(&format!("unix:{},server,nowait", socket.display())), &[]);
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

fn qemu(monitor: &str) -> Command {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(["-machine", "mps2-an386", "-icount", "shift=8", "-display", "none", "-serial", "stdio"]);
    qemu.args(["-monitor", monitor, "-kernel"]).arg(firmware());
    qemu
}

/// Builds the firmware once.
fn firmware() -> &'static PathBuf {
    static FIRMWARE: OnceLock<PathBuf> = OnceLock::new();
    FIRMWARE.get_or_init(|| {
        let blob = temporary("firmware.nwk");
        fs::write(&blob, &*model::blob()).expect("a place for the blob");
        // Its own target folder, so that it does not disturb the build of another blob.
        let target = temporary("firmware");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--package", "mps2-an386", "--target", "thumbv7em-none-eabihf"])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"), "--target-dir"])
            .arg(&target)
            .env("NIWAKI_BLOB", &blob)
            .env("DEFMT_LOG", "info")
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the firmware does not build");
        target.join("thumbv7em-none-eabihf/release/mps2-an386")
    })
}

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}
