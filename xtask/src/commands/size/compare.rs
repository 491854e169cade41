//! Two firmwares beside each other: what changed, in bytes.

use super::Entry;
use crate::{
    elf::Sections,
    output::{table, thousands},
    variant::Which,
};
use anyhow::{Context, ensure};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// One quantity, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    what: String,
    before: u64,
    after: u64,
    difference: i64,
}

impl Change {
    fn new(what: impl Into<String>, before: u64, after: u64) -> Self {
        Self { what: what.into(), before, after, difference: after as i64 - before as i64 }
    }
}

/// What changed of one network's firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Comparison {
    variant: Which,
    /// Flash and RAM, changed or not.
    totals: Vec<Change>,
    /// Sections, stack, blob and arena that changed.
    sections: Vec<Change>,
    /// What changed by crate and section, the largest difference first.
    crates: Vec<Change>,
}

fn parts(sections: &Sections) -> [(&'static str, u64); 4] {
    [(".text", sections.text), (".rodata", sections.rodata), (".data", sections.data), (".bss", sections.bss)]
}

/// Compares the firmwares of one network.
pub(super) fn compare(before: &Entry, after: &Entry) -> Comparison {
    let totals = vec![Change::new("flash", before.flash, after.flash), Change::new("RAM", before.ram, after.ram)];
    let whole = |entry: &Entry| {
        let more = [
            ("stack", entry.sizes.stack_bytes),
            ("the blob", entry.blob_bytes as u64),
            ("the arena", entry.arena_bytes as u64),
        ];
        parts(&entry.sizes.sections).into_iter().chain(more)
    };
    let both = whole(before).zip(whole(after));
    let mut sections: Vec<_> = both.map(|((what, before), (_, after))| Change::new(what, before, after)).collect();
    sections.retain(|change| change.difference != 0);
    let mut groups: BTreeMap<&str, [Sections; 2]> = BTreeMap::new();
    for (side, entry) in [before, after].into_iter().enumerate() {
        for group in &entry.sizes.groups {
            groups.entry(&group.name).or_default()[side] = group.sections;
        }
    }
    let of_crate = |(name, [before, after]): (&str, [Sections; 2])| {
        let pairs = parts(&before).into_iter().zip(parts(&after));
        pairs.map(|((part, before), (_, after))| Change::new(format!("{name} {part}"), before, after)).collect()
    };
    let mut crates: Vec<Change> = groups.into_iter().flat_map::<Vec<Change>, _>(of_crate).collect();
    crates.retain(|change| change.difference != 0);
    crates.sort_by_key(|change| std::cmp::Reverse(change.difference.unsigned_abs()));
    Comparison { variant: after.variant, totals, sections, crates }
}

/// What `size --json` left of these networks of a model on a board.
///
/// # Errors
/// The file is missing or no such report, or it is of something else; each with what to do about it.
pub(super) fn saved(path: &Path, model: &str, board: &str, variants: &[Which]) -> anyhow::Result<Vec<Entry>> {
    let shown = path.display();
    let how = format!("`cargo xtask size {model} --board {board} --json > FILE.json` writes one");
    let bytes = std::fs::read(path).with_context(|| format!("{shown} cannot be read; {how}"))?;
    let all: Vec<Entry> =
        serde_json::from_slice(&bytes).with_context(|| format!("{shown} is no report of sizes; {how}"))?;
    let find = |which: &Which| {
        let found = all.iter().find(|entry| entry.variant == *which);
        let found = found.with_context(|| format!("{shown} has no {which} network; {how}"))?;
        let (of, on) = (&found.model, &found.board);
        ensure!(of == model && on == board, "{shown} is of {of} on {on}, not of {model} on {board}; {how}");
        Ok(found.clone())
    };
    variants.iter().map(find).collect()
}

/// A table for each network.
pub(super) fn show(board: &str, since: &str, comparisons: &[Comparison]) -> String {
    let mut text = String::new();
    for Comparison { variant, totals, sections, crates } in comparisons {
        let mut table = table(["bytes", "before", "after", "difference"], 1);
        for (indent, change) in
            totals.iter().map(|change| ("", change)).chain(sections.iter().chain(crates).map(|change| ("  ", change)))
        {
            let name = format!("{indent}{}", change.what);
            table.add_row([name, thousands(change.before), thousands(change.after), signed(change.difference)]);
        }
        let same = if sections.is_empty() && crates.is_empty() { "\nnothing changed" } else { "" };
        text += &format!("{variant} network on {board}, changed since {since}\n{table}{same}\n\n");
    }
    text
}

/// `+1 234`, `-12` or `0`.
fn signed(number: i64) -> String {
    let sign = match number {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", thousands(number.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::{Group, Sizes};

    fn entry(groups: &[(&str, u64, u64)], stack_bytes: u64) -> Entry {
        let (text, bss) = groups.iter().fold((0, 0), |(text, bss), group| (text + group.1, bss + group.2));
        let sections = Sections { text, rodata: 50, data: 4, bss };
        let groups = groups.iter().map(|(name, text, bss)| Group {
            name: name.to_string(),
            sections: Sections { text: *text, bss: *bss, ..Sections::default() },
        });
        let sizes = Sizes { sections, stack_bytes, groups: groups.collect() };
        Entry {
            model: "digits".into(),
            board: "mps2-an386".into(),
            variant: Which::Pruned,
            flash: sections.flash(),
            ram: sections.ram() + stack_bytes,
            flash_budget: 1000,
            ram_budget: 1000,
            blob_bytes: 40,
            arena_bytes: 30,
            kernels_text: 0,
            stack_used: None,
            sizes,
        }
    }

    #[test]
    fn what_changed_is_shown_with_totals_and_nothing_else() {
        let before = entry(&[("kernels", 100, 0), ("core", 20, 0), ("old", 7, 0)], 64);
        let after = entry(&[("kernels", 1500, 8), ("core", 20, 0), ("new", 3, 0)], 64);
        let comparison = compare(&before, &after);
        assert_eq!(comparison.totals, [Change::new("flash", 181, 1577), Change::new("RAM", 68, 76)]);
        assert_eq!(comparison.sections, [Change::new(".text", 127, 1523), Change::new(".bss", 0, 8)]);
        let crates = [("kernels .text", 100, 1500), ("kernels .bss", 0, 8), ("old .text", 7, 0), ("new .text", 0, 3)];
        assert_eq!(comparison.crates, crates.map(|(what, before, after)| Change::new(what, before, after)));
        let differences: Vec<i64> = comparison.crates.iter().map(|change| change.difference).collect();
        assert_eq!(differences, [1400, 8, -7, 3]);
        let text = show("mps2-an386", "HEAD~1", &[comparison]);
        assert!(text.contains("changed since HEAD~1") && text.contains("+1 400") && text.contains("-7"), "{text}");
        assert!(!text.contains("core") && !text.contains("nothing changed"), "{text}");
    }

    #[test]
    fn the_same_firmware_has_no_changes() {
        let entry = entry(&[("core", 20, 0)], 64);
        let comparison = compare(&entry, &entry);
        assert!(comparison.sections.is_empty() && comparison.crates.is_empty());
        assert!(show("b", "HEAD", &[comparison]).contains("nothing changed"));
    }

    #[test]
    fn stack_blob_and_arena_are_compared() {
        let before = entry(&[], 64);
        let after = Entry { blob_bytes: 41, arena_bytes: 20, ..entry(&[], 128) };
        let expected = [("stack", 64, 128), ("the blob", 40, 41), ("the arena", 30, 20)];
        assert_eq!(compare(&before, &after).sections, expected.map(|(what, a, b)| Change::new(what, a, b)));
    }

    #[test]
    fn a_saved_report_is_read_back_or_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("before.json");
        let entries = [entry(&[("core", 20, 0)], 64)];
        let read = |board, which| saved(&path, "digits", board, &[which]);
        let error = |board, which| read(board, which).err().unwrap().to_string();
        let (board, pruned) = ("mps2-an386", Which::Pruned);
        assert!(
            error(board, pruned).contains("before.json cannot be read; `cargo xtask size digits --board mps2-an386")
        );
        std::fs::write(&path, "{}").unwrap();
        assert!(error(board, pruned).contains("before.json is no report of sizes; `cargo xtask size"));
        std::fs::write(&path, serde_json::to_string(&entries).unwrap()).unwrap();
        assert!(compare(&read(board, pruned).unwrap()[0], &entries[0]).crates.is_empty());
        assert!(error("microbit", pruned).contains("is of digits on mps2-an386, not of digits on microbit"));
        assert!(error(board, Which::Unpruned).contains("has no unpruned network"));
    }
}
