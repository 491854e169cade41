//! `niwaki-fetch MODEL --to FOLDER`: what `cargo xtask data` runs.

use clap::Parser;
use niwaki_fetch::{Downloader, Outcome, fetch, steps};
use std::{path::PathBuf, process::ExitCode};

/// Download the public originals of a model's data and convert them
#[derive(Parser)]
#[command(name = "niwaki-fetch", version)]
struct Args {
    /// A model that needs data: ad, ic, kws or vww
    model: String,
    /// The data folder
    #[arg(long)]
    to: PathBuf,
    /// Take the originals from this address, under their file names, instead of from their publishers
    #[arg(long)]
    mirror: Option<String>,
    /// No progress bars
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let steps = steps(&args.model).ok_or_else(|| anyhow::anyhow!("{} needs no data", args.model))?;
    let downloader = Downloader { mirror: args.mirror.clone(), quiet: args.quiet };
    let (mut written, mut notes) = (Vec::new(), Vec::new());
    for step in &steps {
        if let Outcome::Wrote(files) = fetch(step, &args.to, &downloader)? {
            files.iter().for_each(|file| eprintln!("wrote {}", file.display()));
            written.extend(files);
            notes.extend(step.note);
        }
    }
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    println!("{}", serde_json::json!({ "folder": args.to, "written": written, "notes": notes }));
    Ok(())
}
