//! Real boards without a board: stand-ins for the programs that lead to one, and a pseudo-terminal for its serial port.

use crate::{error, fake::FakeModel, text, xtask};
use serde_json::Value;
use serialport::{SerialPort, TTYPort};
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// A folder of programs that come before all others on the PATH.
struct StandIns(TempDir);

impl StandIns {
    fn new(programs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, script) in programs {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\nhere='{}'\n{script}\n", folder.path().display())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What a stand-in wrote.
    fn said(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = xtask(arguments);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [self.0.path().to_path_buf()].into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).unwrap());
        command
    }
}

/// A serial port with a board behind it that starts once it was flashed.
struct FakePort {
    /// What the port is called.
    name: String,
    // Kept open, so that what is written while nobody has opened the port waits.
    _port: File,
}

impl FakePort {
    /// `board` is started as soon as `flashed` is there, with the port as its standard input and output.
    fn new(flashed: PathBuf, board: impl FnOnce() -> Command + Send + 'static) -> Self {
        let (master, slave) = TTYPort::pair().unwrap();
        let name = slave.name().unwrap();
        let port = File::options().read(true).write(true).open(&name).unwrap();
        thread::spawn(move || {
            while fs::metadata(&flashed).map_or(true, |file| file.len() == 0) {
                thread::sleep(Duration::from_millis(20));
            }
            let board = board().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            bridge(master, board);
        });
        // The port stays as `pair` made it: raw.
        drop(slave);
        Self { name, _port: port }
    }
}

