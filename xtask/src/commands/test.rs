//! `test`: everything that CI runs, step by step.

use crate::{
    bench::{code, sources},
    board::{self, Board},
    cargo::cargo,
    commands::setup,
    fit::check,
    output::{self, thousands},
    progress,
    rules::Dependencies,
    sample,
    steps::{self, Outcome, Run, tests},
    workplace::Workplace,
};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::{path::Path, process::Command};

/// Run everything that CI runs: formatting, lints, dependency rules, tests, firmware, deployments
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out what takes minutes: Burn, deployments
    #[arg(long)]
    quick: bool,
    /// Instead, build Burn's flex, ndarray and wgpu devices in target/devices and check that they agree
    #[arg(long, conflicts_with = "quick")]
    devices: bool,
    /// Only steps whose names hold this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Install nothing; fail if something is missing
    #[arg(long)]
    no_setup: bool,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let mut run = Run { only: args.only.clone(), ..Run::default() };
    run.step("setup", || {
        let needs = setup::test_needs(work, args.devices);
        needs.and_then(|needs| setup::ready(&needs, None, args.no_setup)).into()
    });
    if args.devices {
        devices(work, &mut run);
    } else {
        everything(work, &mut run, args.quick);
    }
    output::result(work, &run, || run.summary())?;
    let failed = run.failed();
    ensure!(failed == 0, "{failed} failed; what they said is above");
    Ok(())
}

fn devices(work: &Workplace, run: &mut Run) {
    let mut command = cargo(&work.root);
    command.args(["test", "--release", "--package", "niwaki-tests", "--features", "devices", "--test", "devices"]);
    command.arg("--no-fail-fast").arg("--target-dir").arg(work.target().join("devices"));
    run.step("Burn devices agree: flex, ndarray, wgpu", || tests(&mut command, "building Burn for three devices"));
}

fn everything(work: &Workplace, run: &mut Run, quick: bool) {
    let boards = work.root.join("boards");
    let dependencies = Dependencies::read(&work.root);
    let (free, burn) = match &dependencies {
        Ok(all) => (all.without_burn(), all.with_burn()),
        Err(_) => (Vec::new(), Vec::new()),
    };
    run.step("dependency rules, host", || broken(dependencies.map(|all| all.broken_rules())));
    run.step("dependency rules, boards", || broken(Dependencies::read(&boards).map(|all| all.broken_on_boards())));
    run.step("costs are of these kernels", || broken(sources::stale(work)));
    run.step("formatting, host", || steps::check(cargo(&work.root).args(["fmt", "--all", "--check"]), "cargo fmt"));
    run.step("formatting, boards", || steps::check(cargo(&boards).args(["fmt", "--all", "--check"]), "cargo fmt"));
    run.step("lints, crates without Burn", || clippy(&work.root, &free, &["--all-targets"]));
    run.step("lints, boards on this machine", || clippy(&boards, &host_boards(work), &["--all-targets"]));
    run.step("tests, crates without Burn", || {
        tests(cargo(&work.root).args(["test", "--no-fail-fast"]).args(packages(&free)), "testing crates without Burn")
    });
    run.step("data sets as they are known", || match std::env::var_os("NIWAKI_DATA") {
        Some(_) => {
            let mut command = cargo(&work.root);
            command.args(["test", "--package", "niwaki-fetch", "--features", "data", "--test", "reference"]);
            tests(&mut command, "testing data sets")
        }
        None => Outcome::skipped("NIWAKI_DATA is not set: it names the folder with the data sets"),
    });
    for cpu in ["cortex-a53", "cortex-a76"] {
        let target = "aarch64-unknown-linux-musl";
        run.step(&format!("tests, kernels on an emulated {cpu}"), || {
            emulated_kernels(work, target, "qemu-aarch64", cpu)
        });
    }
    run.step("tests, kernels on an emulated cortex-a7", || {
        emulated_kernels(work, "armv7-unknown-linux-gnueabihf", "qemu-arm", "cortex-a7")
    });
    run.step("tests, boards", || tests(cargo(&boards).args(["test", "--no-fail-fast"]), "testing boards"));
    run.step("documentation", || {
        let mut command = cargo(&work.root);
        command.args(["doc", "--no-deps"]).args(packages(&free)).env("RUSTDOCFLAGS", "-D warnings");
        steps::check(&mut command, "cargo doc")
    });
    for name in board::all(work) {
        firmware(work, run, &name);
    }
    run.step("the kernels of KWS fit 16 KiB", || broken(code::broken_budget(work)));
    for (target, features) in NO_PANIC {
        let name = format!("no panic can be reached, {target} {features}");
        run.step(name.trim_end(), || no_panic(work, target, features));
    }
    run.step("front ends on every emulated core: as on this computer", || {
        steps::check(xtask(work).args(["bench", "front-ends", "--no-setup", "--board", "all"]), "counting front ends")
    });
    for board in ["host", board::DEFAULT] {
        run.step(&format!("golden vectors of the stored networks on {board}"), || {
            let mut command = xtask(work);
            command.args(["golden", "--stored", "--no-setup", "--board", board]);
            steps::check(&mut command, "running golden inputs")
        });
    }
    with_burn(work, run, &burn, quick);
    run.step("Burn devices agree", || Outcome::skipped("a build of its own: cargo xtask test --devices"));
}

