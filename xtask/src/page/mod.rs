//! The page that `report` writes: one file that needs nothing else, with a source for every number.

mod bars;
mod collect;
mod model;
mod plot;
mod published;
mod tables;

pub(crate) use collect::{Results, collect};

use crate::{output::thousands, workplace::Workplace};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The whole page.
pub(crate) fn page(work: &Workplace, models: &[Results]) -> anyhow::Result<String> {
    let sections: anyhow::Result<Vec<Markup>> = models.iter().map(|results| model::section(work, results)).collect();
    let sections = sections?;
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "niwaki: what was measured" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header {
                    h1 { "niwaki: what was measured" }
                    p {
                        "Networks before and after pruning, and what others publish. Written by " code { "cargo xtask report" }
                        " from what the other commands left; letters lead to the command and the file behind every line."
                    }
                    p.note {
                        "Instructions are counted by QEMU: exact, and no measure of time. Estimated cycles price each instruction "
                        "by the core's documented timing, with memory that never waits. Neither is to be set against the latencies on "
                        "silicon that others publish."
                    }
                    nav { @for results in models { a href=(format!("#{}", results.name)) { (results.name) } } }
                }
                main { @for section in &sections { (section) } }
            }
        }
    }
    .into_string())
}

/// A number, or a dash where there is none.
fn cell(number: Option<u64>) -> String {
    number.map_or("–".into(), thousands)
}

/// A part of a whole, or nothing where that says nothing.
fn part(of: Option<u64>, part: Option<u64>) -> String {
    of.zip(part).map(|(of, part)| crate::output::ratio(of, part)).unwrap_or_default()
}
