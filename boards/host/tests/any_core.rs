//! The kernels of every Cortex-M instruction set, on a core that QEMU emulates, against the scalar kernels.
//!
//! The firmware (`boards/any-core`) is built by these tests. QEMU (`qemu-system-arm`) must be installed.

use std::path::Path;
use std::process::Command;

#[test]
fn a_cortex_m0_agrees_with_scalar() {
    // Problems want more memory than a microbit has: a Cortex-M3 runs the same code, and is told to trap what a
    // Cortex-M0 traps.
    check("thumbv6m-none-eabi", "mps2-an385", "");
}

#[test]
fn a_cortex_m3_agrees_with_scalar() {
    check("thumbv7m-none-eabi", "mps2-an385", "");
}

#[test]
fn a_cortex_m4_agrees_with_scalar() {
    check("thumbv7em-none-eabihf", "mps2-an386", "");
}

#[test]
fn a_cortex_m7_agrees_with_scalar() {
    check("thumbv7em-none-eabihf", "mps2-an500", "");
}

#[test]
fn a_cortex_m33_agrees_with_scalar() {
    check("thumbv8m.main-none-eabihf", "mps2-an505", "dsp");
}

#[test]
fn a_cortex_m55_agrees_with_scalar() {
    check("thumbv8m.main-none-eabihf", "mps3-an547", "helium");
}

/// Builds the firmware for a target with the memories of a board and runs it on that board.
fn check(target: &str, board: &str, features: &str) {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // A folder for each: they differ in what the build script sees.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("any-core-{board}-{target}"));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "any-core", "--bin", "check"])
        .args(["--target", target, "--features", features, "--manifest-path"])
        .arg(boards.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&folder)
        .env("NIWAKI_MEMORY", boards.join(board).canonicalize().expect("a board's folder"))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the firmware does not build");
    let ran = Command::new("qemu-system-arm")
        .args(["-machine", board, "-display", "none", "-monitor", "none", "-serial", "none"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(folder.join(target).join("release/check"))
        .output()
        .expect("qemu-system-arm starts");
    let said = String::from_utf8_lossy(&ran.stderr);
    println!("{board}: {said}");
    assert!(ran.status.success() && said.contains(" 0 wrong"), "{board}: {said}");
}