/// What needs Burn, and with it minutes.
fn with_burn(work: &Workplace, run: &mut Run, burn: &[String], quick: bool) {
    let mut slow = |name: &str, action: &dyn Fn() -> Outcome| {
        run.step(name, || if quick { Outcome::skipped("left out by --quick") } else { action() });
    };
    slow("lints, crates on Burn", &|| clippy(&work.root, burn, &["--all-targets"]));
    slow("tests, crates on Burn", &|| {
        let mut command = cargo(&work.root);
        command.args(["test", "--release", "--no-fail-fast"]).args(packages(burn));
        tests(&mut command, "testing crates on Burn")
    });
    slow("MLPerf Tiny models at reference quality", &|| match std::env::var_os("NIWAKI_DATA") {
        Some(_) => {
            let mut command = cargo(&work.root);
            command.args([
                "test",
                "--release",
                "--package",
                "niwaki-tests",
                "--features",
                "data",
                "--test",
                "mlperf",
                "--test",
                "pruned",
            ]);
            tests(&mut command, "testing the MLPerf Tiny models")
        }
        None => Outcome::skipped("NIWAKI_DATA is not set: it names the folder with the data sets"),
    });
    for (model, board) in [("digits", "host"), ("digits", board::DEFAULT), ("digits-vit", board::DEFAULT)] {
        slow(&format!("deploy {model} on {board}"), &|| deploy(work, model, board).into());
    }
    slow("fit digits: two cores", &|| check::cores(work).into());
    slow("fit digits: other ends", &|| check::ends(work).into());
    slow("fit digits: killed and resumed", &|| check::resumed(work).into());
    slow("fit digits: a sweep by two machines", &|| check::sweep(work).into());
    for board in STM32_AND_PI {
        slow(&format!("digits on {board}"), &|| run_digits(work, board).into());
    }
    slow("digits on a board made with `boards new`", &|| made_up(work).into());
    slow("bench digits on all emulated boards: as predicted", &|| predicted(work, "digits", "all").into());
    slow("bench digits-vit on every emulated core: as predicted", &|| {
        predicted(work, "digits-vit", EMULATED_CORES).into()
    });
    if std::env::var_os("NIWAKI_DATA").is_some() {
        slow("bench ad on every emulated core: as predicted", &|| untrained(work, "ad").into());
        slow("golden vectors of ad, unpruned as well", &|| {
            steps::check(xtask(work).args(["golden", "ad", "--no-setup"]), "running golden inputs")
        });
        slow("bench ic, kws and vww as predicted", &|| {
            Outcome::skipped("many minutes each: cargo xtask bench MODEL --board BOARD shows both counts")
        });
    }
    slow("the page shows what was measured of digits", &|| page(work).into());
    let real = |name: &String| Board::find(work, name).is_ok_and(|board| !board.emulated() && !board.is_process());
    let real: Vec<String> = board::all(work).into_iter().filter(real).collect();
    for board in real.iter().map(String::as_str).chain([board::DEFAULT, "b-l475e-iot01a"]) {
        slow(&format!("budgets of digits on {board}"), &|| {
            steps::check(xtask(work).args(["size", "digits", "--board", board]), "cargo xtask size digits")
        });
    }
}

