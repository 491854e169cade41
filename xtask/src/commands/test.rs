//! `test`: everything that CI runs, step by step.

mod models;

use crate::{
    bench::{code, sources},
    board::{self, Board},
    cargo::cargo,
    commands::setup,
    fit::check,
    output,
    rules::Dependencies,
    sample,
    steps::{self, Outcome, Run, tests},
    workplace::Workplace,
};
use anyhow::ensure;
use models::{EMULATED_CORES, STM32_AND_PI, deploy, made_up, page, predicted, run_digits, untrained, xtask};
use std::path::Path;

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
