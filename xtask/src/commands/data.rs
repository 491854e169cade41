//! `data`: downloads the public data sets that a model reads, and converts them.

use crate::{Explained, cargo, children::Running, data, model::Model, output, workplace::Workplace};
use anyhow::Context;
use niwaki_data::{MODELS, Needs, VARIABLE};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Download the public data sets that a model reads, and convert them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A model in models/ that reads data sets: ad, ic, kws or vww
    model: String,
    /// Folder for the data sets [default: the one in NIWAKI_DATA, else target/niwaki/data]
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Take the originals from this address, under their file names, instead of from their publishers
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// No progress bars
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model)?;
    let names: Vec<&str> = MODELS.iter().map(|needs| needs.model).collect();
    let needs = Needs::of(&model.name).filter(|_| model.is_ours(work));
    let needs = needs.with_context(|| format!("{} needs no data; {} do", model.name, names.join(", ")))?;
    let folder = match &args.to {
        Some(folder) => folder.clone(),
        None => data::folder(work)?,
    };
    output::note(&format!("{needs}; into {}", work.show(&folder)));
    let mut command = Command::new(program(work)?);
    command.arg(needs.model).arg("--to").arg(&folder);
    if let Some(mirror) = &args.mirror {
        command.args(["--mirror", mirror]);
    }
    if args.quiet {
        command.arg("--quiet");
    }
    let running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()), "niwaki-fetch")?;
    let stdout = running.child().stdout.take().context("the program's output cannot be read")?;
    let text = std::io::read_to_string(stdout)?;
    if !running.wait().success() {
        return Err(Explained.into());
    }
    let result: Value = serde_json::from_str(&text).context("niwaki-fetch printed no JSON")?;
    output::result(work, &result, || said(work, &folder, &result, args.to.is_some()))
}

/// Builds the program that downloads: TLS is not something for every command to wait for.
fn program(work: &Workplace) -> anyhow::Result<PathBuf> {
    let mut command = cargo::cargo(&work.root);
    command.args(["build", "--release", "--package", "niwaki-fetch"]).arg("--target-dir").arg(work.target());
    let built = cargo::build(command, "building niwaki-fetch")?;
    cargo::pick(&built, "niwaki-fetch").context("niwaki-fetch was not built")
}

fn said(work: &Workplace, folder: &Path, result: &Value, elsewhere: bool) -> String {
    let count = result["written"].as_array().map_or(0, Vec::len);
    let shown = work.show(folder);
    let mut text = match count {
        0 => format!("all data is in {shown} already"),
        count => format!("{count} files are in {shown}; the originals, in its folder originals, can be removed"),
    };
    if elsewhere {
        text.push_str(&format!("\nset {VARIABLE}={} to use it", folder.display()));
    }
    text
}