/// Holds the numbers on the page against those that other commands give.
fn page(work: &Workplace) -> anyhow::Result<()> {
    let said = |arguments: &[&str]| -> anyhow::Result<Value> {
        let output = xtask(work).args(arguments).arg("--json").output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        serde_json::from_slice(&output.stdout).with_context(|| format!("{} printed no JSON", arguments[0]))
    };
    let report = said(&["report", "digits"])?;
    let page = std::fs::read_to_string(report["page"].as_str().context("report wrote no page")?)?;
    let run = said(&["run", "digits", "--no-setup", "--samples", "10", "--board", board::DEFAULT])?;
    let sizes = said(&["size", "digits", "--no-setup", "--board", board::DEFAULT])?;
    for network in [0, 1] {
        let size = &sizes[network];
        let count = ("instructions", &run["runs"][network]["count"]["total"]);
        let bytes = ["flash", "blob_bytes", "arena_bytes"].map(|name| (name, &size[name]));
        for (what, number) in [count].into_iter().chain(bytes) {
            let number = number.as_u64().with_context(|| format!("no {what} of network {network}"))?;
            ensure!(page.contains(&format!(">{}<", thousands(number))), "{what}, {number}, is not on the page");
        }
    }
    Ok(())
}

/// A variant of the MPS2 that there is not, made from one that there is, runs digits as every board does.
fn made_up(work: &Workplace) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let board = folder.path().join("mps2-an999");
    let made = xtask(work).args(["boards", "new"]).arg(&board).args(["--from", "mps2-an386"]).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr).trim());
    let spec = std::fs::read_to_string(board.join("board.toml"))?;
    // Half of the memories, as a board of one's own would have others.
    std::fs::write(board.join("board.toml"), spec.replace("1_048_576", "524_288").replace("262_144", "131_072"))?;
    let arguments = ["run", "digits", "--no-setup", "--variant", "pruned", "--board"];
    let run = xtask(work).args(arguments).arg(&board).output()?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr).trim());
    Ok(())
}

/// Holds the kernels for an Arm Linux against the scalar ones, as a whole, in bands and on threads. Cores without and with dot products run different ones.
fn emulated_kernels(work: &Workplace, target: &str, qemu: &str, cpu: &str) -> Outcome {
    let runner = format!("CARGO_TARGET_{}_RUNNER", target.to_uppercase().replace('-', "_"));
    let mut command = cargo(&work.root);
    // Without optimisation, minutes under emulation.
    command.args(["test", "--release", "--package", "niwaki-kernels", "--package", "niwaki"]);
    command.args(["--test", "bit_exact", "--test", "bands", "--test", "threads"]);
    command.args(["--target", target]).env(runner, format!("{qemu} -cpu {cpu}"));
    tests(&mut command, &format!("testing kernels on {cpu}"))
}

/// Targets of the device crates that are linked without a panic handler, and features of the program.
const NO_PANIC: [(&str, &str); 7] = [
    ("thumbv6m-none-eabi", ""),
    ("thumbv7m-none-eabi", ""),
    ("thumbv7em-none-eabihf", ""),
    ("thumbv8m.main-none-eabihf", "niwaki/dsp"),
    ("thumbv8m.main-none-eabihf", "niwaki/helium"),
    (ARM64, ""),
    (ARM64, "dotprod"),
];

/// 64-bit Arm: linked without its C library, of which only memory functions are missing then. Which kernels run is asked
/// of the CPU elsewhere, of the compiler here.
const ARM64: &str = "aarch64-unknown-linux-musl";

