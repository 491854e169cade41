//! The report of a deployment: one table of quantities before and after pruning, and one of layers.

use crate::{
    board::Board,
    elf::Sections,
    layers,
    measure::{Measured, Unit},
    output::{percent, ratio, table, thousands},
    variant::Which,
};
use comfy_table::Table;
use niwaki_pack::artefact::{Report, Variant};
use serde::{Deserialize, Serialize};

/// One network on one board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    /// What the host measured.
    pub(crate) host: Variant,
    /// The firmware with this network; absent where it does not fit and for a board that is a process.
    pub(crate) firmware: Option<Sections>,
    /// RAM that the firmware leaves for the stack.
    pub(crate) stack_bytes: Option<u64>,
    /// What the board did; absent where the network does not fit.
    pub(crate) board: Option<Measured>,
    /// Why it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_run: Option<String>,
}

/// A model on a board, before and after pruning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) model: String,
    pub(crate) board: String,
    /// Whether the board is emulated.
    pub(crate) emulated: bool,
    /// Whether anyone has run this board's firmware on silicon; absent for a process.
    pub(crate) silicon: Option<bool>,
    /// Hash over recipe, weights and data.
    pub(crate) recipe_hash: String,
    /// What the qualities are.
    pub(crate) metric: String,
    pub(crate) unpruned: Column,
    pub(crate) pruned: Column,
}

impl Deployment {
    /// Puts the columns together.
    pub(crate) fn new(board: &Board, report: &Report, unpruned: Column, pruned: Column) -> Self {
        Self {
            model: report.model.clone(),
            board: board.full_name(),
            emulated: board.emulated(),
            silicon: board.silicon(),
            recipe_hash: report.recipe_hash.clone(),
            metric: report.metric.clone(),
            unpruned,
            pruned,
        }
    }

    /// One of the columns.
    pub(crate) fn column(&self, which: Which) -> &Column {
        match which {
            Which::Unpruned => &self.unpruned,
            Which::Pruned => &self.pruned,
        }
    }

    /// Both tables and what has to be said about them.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} on {}{}\n", self.model, self.board, standing(self.emulated, self.silicon));
        text.push_str(&format!("{}\n\n{}\n", self.quantities(), layers::table(&self.unpruned, &self.pruned)));
        for note in self.notes() {
            text.push_str(&format!("{note}\n"));
        }
        text
    }

    fn quantities(&self) -> Table {
        let mut table = quantities();
        let (metric, board) = (&self.metric, &self.board);
        let hosts = [&self.unpruned.host, &self.pruned.host];
        add_qualities(&mut table, metric, hosts);
        let on_board = |column: &Column| column.board.as_ref().and_then(|board| board.quality);
        let on_board = [on_board(&self.unpruned), on_board(&self.pruned)];
        add(&mut table, &format!("{metric}, int8, computed by {board}"), quality(on_board));
        add(&mut table, "samples on which host and board differ", self.differing());
        add_sizes(&mut table, hosts);
        let firmware = |value: fn(&Sections) -> u64| self.number(move |column| column.firmware.as_ref().map(value));
        add(&mut table, "flash, bytes", firmware(Sections::flash));
        if !self.is_process() {
            add(&mut table, "  .text", firmware(|sections| sections.text));
            add(&mut table, "  .rodata (with the blob)", firmware(|sections| sections.rodata));
            add(&mut table, "  .data", firmware(|sections| sections.data));
        }
        add(&mut table, "RAM without the stack, bytes", firmware(Sections::ram));
        if !self.is_process() {
            add(&mut table, "  .data", firmware(|sections| sections.data));
            add(&mut table, "  .bss (with the arena)", firmware(|sections| sections.bss));
            add(&mut table, "left for the stack, bytes", self.number(|column| column.stack_bytes));
        }
        let total = |column: &Column| Some(column.board.as_ref()?.count.as_ref()?.total);
        add(&mut table, &format!("{} per inference", self.unit()), self.number(total));
        table
    }

    /// Whether the board is a process: it runs, but no firmware was measured.
    fn is_process(&self) -> bool {
        let unmeasured = |column: &Column| column.board.is_some() && column.firmware.is_none();
        self.silicon.is_none() || Which::BOTH.iter().any(|which| unmeasured(self.column(*which)))
    }

    /// What is counted per inference.
    fn unit(&self) -> Unit {
        let counts = Which::BOTH.iter().filter_map(|which| self.column(*which).board.as_ref()?.count.as_ref());
        counts.map(|count| count.unit).next().unwrap_or(Unit::Instructions)
    }

    fn number(&self, value: impl Fn(&Column) -> Option<u64>) -> [String; 3] {
        number([value(&self.unpruned), value(&self.pruned)])
    }

    fn differing(&self) -> [String; 3] {
        let text = |column: &Column| match &column.board {
            Some(board) => format!("{} of {}", board.differing.len(), board.samples),
            None => "-".into(),
        };
        [text(&self.unpruned), text(&self.pruned), String::new()]
    }

    /// Why cells are empty, and what the numbers are not.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.is_process() {
            let owner = if self.silicon.is_some() { "" } else { " of this computer" };
            notes.push(format!("no flash and RAM: {} is a process{owner}", self.board));
        }
        for which in Which::BOTH {
            let column = self.column(which);
            notes.extend(column.not_run.as_ref().map(|reason| format!("{which}: not run: {reason}")));
            let uncounted = column.board.as_ref().and_then(|board| board.uncounted.as_ref());
            let note = uncounted.map(|reason| format!("no {}: {reason}", self.unit()));
            notes.extend(note.filter(|note| !notes.contains(note)));
        }
        let counted = |which: &Which| self.column(*which).board.as_ref().is_some_and(|board| board.count.is_some());
        if self.emulated && (Which::BOTH.iter().any(counted) || !self.is_process()) {
            notes.push("instructions are executed instructions under emulation: no measure of time".into());
        }
        notes
    }
}

