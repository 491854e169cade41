//! The commands, one file each.

mod bench;
mod boards;
mod data;
mod deploy;
mod diff;
mod doctor;
mod fit;
mod golden;
mod models;
mod pack;
mod prune;
mod report;
mod run;
mod setup;
mod size;
mod test;
mod train;

use crate::{board, reach, workplace::Workplace};
use anyhow::bail;

/// What `cargo xtask` can do.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Setup(setup::Args),
    Doctor(doctor::Args),
    Data(data::Args),
    Deploy(deploy::Args),
    Train(train::Args),
    Prune(Box<prune::Args>),
    Fit(Box<fit::Args>),
    Pack(pack::Args),
    Run(run::Args),
    Size(size::Args),
    Report(report::Args),
    Bench(bench::Args),
    Diff(diff::Args),
    Golden(golden::Args),
    Models(models::Args),
    Boards(boards::Args),
    Test(test::Args),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, work: &Workplace) -> anyhow::Result<()> {
        match self {
            Self::Setup(args) => setup::run(work, args),
            Self::Doctor(args) => doctor::run(work, args),
            Self::Data(args) => data::run(work, args),
            Self::Deploy(args) => deploy::run(work, args),
            Self::Train(args) => train::run(work, args),
            Self::Prune(args) => prune::run(work, args),
            Self::Fit(args) => fit::run(work, args),
            Self::Pack(args) => pack::run(work, args),
            Self::Run(args) => run::run(work, args),
            Self::Size(args) => size::run(work, args),
            Self::Report(args) => report::run(work, args),
            Self::Bench(args) => bench::run(work, args),
            Self::Diff(args) => diff::run(work, args),
            Self::Golden(args) => golden::run(work, args),
            Self::Models(args) => models::run(work, args),
            Self::Boards(args) => boards::run(work, args),
            Self::Test(args) => test::run(work, args),
        }
    }
}

/// What every command that uses a board takes.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct BoardArgs {
    /// A board in boards/, or the path of a folder with a board crate of your own; with :RUNNER behind it, run in
    /// another way than usual (`cargo xtask boards` lists them)
    #[arg(long, default_value = board::DEFAULT, value_name = "BOARD[:RUNNER]")]
    board: String,
    #[command(flatten)]
    place: board::Place,
    /// Install nothing; fail if something is missing
    #[arg(long)]
    no_setup: bool,
}

impl BoardArgs {
    /// Finds the board, and what has to be installed for it.
    pub(crate) fn ready(&self, work: &Workplace) -> anyhow::Result<board::Board> {
        let board = board::Board::find(work, &self.board)?.at(&self.place)?;
        setup::ready(&board.needs(), Some(&self.board), self.no_setup)?;
        reach::expect(&board)?;
        if let Some(reason) = board.too_old() {
            bail!("{}: {reason}; `cargo xtask doctor` says how to get a newer one", board.full_name());
        }
        Ok(board)
    }

    /// The same for a command that only builds firmware.
    fn ready_to_build(&self, work: &Workplace) -> anyhow::Result<board::Board> {
        let board = board::Board::find(work, &self.board)?.at(&self.place)?;
        setup::ready(&board.build_needs(), Some(&self.board), self.no_setup)?;
        Ok(board)
    }
}
