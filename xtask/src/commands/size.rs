//! `size`: what a firmware occupies, by section and by crate, against the board's budget.

use crate::{
    commands::BoardArgs,
    elf::Sizes,
    firmware,
    model::Model,
    output::{self, table, thousands},
    trial::Trial,
    variant::{self, Which},
    workplace::Workplace,
};
use anyhow::Context;
use serde::Serialize;

/// Show flash and RAM of a model's firmware by section and by crate, and check the board's budget
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A model in models/, or the path of a folder with a model crate of your own
    model: String,
    #[command(flatten)]
    board: BoardArgs,
    /// Only this network
    #[arg(long, value_enum)]
    variant: Option<Which>,
}

#[derive(Serialize)]
struct Entry {
    variant: Which,
    flash: u64,
    ram: u64,
    flash_budget: u64,
    ram_budget: u64,
    #[serde(flatten)]
    sizes: Sizes,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model)?;
    let board = args.board.ready_to_build(work)?;
    let budget = board.spec.budget;
    let budget = budget.with_context(|| format!("{} is a process: it has no flash or RAM of its own", board.name()))?;
    let report = variant::report(work, &model.name)?;
    let trial = Trial { work, board: &board, samples: None, log: None, fault: None };
    let (mut entries, mut exceeded) = (Vec::new(), Ok(()));
    for which in args.variant.map_or(Which::BOTH.to_vec(), |which| vec![which]) {
        let (blob, firmware) = trial.build(&report, which)?;
        let sizes = firmware.sizes.context("the firmware is no ELF file")?;
        exceeded = exceeded.and_then(|()| firmware::check_budget(&board, &blob, &sizes));
        let (flash, ram) = (sizes.sections.flash(), sizes.sections.ram() + sizes.stack_bytes);
        let (flash_budget, ram_budget) = (budget.flash_bytes, budget.ram_bytes);
        entries.push(Entry { variant: which, flash, ram, flash_budget, ram_budget, sizes });
    }
    output::result(work, &entries, || show(board.name(), &entries))?;
    exceeded
}

fn show(board: &str, entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let sections = &entry.sizes.sections;
        let mut total = table(["memory", "bytes", "budget", "used"], 1);
        for (name, bytes, budget) in [("flash", entry.flash, entry.flash_budget), ("RAM", entry.ram, entry.ram_budget)]
        {
            let used = format!("{:.1} %", bytes as f64 * 100.0 / budget.max(1) as f64);
            total.add_row([name.to_string(), thousands(bytes), thousands(budget), used]);
        }
        let parts =
            [(".text", sections.text), (".rodata", sections.rodata), (".data", sections.data), (".bss", sections.bss)];
        for (name, bytes) in parts.into_iter().chain([("stack", entry.sizes.stack_bytes)]) {
            total.add_row([format!("  {name}"), thousands(bytes)]);
        }
        let mut groups = table(["crate", ".text", ".rodata", ".data", ".bss"], 1);
        for group in &entry.sizes.groups {
            let sections = [group.sections.text, group.sections.rodata, group.sections.data, group.sections.bss];
            groups.add_row(std::iter::once(group.name.clone()).chain(sections.map(thousands)));
        }
        text.push_str(&format!("{} network on {board}\n{total}\n{groups}\n\n", entry.variant));
    }
    text
}
