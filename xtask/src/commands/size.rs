//! `size`: what a firmware occupies, by section and by crate, against the board's budget.

mod compare;
mod revision;

use crate::{
    commands::BoardArgs,
    elf::Sizes,
    firmware,
    model::Model,
    output::{self, table, thousands},
    stack,
    trial::Trial,
    variant::{self, BlobFile, Which},
    workplace::Workplace,
};
use anyhow::Context;
use compare::Comparison;
use revision::Revision;
use serde::{Deserialize, Serialize};
use std::path::Path;

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
    /// Show what changed since a git revision, whose firmware is built around the same blob, or since a report that
    /// `size --json` wrote
    #[arg(long, value_name = "REV|FILE.json")]
    diff: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    model: String,
    board: String,
    variant: Which,
    flash: u64,
    ram: u64,
    flash_budget: u64,
    ram_budget: u64,
    /// The blob that the firmware holds.
    blob_bytes: usize,
    /// The arena, exact: it is in .bss.
    arena_bytes: usize,
    /// Code of the kernels that were linked: crate niwaki_kernels in .text. What was inlined into a caller counts there.
    kernels_text: u64,
    /// What the last `bench` measured.
    stack_used: Option<StackUsed>,
    #[serde(flatten)]
    sizes: Sizes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StackUsed {
    bytes: u32,
    /// Whether it was measured with this very firmware.
    same_firmware: bool,
}

/// What to compare with.
enum Since<'a> {
    Report(Vec<Entry>),
    Revision(Revision<'a>),
}

/// What `--diff --json` prints.
#[derive(Serialize)]
struct Compared<'a> {
    since: &'a str,
    before: &'a [Entry],
    after: &'a [Entry],
    changes: &'a [Comparison],
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model)?;
    let board = args.board.ready_to_build(work)?;
    let budget = board.spec.budget;
    let budget = budget.with_context(|| format!("{} is a process: it has no flash or RAM of its own", board.name()))?;
    let report = variant::report(work, &model)?;
    let variants = args.variant.map_or(Which::BOTH.to_vec(), |which| vec![which]);
    // What is wrong with it is said before anything is built.
    let since = match &args.diff {
        None => None,
        Some(text) if revision::is_file(text) => {
            let before = compare::saved(Path::new(text), &model.name, &board.full_name(), &variants)?;
            Some((text, Since::Report(before)))
        }
        Some(text) => Some((text, Since::Revision(Revision::checkout(work, text, &args.board.board)?))),
    };
    let trial = Trial { work, board: &board, samples: None, log: None, fault: None };
    let (mut entries, mut blobs, mut exceeded) = (Vec::new(), Vec::new(), Ok(()));
    for which in variants {
        let (blob, firmware) = trial.build(&report, which)?;
        let sizes = firmware.sizes.context("the firmware is no ELF file")?;
        exceeded = exceeded.and_then(|()| firmware::check_budget(&board, &blob, &sizes));
        let mark = stack::load(&trial.folder(&model.name), which)?;
        let this = stack::hash(&firmware.path)?;
        let stack_used = mark.map(|mark| StackUsed { bytes: mark.used_bytes, same_firmware: mark.firmware == this });
        let entry = Entry {
            model: model.name.clone(),
            board: board.full_name(),
            variant: which,
            flash: 0,
            ram: 0,
            flash_budget: budget.flash_bytes,
            ram_budget: budget.ram_bytes,
            blob_bytes: blob.bytes,
            arena_bytes: blob.arena_bytes,
            kernels_text: 0,
            stack_used,
            sizes: Sizes::default(),
        };
        entries.push(entry.with(sizes));
        blobs.push(blob);
    }
    match since {
        None => output::result(work, &entries, || show(&args.model, board.name(), &entries))?,
        Some((name, since)) => {
            let before = match since {
                Since::Report(before) => before,
                Since::Revision(revision) => at_revision(&revision, &entries, &blobs)?,
            };
            let changes: Vec<Comparison> =
                before.iter().zip(&entries).map(|(before, after)| compare::compare(before, after)).collect();
            let compared = Compared { since: name, before: &before, after: &entries, changes: &changes };
            output::result(work, &compared, || compare::show(board.name(), name, &changes))?;
        }
    }
    exceeded
}

/// The same networks in the firmware of another revision.
fn at_revision(revision: &Revision<'_>, entries: &[Entry], blobs: &[BlobFile]) -> anyhow::Result<Vec<Entry>> {
    let both = entries.iter().zip(blobs);
    both.map(|(entry, blob)| {
        let entry = Entry { stack_used: None, ..entry.clone() };
        Ok(entry.with(revision.sizes(blob)?))
    })
    .collect()
}

impl Entry {
    /// The same network in a firmware of these sizes.
    fn with(self, sizes: Sizes) -> Self {
        let (flash, ram) = (sizes.sections.flash(), sizes.sections.ram() + sizes.stack_bytes);
        let kernels = sizes.groups.iter().find(|group| group.name == "niwaki_kernels");
        let kernels_text = kernels.map_or(0, |group| group.sections.text);
        Self { flash, ram, kernels_text, sizes, ..self }
    }
}

fn show(model: &str, board: &str, entries: &[Entry]) -> String {
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
        let mut own = |what: &str, bytes: u64| {
            total.add_row([what.to_string(), thousands(bytes)]);
        };
        own("kernels' code (niwaki_kernels in .text)", entry.kernels_text);
        own("blob (in .rodata)", entry.blob_bytes as u64);
        own("arena (in .bss)", entry.arena_bytes as u64);
        let bench = format!("`cargo xtask bench {model} --board {}`", entry.board);
        let note = match &entry.stack_used {
            Some(used) => {
                own("stack used at most", u64::from(used.bytes));
                let other = format!("the stack was measured with another firmware; {bench} measures this one\n");
                if used.same_firmware { String::new() } else { other }
            }
            None => format!("how much of the stack is used was not measured; {bench} does it\n"),
        };
        let mut groups = table(["crate", ".text", ".rodata", ".data", ".bss"], 1);
        for group in &entry.sizes.groups {
            let sections = [group.sections.text, group.sections.rodata, group.sections.data, group.sections.bss];
            groups.add_row(std::iter::once(group.name.clone()).chain(sections.map(thousands)));
        }
        text.push_str(&format!("{} network on {board}\n{total}\n{note}{groups}\n\n", entry.variant));
    }
    text
}
