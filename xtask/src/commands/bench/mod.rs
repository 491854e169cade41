//! `bench`: what models take on boards, and kernels on emulated cores, beside what peers take.

mod front_ends;
mod kernels;
mod model;
mod models;

use crate::{
    bench::rig::Rig,
    board::{self, Board},
    commands::setup,
    workplace::Workplace,
};
use anyhow::ensure;

/// Count a packed model on boards, layer by layer, before and after pruning; or kernels, beside other engines
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    model: model::Args,
}

#[derive(clap::Subcommand)]
enum What {
    FrontEnds(front_ends::Args),
    Kernels(kernels::Args),
    Models(models::Args),
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    match &args.what {
        Some(What::FrontEnds(args)) => front_ends::run(work, args),
        Some(What::Kernels(args)) => kernels::run(work, args),
        Some(What::Models(args)) => models::run(work, args),
        None => model::run(work, &args.model),
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
            "all" => Rig::all(work)?,
            name => Rig::of(work, &Board::find(work, name)?)?,
        };
        ensure!(!rigs.is_empty(), "{} is not emulated: its kernels cannot be counted", self.board);
        setup::ready(&rigs.iter().flat_map(Rig::needs).collect::<Vec<_>>(), None, self.no_setup)?;
        Ok(rigs)
    }
}