/// Links the whole runtime with a panic handler that does not exist: that fails if a panic can be reached.
fn no_panic(work: &Workplace, target: &str, features: &str) -> Outcome {
    let mut command = cargo(&work.root);
    command.args(["build", "--release", "--target", target, "--manifest-path"]);
    command.arg("crates/runtime/tests/no_panic/Cargo.toml").arg("--target-dir").arg(work.target().join("no-panic"));
    if target == ARM64 {
        let missing =
            ["memcpy", "memmove", "memset", "memcmp", "bcmp"].map(|name| format!(" -C link-arg=--defsym={name}=0"));
        let more = if features.is_empty() { String::new() } else { format!(" -C target-feature=+{features}") };
        let flags = format!("-C link-self-contained=no -C relocation-model=static{}{more}", missing.concat());
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", flags);
        // As its programs are built: without inlining there are checks that nothing fails.
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
    } else {
        command.args(["--features", features]);
    }
    steps::check(&mut command, "linking without panics")
}

fn broken(rules: anyhow::Result<Vec<String>>) -> Outcome {
    match rules {
        Ok(broken) if broken.is_empty() => Outcome::passed(),
        Ok(broken) => Outcome::failed(broken.join("\n")),
        Err(error) => Outcome::failed(format!("{error:#}")),
    }
}

fn packages(names: &[String]) -> impl Iterator<Item = String> {
    names.iter().map(|name| format!("--package={name}"))
}

fn clippy(folder: &Path, names: &[String], more: &[&str]) -> Outcome {
    let mut command = cargo(folder);
    command.arg("clippy").args(more).args(packages(names)).args(["--", "-D", "warnings"]);
    steps::check(&mut command, "cargo clippy")
}

/// What is linted and tested on this machine: the boards that are processes, and what all boards share.
fn host_boards(work: &Workplace) -> Vec<String> {
    let boards = board::all(work).into_iter().filter_map(|name| Board::find(work, &name).ok());
    let hosts = boards.filter(|board| board.spec.target.is_none()).map(|board| board.package);
    hosts.chain(["niwaki-board".to_string()]).collect()
}

/// Lints and builds a microcontroller's firmware around the smallest blob.
fn firmware(work: &Workplace, run: &mut Run, name: &str) {
    let board = match Board::find(work, name) {
        Ok(board) => board,
        Err(error) => return run.step(&format!("board {name}"), || Outcome::failed(format!("{error:#}"))),
    };
    let Some(target) = &board.spec.target else { return };
    let blob = match sample::write(&work.root.join("target/niwaki")) {
        Ok(blob) => blob,
        Err(error) => return run.step(&format!("board {name}"), || Outcome::failed(format!("{error:#}"))),
    };
    let with_blob = |verb: &str| {
        let mut command = cargo(&board.folder);
        command.args([verb, "--release", "--target", target, "--package", &board.package]).env("NIWAKI_BLOB", &blob);
        command
    };
    let mut lints = with_blob("clippy");
    lints.args(["--", "-D", "warnings"]);
    run.step(&format!("lints, {name}"), || steps::check(&mut lints, "cargo clippy"));
    run.step(&format!("firmware, {name}"), || steps::check(&mut with_blob("build"), "building firmware"));
}

/// This program, as one types it: cargo may have to build it anew after the steps before.
fn xtask(work: &Workplace) -> Command {
    let mut command = cargo(&work.root);
    command.args(["run", "--quiet", "--package", "xtask", "--"]);
    command
}

/// Emulated boards that start as on silicon, and the cores of Raspberry Pi 3, 4 and 5.
const STM32_AND_PI: [&str; 5] =
    ["netduinoplus2", "b-l475e-iot01a", "raspberry-pi:cortex-a53", "raspberry-pi", "raspberry-pi:cortex-a76"];

