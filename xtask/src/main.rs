//! `cargo xtask`: sets up the machine, runs models and boards as processes, and reports what they measured.

mod bench;
mod benched;
mod board;
mod cargo;
mod children;
mod commands;
mod cycles;
mod data;
mod elf;
mod estimate;
mod firmware;
mod fit;
mod install;
mod layers;
mod logs;
mod machine;
mod measure;
mod model;
mod names;
mod output;
mod package;
mod page;
mod progress;
mod reach;
mod report;
mod rules;
mod runner;
mod sample;
mod stack;
mod steps;
mod timing;
mod toolchain;
mod trial;
mod variant;
mod workplace;

use clap::Parser;
use std::process::ExitCode;

/// niwaki: prunes a Burn model, packs it, runs it on a microcontroller and reports what it measured
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 110,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
    /// Print the result as JSON on stdout, and nothing else there
    #[arg(long, global = true)]
    json: bool,
}

/// An error that was already explained on stderr, by the process that met it.
#[derive(Debug)]
struct Explained;

impl std::fmt::Display for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("explained above")
    }
}

impl std::error::Error for Explained {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    children::end_with_us();
    match cli.command.run(&workplace::Workplace::new(cli.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<Explained>() {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
