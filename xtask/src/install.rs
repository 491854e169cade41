//! Installs what is missing, saying what it does and how to do it by hand.

use crate::{
    machine::{Machine, Manager, find_program},
    output::note,
    progress,
    toolchain::Need,
};
use anyhow::{Context, bail, ensure};
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// Installs those of `needs` that are missing; gives those that it installed.
pub(crate) fn ensure_all(needs: &[Need]) -> anyhow::Result<Vec<Need>> {
    let missing: Vec<Need> = needs.iter().filter(|need| need.check().found.is_none()).cloned().collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let machine = Machine::this();
    for need in &missing {
        note(&format!("{need} is missing; installing it. By hand: {}", need.by_hand(&machine)));
    }
    let targets: Vec<&str> = missing
        .iter()
        .filter_map(|need| match need {
            Need::Target(triple) => Some(triple.as_str()),
            _ => None,
        })
        .collect();
    if !targets.is_empty() {
        add_targets(&targets)?;
    }
    let mut packages: Vec<&str> = Vec::new();
    for need in &missing {
        packages.extend(match need {
            Need::Target(_) => Vec::new(),
            Need::Qemu(program) => machine.qemu_packages(program),
            Need::Vulkan => machine.vulkan_packages(),
            Need::Ssh => machine.ssh_packages(),
            Need::ProbeRs => Vec::new(),
        });
    }
    if !packages.is_empty() {
        packages.dedup();
        install_packages(&machine, &packages)?;
    }
    if missing.contains(&Need::ProbeRs) {
        quietly(Command::new("cargo").args(PROBE_RS), &format!("cargo {} (some minutes)", PROBE_RS.join(" ")))?;
    }
    for need in &missing {
        let fix = need.by_hand(&machine);
        ensure!(need.check().found.is_some(), "{need} is still not there after installing it; try by hand: {fix}");
    }
    Ok(missing)
}

/// Replaces a QEMU that is older than some boards need, where there is a newer one to be had. One that stays old is no
/// error: it runs most boards, and `doctor` says so.
pub(crate) fn renew_qemu(needs: &[Need]) -> anyhow::Result<()> {
    let machine = Machine::this();
    let old = |need: &&Need| matches!(need, Need::Qemu(_)) && need.check().note.is_some();
    let packages = needs.iter().filter(old).flat_map(|need| match need {
        Need::Qemu(program) => machine.qemu_packages(program),
        _ => Vec::new(),
    });
    let mut packages: Vec<&str> = packages.collect();
    packages.dedup();
    if packages.is_empty() || machine.backports().is_none() {
        return Ok(());
    }
    note(&format!("QEMU is old; installing a newer one. By hand: {}", machine.install_line(&packages)));
    install_packages(&machine, &packages)
}

const PROBE_RS: [&str; 3] = ["install", "probe-rs-tools", "--locked"];

fn add_targets(targets: &[&str]) -> anyhow::Result<()> {
    ensure!(
        find_program("rustup").is_some(),
        "rustup is not installed; get it from https://rustup.rs, then: rustup target add {}",
        targets.join(" ")
    );
    let mut command = Command::new("rustup");
    command.args(["target", "add"]).args(targets);
    quietly(&mut command, &format!("rustup target add {}", targets.join(" ")))
}

fn install_packages(machine: &Machine, packages: &[&str]) -> anyhow::Result<()> {
    let by_hand = machine.install_line(packages);
    // Other managers are not tested by us, and a package manager is not to be experimented with.
    ensure!(machine.manager == Manager::Apt, "cannot install packages on this system; please run: {by_hand}");
    ensure!(
        is_root() || find_program("sudo").is_some(),
        "installing needs root and there is no sudo; as root: {by_hand}"
    );
    let wants_qemu = packages.iter().any(|package| package.starts_with("qemu"));
    let backports = machine.backports().filter(|_| wants_qemu);
    update();
    if let Some(suite) = &backports {
        let added = if has_suite(suite) { None } else { Some(add_suite(suite)?) };
        if added.is_some() {
            update();
        }
        let Err(error) = install(packages, Some(suite)) else { return Ok(()) };
        note(&format!("{suite} did not work out ({error:#}); taking the distribution's own QEMU instead"));
        if let Some(file) = added {
            note(&format!("removing {file}"));
            quietly(as_root("rm").arg(&file), &format!("rm {file}"))?;
            update();
        }
    }
    install(packages, None).with_context(|| format!("try by hand: {by_hand}"))
}

/// Refreshes apt's lists. A source that does not answer is no reason to give up: what we need may be in another.
fn update() {
    if let Err(error) = quietly(as_root("apt-get").args(["update", "-q"]), "apt-get update") {
        note(&format!("{error:#}; going on with the lists that are there"));
    }
}

fn install(packages: &[&str], suite: Option<&str>) -> anyhow::Result<()> {
    let mut command = as_root("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y", "--no-install-recommends"]);
    if let Some(suite) = suite {
        command.args(["-t", suite]);
    }
    command.args(packages);
    let from = suite.map(|suite| format!(" (from {suite})")).unwrap_or_default();
    quietly(&mut command, &format!("apt-get install {}{from}", packages.join(" ")))
}

/// Whether apt already takes packages from this suite.
fn has_suite(suite: &str) -> bool {
    let policy = Command::new("apt-cache").arg("policy").stdin(Stdio::null()).output();
    policy.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!("n={suite}")))
}

fn list_name(suite: &str) -> String {
    format!("niwaki-{suite}.list")
}

/// Makes apt take packages from a Debian suite too; gives the file that was written.
fn add_suite(suite: &str) -> anyhow::Result<String> {
    let file = format!("/etc/apt/sources.list.d/{}", list_name(suite));
    let line = format!("deb http://deb.debian.org/debian {suite} main\n");
    note(&format!("Debian 12 has QEMU 7.2; enabling {suite} for a newer one: writing \"{}\" to {file}", line.trim()));
    let mut command = as_root("tee");
    let mut child = command.arg(&file).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("tee")?;
    child.stdin.take().context("tee")?.write_all(line.as_bytes())?;
    ensure!(child.wait()?.success(), "{file} cannot be written");
    Ok(file)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    command
}

/// Runs a command behind a spinner and shows what it said only if it failed.
fn quietly(command: &mut Command, what: &str) -> anyhow::Result<()> {
    // Before the spinner, which would hide the question for a password.
    if command.get_program() == "sudo" {
        ensure!(Command::new("sudo").arg("-v").status()?.success(), "sudo was refused");
    }
    let spinner = progress::spinner(what);
    let output = command.stdin(Stdio::null()).output().with_context(|| what.to_string())?;
    drop(spinner);
    if !output.status.success() {
        note(String::from_utf8_lossy(&output.stdout).trim_end());
        note(String::from_utf8_lossy(&output.stderr).trim_end());
        bail!("{what} failed ({})", output.status);
    }
    Ok(())
}
