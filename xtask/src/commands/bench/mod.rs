//! `bench`: what kernels take on emulated cores, beside what peers take.

mod kernels;
mod models;

use crate::{
    bench::rig::Rig,
    board::{self, Board},
    commands::setup,
    output::note,
    workplace::Workplace,
};
use anyhow::ensure;

/// Count kernels on emulated cores: layer by layer, dense and block-sparse, beside other engines
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Kernels(kernels::Args),
    Models(models::Args),
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Kernels(args) => kernels::run(work, args),
        What::Models(args) => models::run(work, args),
    }
}

/// Which cores.
#[derive(clap::Args, Clone, Debug)]
struct CoreArgs {
    /// A board in boards/, the path of one, or all: every emulated core
    #[arg(long, default_value = board::DEFAULT)]
    board: String,
    /// Install nothing; fail if something is missing
    #[arg(long)]
    no_setup: bool,
}

impl CoreArgs {
    /// The cores, once what they need is installed.
    fn ready(&self, work: &Workplace) -> anyhow::Result<Vec<Rig>> {
        let rigs = match self.board.as_str() {
            "all" => all(work)?,
            name => Rig::of(work, &Board::find(work, name)?)?,
        };
        ensure!(!rigs.is_empty(), "{} is not emulated: its kernels cannot be counted", self.board);
        setup::ready(&rigs.iter().flat_map(Rig::needs).collect::<Vec<_>>(), self.no_setup)?;
        for reason in rigs.iter().filter_map(Rig::no_cycles) {
            note(&reason);
        }
        Ok(rigs)
    }
}

/// Every emulated core, each once.
fn all(work: &Workplace) -> anyhow::Result<Vec<Rig>> {
    let mut rigs: Vec<Rig> = Vec::new();
    for name in board::all(work) {
        for rig in Rig::of(work, &Board::find(work, &name)?)? {
            if rigs.iter().all(|other| other.core != rig.core) {
                rigs.push(rig);
            }
        }
    }
    Ok(rigs)
}