/// Carries bytes between a port and a process until the test ends.
fn bridge(port: TTYPort, mut board: Child) {
    let (mut stdin, mut stdout) = (board.stdin.take().unwrap(), board.stdout.take().unwrap());
    let mut from = port.try_clone_native().unwrap();
    let mut to = port;
    from.set_timeout(Duration::from_millis(100)).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 256];
        while let Ok(len @ 1..) = stdout.read(&mut buffer) {
            to.write_all(&buffer[..len]).unwrap();
        }
    });
    let mut buffer = [0; 256];
    loop {
        match from.read(&mut buffer) {
            Ok(len) if len > 0 => {
                if stdin.write_all(&buffer[..len]).and_then(|()| stdin.flush()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
            _ => break,
        }
    }
    let _ = board.kill();
    let _ = board.wait();
}

/// The results of a command that succeeded.
fn json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const SSH: &str = "for command; do :; done\necho \"$@\" >> $here/ssh.said\n\
                   exec sh -c \"$(echo \"$command\" | sed 's#; /tmp/#; qemu-aarch64 /tmp/#')\"";
const SCP: &str =
    "for to; do from=$last; last=$to; done\necho \"$@\" >> $here/scp.said\nexec cp \"$from\" \"${to#*:}\"";

#[test]
fn a_raspberry_pi_is_reached_with_ssh() {
    let model = FakeModel::new("ssh").packed();
    let programs = StandIns::new(&[("ssh", SSH), ("scp", SCP)]);
    let arguments = ["run", model.path(), "--board", "raspberry-pi", "--host", "pi@stand-in", "--json"];
    let result = json(&mut programs.xtask(&arguments));
    assert_eq!((&result["emulated"], &result["silicon"]), (&false.into(), &false.into()), "{result}");
    assert_eq!(result["board"], "raspberry-pi:ssh");
    for run in result["runs"].as_array().unwrap() {
        assert_eq!((run["samples"].as_u64(), &run["differing"]), (Some(3), &serde_json::json!([])), "{result}");
        let count = &run["count"];
        assert_eq!(count["unit"], "nanoseconds", "a Pi keeps time, and counts nothing: {result}");
        assert!(count["total"].as_u64().is_some_and(|total| total > 0), "{result}");
    }
    let said = programs.said("ssh.said");
    assert!(said.lines().all(|line| line.contains("BatchMode=yes") && line.contains("pi@stand-in")), "{said}");
    // What was copied there is gone.
    let folders: Vec<&str> = said.split_whitespace().filter_map(|word| word.strip_suffix("/model.nwk")).collect();
    assert_eq!(folders.len(), 2, "{said}");
    let gone = || folders.iter().all(|folder| !Path::new(folder).exists());
    assert!(
        (0..100).any(|_| gone() || {
            thread::sleep(Duration::from_millis(20));
            false
        }),
        "{folders:?}"
    );
}

#[test]
fn triggers_and_threads_that_cannot_be_are_told() {
    let model = FakeModel::new("ssh-trigger").packed();
    let programs = StandIns::new(&[("ssh", SSH), ("scp", SCP)]);
    let run = |board: &str, more: &[&str]| {
        let arguments = [["run", model.path(), "--variant", "pruned", "--board", board].as_slice(), more].concat();
        error(&programs.xtask(&arguments).output().unwrap())
    };
    let message = run("raspberry-pi", &["--host", "pi@stand-in", "--trigger", "gpiochip999:17"]);
    assert!(message.contains("it said: the trigger gpiochip999:17 cannot be used: "), "{message}");
    let message = run("raspberry-pi", &["--host", "pi@stand-in", "--trigger", "17; reboot"]);
    assert_eq!(message, "--trigger is a GPIO chip and a line of it: gpiochip0:17");
    let message = run("mps2-an386", &["--threads", "2"]);
    assert_eq!(message, "--threads means nothing to mps2-an386, which is run by QEMU (mps2-an386)");
    let message = run("mps2-an386", &["--trigger", "gpiochip0:17"]);
    assert_eq!(message, "--trigger means nothing to mps2-an386, which is run by QEMU (mps2-an386)");
}

#[test]
fn a_computer_that_is_not_there_is_named() {
    let model = FakeModel::new("ssh-fails").packed();
    let refuse = "echo 'ssh: Could not resolve hostname nowhere' >&2; exit 255";
    let programs = StandIns::new(&[("ssh", refuse), ("scp", refuse)]);
    let arguments = ["run", model.path(), "--board", "raspberry-pi", "--host", "nowhere"];
    let message = error(&programs.xtask(&arguments).output().unwrap());
    assert!(message.starts_with("ssh nowhere failed (exit status: 255): ssh: Could not resolve"), "{message}");
    assert!(message.contains("try `ssh nowhere`: it must work without a question"), "{message}");
    let message = error(&programs.xtask(&["run", model.path(), "--board", "raspberry-pi:ssh"]).output().unwrap());
    assert_eq!(message, "say where raspberry-pi is: --host [USER@]HOST, or `host` in its board.toml");
}

const PROBE_RS: &str = "echo \"$@\" >> $here/said\n\
                        if [ \"$1\" = download ]; then for elf; do :; done; cp \"$elf\" $here/part; mv $here/part $here/flashed; fi";

/// The firmware that is flashed runs on an emulated board behind the port: all is real but the probe and the cable.
#[test]
fn a_board_is_flashed_with_a_probe_and_talks_over_its_serial_port() {
    let model = FakeModel::new("probe").packed();
    let programs = StandIns::new(&[("probe-rs", PROBE_RS)]);
    let flashed = programs.file("flashed");
    let firmware = flashed.clone();
    let port = FakePort::new(flashed, move || {
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-machine", "b-l475e-iot01a", "-icount", "shift=8", "-display", "none", "-monitor", "none"]);
        qemu.args(["-serial", "stdio", "-kernel"]).arg(firmware);
        qemu
    });
    let mut arguments = vec!["run", model.path(), "--board", "b-l475e-iot01a", "--port", &port.name];
    arguments.extend(["--variant", "pruned", "--log", "info", "--json"]);
    let output = programs.xtask(&arguments).output().unwrap();
    let stderr = text(&output.stderr);
    assert!(
        output.status.success() && stderr.contains("b-l475e-iot01a: ") && stderr.contains(" layers, arena "),
        "{stderr}"
    );
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["emulated"], &result["silicon"]), (&false.into(), &false.into()), "{result}");
    assert_eq!(result["board"], "b-l475e-iot01a:silicon");
    let run = &result["runs"][0];
    assert_eq!((run["samples"].as_u64(), &run["differing"]), (Some(3), &serde_json::json!([])), "{result}");
    assert_eq!(run["count"]["unit"], "cycles", "a board on a desk counts cycles");
    // A probe could read the log, too: the block of memory by which it finds the channel is there.
    let firmware = fs::read(programs.file("flashed")).unwrap();
    assert!(firmware.windows(11).any(|bytes| bytes == b"_SEGGER_RTT"));
    let said = programs.said("said");
    // Whether it is installed is asked before.
    let said: Vec<&str> = said.lines().filter(|line| *line != "--version").collect();
    assert!(said[0].starts_with("download --chip STM32L475VGTx ") && said[0].ends_with("pruned.elf"), "{said:?}");
    assert_eq!(said[1..], ["reset --chip STM32L475VGTx"]);
}

