//! `report`: everything that was measured, on one page.

use crate::{
    data,
    model::{self, Model},
    output::{self, note},
    page,
    workplace::Workplace,
};
use niwaki_pack::artefact::write_atomically;
use serde::Serialize;
use std::path::PathBuf;

/// Write everything that was measured on one page: target/niwaki/report/index.html
///
/// It reads what deploy, bench and prune left under target/niwaki, measures nothing itself, and says which command makes
/// what is missing. The page needs no network and no other file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Models in models/, or paths of model crates of your own; all of those in models/ where none is named
    models: Vec<String>,
    /// Write the page here instead
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Serialize)]
struct Outcome {
    page: String,
    /// Models with measurements.
    models: Vec<String>,
    /// Models that nothing is known of.
    missing: Vec<String>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let all = if args.models.is_empty() { usual(work) } else { args.models.clone() };
    let results: anyhow::Result<Vec<_>> = all.iter().map(|name| page::collect(work, name)).collect();
    let results = results?;
    let path = args.to.clone().unwrap_or_else(|| work.results("report").join("index.html"));
    write_atomically(&path, page::page(work, &results)?.as_bytes())?;
    let (known, unknown): (Vec<_>, Vec<_>) = results.iter().partition(|results| results.report.is_some());
    let names = |results: Vec<&page::Results>| results.iter().map(|results| results.name.clone()).collect();
    let outcome = Outcome { page: path.display().to_string(), models: names(known), missing: names(unknown) };
    for name in &outcome.missing {
        // A model from elsewhere goes by its path, and brings its own data.
        let data = match Model::find(work, name) {
            Ok(model) => data::missing(work, &model)?,
            Err(_) => None,
        };
        let data = data.map(|missing| format!("; {missing}")).unwrap_or_default();
        note(&format!("{name} is not packed yet; `cargo xtask deploy {name}` does it{data}"));
    }
    output::wrote(work, &path);
    output::result(work, &outcome, String::new)
}

/// The models of the benchmark first, in its order.
fn usual(work: &Workplace) -> Vec<String> {
    let mut names = model::all(work);
    let order = ["kws", "ic", "vww", "ad"];
    names.sort_by_key(|name| order.iter().position(|known| known == name).unwrap_or(order.len()));
    names
}
