//! `deploy`: the whole street, from the Burn model to figures from the board.

use crate::{
    commands::BoardArgs,
    data,
    logs::Level,
    model::{Model, ModelArgs},
    output,
    report::{Column, Deployment},
    trial::Trial,
    variant::{self, Which},
    workplace::Workplace,
};
use anyhow::ensure;
use niwaki_pack::artefact::write_atomically;
use std::num::NonZeroUsize;

/// Prune, quantise and pack a model, run it on a board, and report what it takes before and after
///
/// Sets up the machine first. Everything it makes is under target/niwaki/MODEL/.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    board: BoardArgs,
    /// Run only the first N test samples on the board
    #[arg(long, value_name = "N")]
    samples: Option<NonZeroUsize>,
    /// Show the board's log from this level on
    #[arg(long, value_enum, value_name = "LEVEL")]
    log: Option<Level>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model.model)?;
    // Before anything is installed.
    if model.point.is_none() {
        data::ready(work, &model)?;
    }
    let board = args.board.ready(work)?;
    // A point of `fit` is packed already.
    if model.point.is_none() {
        model.step(work, "pack", &args.model)?;
    }
    let report = variant::report(work, &model)?;
    let trial = Trial { work, board: &board, samples: args.samples.map(NonZeroUsize::get), log: args.log, fault: None };
    // The pruned network first: where it does not fit, there is nothing to report. The unpruned one may well not.
    let pruned = trial.column(&report, Which::Pruned, true)?;
    let unpruned = trial.column(&report, Which::Unpruned, false)?;
    let deployment = Deployment::new(&board, &report, unpruned, pruned);
    let path = trial.folder(&model.name).join("report.json");
    write_atomically(&path, &serde_json::to_vec_pretty(&deployment)?)?;
    output::result(work, &deployment, || deployment.text())?;
    output::wrote(work, &path);
    let columns = [&deployment.unpruned, &deployment.pruned];
    let differing: usize = columns.map(differing).iter().sum();
    ensure!(
        differing == 0,
        "host and {board} differ on {differing} samples; `cargo xtask diff {model} --board {board}` names the layer",
        board = board.full_name(),
        model = args.model.model
    );
    Ok(())
}

fn differing(column: &Column) -> usize {
    column.board.as_ref().map_or(0, |board| board.differing.len())
}
