//! `boards`: lists the boards, and whether anyone has run them on silicon; makes new ones.

mod new;

use crate::{
    board::{self, Board, Kernels},
    output::{self, table, thousands},
    toolchain::Need,
    workplace::Workplace,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// List the boards: core, target, kernels, how they are run, and whether that was ever on silicon
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand)]
enum What {
    New(new::Args),
}

#[derive(Serialize)]
struct Entry {
    name: String,
    description: String,
    core: String,
    target: Option<String>,
    kernels: Kernels,
    clock_hz: Option<u64>,
    flash_budget: Option<u64>,
    ram_budget: Option<u64>,
    runner: String,
    /// Other ways to run it: what to put behind the board's name, and what that is.
    runners: BTreeMap<String, String>,
    emulated: bool,
    silicon: Option<bool>,
    /// What is not installed yet.
    missing: Vec<String>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    if let Some(What::New(args)) = &args.what {
        return new::run(work, args);
    }
    let boards: anyhow::Result<Vec<Board>> = board::all(work).iter().map(|name| Board::find(work, name)).collect();
    let entries: Vec<Entry> = boards?.iter().map(entry).collect();
    output::result(work, &entries, || show(&entries))
}

fn entry(board: &Board) -> Entry {
    let spec = board.spec.clone();
    let missing = |need: &Need| need.check().fix.map(|_| need.to_string());
    Entry {
        missing: board.needs().iter().filter_map(missing).chain(board.too_old()).collect(),
        runner: board.runner_name(),
        runners: spec.runners.iter().map(|(name, runner)| (name.clone(), runner.name())).collect(),
        emulated: board.emulated(),
        silicon: board.silicon(),
        name: spec.name,
        description: spec.description,
        core: spec.core,
        target: spec.target,
        kernels: spec.kernels,
        clock_hz: spec.clock_hz,
        flash_budget: spec.budget.map(|budget| budget.flash_bytes),
        ram_budget: spec.budget.map(|budget| budget.ram_bytes),
    }
}

fn show(entries: &[Entry]) -> String {
    let head =
        ["board", "core", "target", "kernels", "runs on", "flash for use", "RAM for use", "run on silicon", "missing"];
    let mut table = table(head, 9);
    for entry in entries {
        let bytes = |bytes: Option<u64>| bytes.map_or("-".into(), thousands);
        let silicon = entry.silicon.map_or("-", |run| if run { "yes" } else { "never" });
        let others = entry.runners.iter().map(|(name, runner)| format!("\n:{name} {runner}")).collect::<String>();
        table.add_row([
            entry.name.clone(),
            entry.core.clone(),
            entry.target.clone().unwrap_or("this computer's".into()),
            entry.kernels.to_string(),
            format!("{}{others}", entry.runner),
            bytes(entry.flash_budget),
            bytes(entry.ram_budget),
            silicon.into(),
            entry.missing.join(", "),
        ]);
    }
    format!("{table}\nBOARD:RUNNER runs a board in another way than the first.")
}
