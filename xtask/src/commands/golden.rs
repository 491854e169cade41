//! `golden`: what networks yield for generated inputs, on a board, against the file that says what they have to yield.

use crate::{
    commands::BoardArgs,
    logs::Logs,
    model::{self, Model},
    output::{self, note, table},
    runner::Session,
    trial::Trial,
    variant::{self, BlobFile, Which},
    workplace::Workplace,
};
use anyhow::{Context, bail, ensure};
use niwaki_link::Mode;
use niwaki_pack::{
    golden::{FILE, Golden, Vectors},
    history,
};
use serde::Serialize;

/// Hold networks against their golden vectors: exact outputs for generated inputs, in models/MODEL/golden.json
///
/// The pruned networks in the models' folders need no data and no packing; others are those that `pack` left.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Models in models/, or paths of model crates of your own; all of those in models/ where none is named
    models: Vec<String>,
    #[command(flatten)]
    board: BoardArgs,
    /// Write what the board yields into the files instead
    #[arg(long)]
    write: bool,
    /// Only networks that are in the repository
    #[arg(long, conflicts_with = "write")]
    stored: bool,
}

/// A network that was compared.
#[derive(Debug, Serialize)]
struct Compared {
    model: String,
    variant: Which,
    board: String,
    inputs: usize,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let names = if args.models.is_empty() { model::all(work) } else { args.models.clone() };
    let models = names.iter().map(|name| Model::find(work, name)).collect::<anyhow::Result<Vec<_>>>()?;
    let board = args.board.ready(work)?;
    let trial = Trial { work, board: &board, samples: None, log: None, fault: None };
    let (mut compared, mut wrong) = (Vec::new(), Vec::new());
    for model in &models {
        ensure!(model.point.is_none(), "{}: points of `fit` have no golden vectors; name the model", model.name);
        let known = Golden::of_model(&model.folder)?;
        let mut golden = known.clone().unwrap_or_default();
        golden.command = format!("cargo xtask golden {} --write", model.name);
        for which in Which::BOTH {
            let expected = match which {
                Which::Unpruned => &mut golden.unpruned,
                Which::Pruned => &mut golden.pruned,
            };
            let blob = match blob(work, model, which, args.stored) {
                Ok(blob) => blob,
                Err(reason) => {
                    note(&format!("left out: {model} {which}: {reason}", model = model.name));
                    continue;
                }
            };
            let found = vectors(&trial, model, which, &blob)?;
            match expected {
                _ if args.write => *expected = Some(found),
                None => wrong.push(format!("{} {which} has no golden vectors", model.name)),
                Some(expected) => {
                    let difference = expected.difference(&found);
                    wrong.extend(difference.map(|what| format!("{} {which} on {}: {what}", model.name, board.name())));
                }
            }
            let (model, board) = (model.name.clone(), board.full_name());
            compared.push(Compared { model, variant: which, board, inputs: niwaki_pack::golden::INPUTS });
        }
        if args.write {
            golden.save(&model.folder)?;
            output::wrote(work, &model.folder.join(FILE));
        }
    }
    if !wrong.is_empty() {
        bail!("{}; where that is meant, `cargo xtask golden MODEL --write` takes it over", wrong.join("; "));
    }
    ensure!(!compared.is_empty(), "no network is here that could be compared");
    output::result(work, &compared, || show(&compared))
}

/// A network's blob: the one in the model's folder if it is there, else the one that `pack` left.
fn blob(work: &Workplace, model: &Model, which: Which, stored: bool) -> anyhow::Result<BlobFile> {
    let kept = model.folder.join(history::FOLDER).join(format!("{}.nwk", model.name));
    if which == Which::Pruned && kept.is_file() {
        return BlobFile::read(&kept, &format!("make it anew with `cargo xtask prune {} --install`", model.name));
    }
    ensure!(!stored, "it is not in the repository");
    BlobFile::of(work, &variant::report(work, model)?, which)
}

fn vectors(trial: &Trial<'_>, model: &Model, which: Which, blob: &BlobFile) -> anyhow::Result<Vectors> {
    let (blob, firmware) = trial.firmware(&model.name, blob, &format!("golden-{which}"))?;
    let logs = Logs::off();
    let mut session = Session::start(trial.board, &firmware.path, &blob.path, &logs)?;
    crate::measure::check_identity(&session, &blob)?;
    let found = Vectors::of(blob.input_bytes, |input| session.infer(input, Mode::Whole).map(|(output, _)| output));
    found.with_context(|| format!("{} {which}", model.name))
}

fn show(compared: &[Compared]) -> String {
    let mut lines = table(["model", "network", "board", "inputs as before"], 3);
    for Compared { model, variant, board, inputs } in compared {
        lines.add_row([model.clone(), variant.to_string(), board.clone(), format!("{inputs} of {inputs}")]);
    }
    lines.to_string()
}