#[test]
fn a_probe_that_is_not_there_is_told_with_a_remedy() {
    let model = FakeModel::new("no-probe").packed();
    let programs = StandIns::new(&[("probe-rs", "echo 'Error: No connected probes were found.' >&2; exit 1")]);
    let port = FakePort::new(programs.file("never"), || Command::new("false"));
    let arguments = ["run", model.path(), "--board", "b-l475e-iot01a", "--port", &port.name];
    let message = error(&programs.xtask(&arguments).output().unwrap());
    let start =
        "probe-rs download failed (exit status: 1): Error: No connected probes were found.; connect the board's debug";
    assert!(message.starts_with(start) && message.contains("`probe-rs list`"), "{message}");
}

#[test]
fn a_board_that_is_not_connected_is_told_before_anything_is_built() {
    let model = FakeModel::new("no-board").packed();
    let programs = StandIns::new(&[("probe-rs", "exit 1")]);
    let run = |more: &[&str]| {
        let arguments = [["run", model.path(), "--board"].as_slice(), more].concat();
        error(&programs.xtask(&arguments).output().unwrap())
    };
    let message = run(&["nucleo-l4r5zi", "--port", "/dev/no-such-port"]);
    assert!(message.starts_with("the serial port /dev/no-such-port cannot be opened"), "{message}");
    assert!(message.ends_with("is the board connected?"), "{message}");
    let message = run(&["nrf52840-dk:qemu"]);
    assert_eq!(message, "no runner of nrf52840-dk \"qemu\"; there are none");
    let message = run(&["mps2-an386", "--port", "/dev/ttyACM0"]);
    assert_eq!(message, "--port means nothing to mps2-an386, which is run by QEMU (mps2-an386)");
}

#[test]
fn a_missing_probe_rs_says_how_to_get_it() {
    let model = FakeModel::new("no-probe-rs").packed();
    let cargo = Path::new(env!("CARGO")).parent().unwrap();
    let mut command = xtask(&["run", model.path(), "--board", "nucleo-l4r5zi"]);
    let message = error(&command.env("PATH", cargo).output().unwrap());
    assert_eq!(
        message,
        "probe-rs is not installed; `cargo xtask setup --board nucleo-l4r5zi` installs it, or by hand: cargo install \
         probe-rs-tools --locked"
    );
}

/// What runs behind the port is the process board with the very blob: no emulator has an RP2040.
#[test]
fn a_pico_is_flashed_over_its_drive() {
    let model = FakeModel::new("uf2").packed();
    let drive = tempfile::tempdir().unwrap();
    fs::write(drive.path().join("INFO_UF2.TXT"), "UF2 Bootloader v3.0\r\nBoard-ID: RPI-RP2\r\n").unwrap();
    let host = host_board();
    let blob = model.results().join("rpi-pico/pruned.nwk");
    let image = drive.path().join("niwaki.uf2");
    let port = FakePort::new(image.clone(), move || {
        let mut board = Command::new(host);
        board.arg(blob);
        board
    });
    let volume = drive.path().to_str().unwrap();
    let mut arguments = vec!["run", model.path(), "--board", "rpi-pico", "--variant", "pruned", "--json"];
    arguments.extend(["--port", &port.name, "--volume", volume]);
    let result = json(&mut xtask(&arguments));
    let run = &result["runs"][0];
    assert_eq!((run["samples"].as_u64(), &run["differing"]), (Some(3), &serde_json::json!([])), "{result}");
    // The second stage of the boot loader comes first, where the chip looks for it.
    let image = fs::read(image).unwrap();
    let word = |place: usize| u32::from_le_bytes(image[place..place + 4].try_into().unwrap());
    assert_eq!((word(0), word(12), word(28)), (0x0a32_4655, 0x1000_0000, 0xe48b_ff56));
    assert_eq!(word(24) as usize * 512, image.len());
}

/// The program of the board that is a process.
fn host_board() -> PathBuf {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--package", "host"]).current_dir(&boards);
    assert!(build.status().unwrap().success());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(boards.join("target"), PathBuf::from);
    target.join("release/host")
}