/// Runs some samples of what was deployed before on another board, and looks into the result: none differs.
fn run_digits(work: &Workplace, board: &str) -> anyhow::Result<()> {
    const SAMPLES: u64 = 50;
    let mut command = xtask(work);
    command.args(["run", "digits", "--no-setup", "--json", "--samples", &SAMPLES.to_string(), "--board", board]);
    let spinner = progress::spinner(&format!("running digits on {board}"));
    let output = command.output()?;
    drop(spinner);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let result: Value = serde_json::from_slice(&output.stdout).context("run printed no JSON")?;
    let runs = result["runs"].as_array().map_or([].as_slice(), Vec::as_slice);
    ensure!(runs.len() == 2, "{} networks were run", runs.len());
    for run in runs {
        ensure!(run["samples"] == SAMPLES, "{} of {SAMPLES} samples were run", run["samples"]);
        ensure!(run["differing"].as_array().is_some_and(Vec::is_empty), "differing samples: {}", run["differing"]);
    }
    Ok(())
}

/// Deploys the example and looks into the result: every sample was run, and none differs.
fn deploy(work: &Workplace, model: &str, name: &str) -> anyhow::Result<()> {
    let mut command = xtask(work);
    command.args(["deploy", model, "--no-setup", "--quiet", "--json", "--board", name]);
    let spinner = progress::spinner(&format!("deploying {model} on {name}"));
    let output = command.output()?;
    drop(spinner);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let result: Value = serde_json::from_slice(&output.stdout).context("deploy printed no JSON")?;
    for which in ["unpruned", "pruned"] {
        let board = &result[which]["board"];
        let (run, of) = (board["samples"].as_u64(), result[which]["host"]["samples"].as_u64());
        ensure!(run.is_some() && run == of, "the {which} network ran {run:?} of {of:?} samples");
        let differing = board["differing"].as_array().map(Vec::len);
        ensure!(differing == Some(0), "the {which} network differs from the host on {differing:?} samples");
    }
    Ok(())
}

/// An emulated board for each core whose instructions are counted, with memory for every model.
const EMULATED_CORES: &str = "mps2-an385,mps2-an386,mps2-an500,mps2-an505,mps3-an547";

/// Packs a model and its channels and blocks as they would be pruned, without training: what they take does not depend
/// on it.
fn untrained(work: &Workplace, model: &str) -> anyhow::Result<()> {
    let packed = xtask(work).args(["pack", model, "--epochs", "0", "--quiet"]).output()?;
    ensure!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr).trim());
    predicted(work, model, EMULATED_CORES)
}

/// Counts a packed model on boards and holds what was predicted of it, before and after pruning, against the counts.
fn predicted(work: &Workplace, model: &str, boards: &str) -> anyhow::Result<()> {
    const MOST: f64 = 0.05;
    // Sparse fully connected layers with few blocks are priced too low there: ad's come out 6.5 % short.
    const MOST_WITH_HELIUM: f64 = 0.07;
    let mut command = xtask(work);
    command.args(["bench", model, "--no-setup", "--json", "--board", boards]);
    let spinner = progress::spinner(&format!("counting {model} on {boards}"));
    let output = command.output()?;
    drop(spinner);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let result: Value = serde_json::from_slice(&output.stdout).context("bench printed no JSON")?;
    let mut compared = 0;
    for bench in result.as_array().into_iter().flatten() {
        for network in bench["networks"].as_array().into_iter().flatten() {
            let whole = &network["whole"];
            let Some(measured) = whole["measured"]["median"].as_f64() else { continue };
            let (board, core, which) = (&bench["board"], &bench["core"], &network["variant"]);
            let predicted = whole["predicted"].as_f64();
            let predicted = predicted.with_context(|| format!("nothing was predicted for {board}"))?;
            let error = predicted / measured - 1.0;
            ensure!(
                error.abs() <= if core == "cortex-m55" { MOST_WITH_HELIUM } else { MOST },
                "{model}, {which}, takes {measured} instructions on {core}, and {predicted} were predicted: measure the \
                 costs anew, cargo xtask bench kernels --board {board} --write"
            );
            compared += 1;
        }
    }
    ensure!(compared >= 10, "only {compared} networks were counted");
    Ok(())
}
