//! `run`: runs packed blobs on a board and compares every output with the host's.

use crate::{
    board::Board,
    commands::BoardArgs,
    logs::{Level, Logs},
    measure::{self, Measured},
    model::Model,
    output::{self, percent, table, thousands},
    progress,
    report::standing,
    runner::Session,
    trial::Trial,
    variant::{self, BlobFile, Which},
    workplace::Workplace,
};
use anyhow::ensure;
use niwaki_link::Mode;
use niwaki_pack::artefact::{EvalSet, Report};
use serde::Serialize;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

/// Run a model's packed blobs on a board and compare every output with the host's
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A model in models/, or the path of a folder with a model crate of your own
    model: String,
    #[command(flatten)]
    board: BoardArgs,
    /// Only this network
    #[arg(long, value_enum)]
    variant: Option<Which>,
    /// Run this blob instead, on the model's test samples
    #[arg(long, value_name = "FILE", conflicts_with = "variant")]
    blob: Option<PathBuf>,
    /// Run only the first N test samples
    #[arg(long, value_name = "N")]
    samples: Option<NonZeroUsize>,
    /// Show the board's log from this level on
    #[arg(long, value_enum, value_name = "LEVEL")]
    log: Option<Level>,
}

/// What one blob did.
#[derive(Serialize)]
struct Outcome {
    blob: String,
    crc: String,
    #[serde(flatten)]
    measured: Measured,
}

#[derive(Serialize)]
struct Outcomes {
    model: String,
    board: String,
    emulated: bool,
    silicon: Option<bool>,
    runs: Vec<Outcome>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model)?;
    let given = args.blob.as_deref().map(|path| BlobFile::read(path, "give another file")).transpose()?;
    let board = args.board.ready(work)?;
    let report = variant::report(work, &model)?;
    let trial = Trial { work, board: &board, samples: args.samples.map(NonZeroUsize::get), log: args.log, fault: None };
    let mut runs = Vec::new();
    if let Some(blob) = given {
        let set = set_for(&trial, &report, &blob)?;
        let (blob, firmware) = trial.firmware(&model.name, &blob, "given")?;
        runs.push(outcome(work, &blob, trial.measure(&blob, &firmware, &set)?.judged(&report.metric, None)));
    } else {
        for which in args.variant.map_or(Which::BOTH.to_vec(), |which| vec![which]) {
            let (blob, firmware) = trial.build(&report, which)?;
            let set = variant::eval_set(work, &report, which, &blob)?;
            let measured = trial.measure(&blob, &firmware, &set)?;
            runs.push(outcome(work, &blob, measured.judged(&report.metric, Some(which.of(&report)))));
        }
    }
    let (emulated, silicon) = (board.emulated(), board.silicon());
    let outcomes = Outcomes { model: model.name, board: board.full_name(), emulated, silicon, runs };
    output::result(work, &outcomes, || show(&outcomes, &report.metric))?;
    let differing: usize = outcomes.runs.iter().map(|run| run.measured.differing.len()).sum();
    ensure!(
        differing == 0,
        "host and {board} differ on {differing} samples; `cargo xtask diff {model} --board {board}` names the layer",
        board = board.full_name(),
        model = args.model
    );
    Ok(())
}

fn outcome(work: &Workplace, blob: &BlobFile, measured: Measured) -> Outcome {
    Outcome { blob: work.show(&blob.path), crc: format!("{:08x}", blob.crc), measured }
}

/// The samples for a blob that a user gave: those of the model's own blob if it is one of them, else the same inputs
/// with what a host process makes of them.
fn set_for(trial: &Trial<'_>, report: &Report, blob: &BlobFile) -> anyhow::Result<EvalSet> {
    for which in Which::BOTH {
        if let Ok(own) = BlobFile::of(trial.work, report, which)
            && own.crc == blob.crc
        {
            return variant::eval_set(trial.work, report, which, blob);
        }
    }
    let own = BlobFile::of(trial.work, report, Which::Pruned)?;
    let mut set = variant::eval_set(trial.work, report, Which::Pruned, &own)?;
    ensure!(
        set.input_bytes == blob.input_bytes,
        "{} takes {} bytes of input and the test samples of {} have {}",
        trial.work.show(&blob.path),
        blob.input_bytes,
        report.model,
        set.input_bytes
    );
    output::note(&format!(
        "{} is no blob of {}: a host process sets the pace",
        trial.work.show(&blob.path),
        report.model
    ));
    set.outputs = host_outputs(trial, &report.model, blob, &set)?;
    set.output_bytes = blob.output_bytes;
    Ok(set)
}

fn host_outputs(trial: &Trial<'_>, model: &str, blob: &BlobFile, set: &EvalSet) -> anyhow::Result<Vec<i8>> {
    let host = Board::find(trial.work, "host")?;
    let trial = Trial { board: &host, log: None, fault: None, ..*trial };
    let (_, firmware) = trial.firmware(model, blob, "given")?;
    let logs = Logs::off();
    let mut session = Session::start(&host, &firmware.path, Path::new(&blob.path), &logs)?;
    let bar = progress::bar(set.len(), "the host runs the samples");
    let mut outputs = Vec::new();
    for input in set.inputs.chunks(set.input_bytes) {
        outputs.extend(session.infer(input, Mode::Whole)?.0);
        bar.step();
    }
    Ok(outputs)
}

fn show(outcomes: &Outcomes, metric: &str) -> String {
    let unit = outcomes.runs.iter().find_map(|run| Some(run.measured.count.as_ref()?.unit));
    let unit = unit.unwrap_or(measure::Unit::Instructions);
    let mut table = table(["blob", "checksum", "samples", "differ from host", metric, &unit.to_string()], 2);
    for run in &outcomes.runs {
        let count = run.measured.count.as_ref();
        table.add_row([
            run.blob.clone(),
            run.crc.clone(),
            run.measured.samples.to_string(),
            run.measured.differing.len().to_string(),
            run.measured.quality.map_or("-".into(), percent),
            count.map_or("-".into(), |count| thousands(count.total)),
        ]);
    }
    let mut text =
        format!("{} on {}{}\n{table}\n", outcomes.model, outcomes.board, standing(outcomes.emulated, outcomes.silicon));
    let reason = outcomes.runs.iter().find_map(|run| run.measured.uncounted.as_ref());
    text.extend(reason.map(|reason| format!("no {unit}: {reason}\n")));
    text
}
