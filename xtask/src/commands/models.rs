//! `models`: lists the models in this repository and what has been made of them.

use crate::{
    model::{self, Model},
    output::{self, percent, table, thousands},
    variant,
    workplace::Workplace,
};
use serde::Serialize;

/// List the models and what has been made of them
#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Entry {
    name: String,
    folder: String,
    /// What `pack` left; absent where it has not run.
    report: Option<niwaki_pack::artefact::Report>,
}

pub(crate) fn run(work: &Workplace, _args: &Args) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    for name in model::all(work) {
        let model = Model::find(work, &name)?;
        // A report of an earlier version is no reason not to list the model.
        let report = variant::report(work, &model).ok();
        entries.push(Entry { name: model.name, folder: work.show(&model.folder), report });
    }
    output::result(work, &entries, || show(&entries))
}

fn show(entries: &[Entry]) -> String {
    let mut table = table(["model", "folder", "parameters", "pruned", "int8", "pruned"], 2);
    for entry in entries {
        let mut row = vec![entry.name.clone(), entry.folder.clone()];
        match &entry.report {
            Some(report) => row.extend([
                thousands(report.unpruned.parameters as u64),
                thousands(report.pruned.parameters as u64),
                percent(report.unpruned.int8_quality),
                percent(report.pruned.int8_quality),
            ]),
            None => row.push("not packed yet".into()),
        }
        table.add_row(row);
    }
    table.to_string()
}
