//! The command line of the steps of `fit`.

use crate::{
    CompileError, Project,
    cli::{Common, context},
    fit::{self, Budget, By, Cutting, Target, Unit},
};
use burn::module::Module;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// One step of pruning to a budget.
#[derive(Subcommand)]
pub(crate) enum FitStep {
    /// Pack the trained network, and leave what everything else starts from.
    Start {
        #[command(flatten)]
        common: Common,
        /// The folder that it goes to.
        #[arg(long)]
        to: PathBuf,
    },
    /// Cut a network so that it is predicted to be within a budget.
    Cut(Box<CutArgs>),
    /// Train a network that was cut, and pack it.
    Train {
        #[command(flatten)]
        common: Common,
        /// The folder that everything started from.
        #[arg(long)]
        start: PathBuf,
        /// The folder of the network.
        #[arg(long)]
        to: PathBuf,
        /// Passes over the data.
        #[arg(long)]
        epochs: usize,
        /// Whether nothing will be cut off it any more.
        #[arg(long)]
        last: bool,
    },
}

/// What is cut, and to what.
#[derive(Args)]
pub(crate) struct CutArgs {
    #[command(flatten)]
    common: Common,
    /// The folder of the network.
    #[arg(long)]
    from: PathBuf,
    /// The folder that the result goes to.
    #[arg(long)]
    to: PathBuf,
    /// The core, as board.toml names it.
    #[arg(long)]
    core: String,
    /// The kernels, as board.toml names them.
    #[arg(long)]
    kernels: String,
    /// What costs are counted in: cycles, not instructions.
    #[arg(long)]
    cycles: bool,
    /// The most that it may take, predicted.
    #[arg(long)]
    cost: Option<f64>,
    /// The most bytes of its blob.
    #[arg(long)]
    blob: Option<usize>,
    /// The most bytes of its arena.
    #[arg(long)]
    arena: Option<usize>,
    /// Leave out blocks of weights, too.
    #[arg(long)]
    blocks: bool,
    /// What decides how much leaves where.
    #[arg(long, default_value = "loss")]
    by: By,
}

impl FitStep {
    /// Takes the step; the result is a line of JSON.
    pub(crate) fn run<M: Module>(self, project: &Project<M>) -> Result<String, CompileError> {
        let answer = match self {
            Self::Start { common, to } => fit::start(project, &mut context(project, common)?, &to)?,
            Self::Cut(args) => {
                let CutArgs { common, from, to, core, kernels, cycles, cost, blob, arena, blocks, by } = *args;
                let unit = if cycles { Unit::Cycles } else { Unit::Instructions };
                let target = Target::new(&core, &kernels, unit)?;
                let budget = Budget { cost, blob_bytes: blob, arena_bytes: arena };
                let wanted = Cutting { from: &from, to: &to, target, budget, blocks, by };
                fit::cut(project, &mut context(project, common)?, &wanted)?
            }
            Self::Train { common, start, to, epochs, last } => {
                fit::train(project, &mut context(project, common)?, (&start, &to), epochs, last)?
            }
        };
        Ok(answer.to_string())
    }
}
