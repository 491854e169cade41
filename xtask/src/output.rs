//! What a user reads: results on stdout, everything else on stderr.

use crate::workplace::Workplace;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use std::{io::Write, path::Path};

/// Prints a result: as JSON, or as the text that `human` makes.
pub(crate) fn result(work: &Workplace, value: &impl Serialize, human: impl FnOnce() -> String) -> anyhow::Result<()> {
    let text = if work.json { serde_json::to_string_pretty(value)? } else { human() };
    if text.trim().is_empty() {
        return Ok(());
    }
    // A reader that has seen enough (`| head`) is no error.
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    Ok(())
}

/// Says something that is not the result.
pub(crate) fn note(text: &str) {
    crate::progress::println(text);
}

/// Says which file was written.
pub(crate) fn wrote(work: &Workplace, path: &Path) {
    note(&format!("wrote {}", work.show(path)));
}

/// A table with this head; columns from `numbers` on are aligned to the right.
pub(crate) fn table<S: ToString>(head: impl IntoIterator<Item = S>, numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.into_iter().map(|cell| cell.to_string()));
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A number with its thousands apart: `12 345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A fraction as a percentage: `97.41 %`.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2} %", fraction * 100.0)
}

/// `after` as a part of `before`: `0.42`, or nothing where that says nothing.
pub(crate) fn ratio(before: u64, after: u64) -> String {
    if before == 0 { String::new() } else { format!("{:.2}", after as f64 / before as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!(
            [0, 999, 1000, 123_456, 1_234_567].map(thousands),
            ["0", "999", "1 000", "123 456", "1 234 567"].map(String::from)
        );
    }

    #[test]
    fn a_ratio_to_nothing_is_left_out() {
        assert_eq!((ratio(4, 1), ratio(0, 1)), ("0.25".into(), String::new()));
    }
}