/// What the host alone measured, as a table.
pub(crate) fn host(report: &Report) -> String {
    let (mut table, hosts) = (quantities(), [&report.unpruned, &report.pruned]);
    add_qualities(&mut table, &report.metric, hosts);
    add_sizes(&mut table, hosts);
    format!("{}\n{table}\n", report.model)
}

fn quantities() -> Table {
    table(["", "before", "after pruning", "after / before"], 1)
}

fn add(table: &mut Table, what: &str, [before, after, ratio]: [String; 3]) {
    table.add_row([what.to_string(), before, after, ratio]);
}

fn add_qualities(table: &mut Table, metric: &str, hosts: [&Variant; 2]) {
    add(table, &format!("{metric}, float"), quality(hosts.map(|host| Some(host.float_quality))));
    add(table, &format!("{metric}, int8, computed by the host"), quality(hosts.map(|host| Some(host.int8_quality))));
    for [before, after] in hosts[0].more.iter().zip(&hosts[1].more).map(<[_; 2]>::from) {
        let set = format!("{} ({} samples)", before.name, before.samples);
        add(table, &format!("{metric} on {set}, float"), quality([before, after].map(|set| Some(set.float))));
        add(table, &format!("{metric} on {set}, int8"), quality([before, after].map(|set| Some(set.int8))));
    }
}

fn add_sizes(table: &mut Table, hosts: [&Variant; 2]) {
    let mut row = |what: &str, value: fn(&Variant) -> usize| {
        add(table, what, number(hosts.map(|host| Some(value(host) as u64))));
    };
    row("parameters", |host| host.parameters);
    row("channels", |host| host.channels);
    row("multiply-accumulates", |host| host.macs);
    row("blob, bytes", |host| host.blob_bytes);
    row("arena, bytes", |host| host.arena_bytes);
}

fn quality([before, after]: [Option<f64>; 2]) -> [String; 3] {
    let text = |value: Option<f64>| value.map_or("-".into(), percent);
    let change = before.zip(after).map(|(before, after)| format!("{:+.2} points", (after - before) * 100.0));
    [text(before), text(after), change.unwrap_or_default()]
}

fn number([before, after]: [Option<u64>; 2]) -> [String; 3] {
    let text = |value: Option<u64>| value.map_or("-".into(), thousands);
    let ratio = before.zip(after).map(|(before, after)| ratio(before, after));
    [text(before), text(after), ratio.unwrap_or_default()]
}

/// What a reader has to know before any number: ` (emulated; never run on silicon)`.
pub(crate) fn standing(emulated: bool, silicon: Option<bool>) -> &'static str {
    match (emulated, silicon) {
        (true, Some(false)) => " (emulated; never run on silicon)",
        (true, _) => " (emulated)",
        (false, Some(false)) => " (never run on silicon)",
        (false, Some(true)) => "",
        (false, None) => " (a process of this computer)",
    }
}
