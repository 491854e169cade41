//! `diff`: compares every layer's output between a process of this computer and a board, and names the first that
//! differs.

use crate::{
    board::Board,
    commands::BoardArgs,
    logs::Logs,
    measure,
    model::{Model, ModelArgs},
    output::{self, table},
    progress,
    runner::Session,
    trial::Trial,
    variant::{self, Which},
    workplace::Workplace,
};
use anyhow::{bail, ensure};
use niwaki_link::Mode;
use niwaki_pack::artefact::{Layer, Report};
use serde::Serialize;

/// Compare every layer's output between host and board, and name the first that differs
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A model in models/, or the path of a folder with a model crate of your own
    model: String,
    #[command(flatten)]
    board: BoardArgs,
    /// Show each layer's error from quantisation instead, its own and accumulated, float against int8
    #[arg(long)]
    explain: bool,
    /// Only this network
    #[arg(long, value_enum)]
    variant: Option<Which>,
    /// Only this test sample, counted from 0; the first ten otherwise
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Build the firmware so that this layer's output differs, to see that it is found
    #[arg(long, value_name = "LAYER", hide = true)]
    fault: Option<u16>,
}

/// Samples that are compared where none is named.
const SAMPLES: usize = 10;

/// Where host and board part.
#[derive(Serialize)]
struct Difference {
    sample: usize,
    /// The layer's place, counted from 0; absent if all layers agree and only the output differs.
    index: Option<usize>,
    layer: String,
    kind: String,
}

#[derive(Serialize)]
struct Comparison {
    variant: Which,
    samples: Vec<usize>,
    layers: usize,
    first_difference: Option<Difference>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model)?;
    if args.explain {
        let result = model.step(work, "explain", &ModelArgs::of(&args.model))?;
        // The table has been shown.
        return output::result(work, &result, String::new);
    }
    let board = args.board.ready(work)?;
    let report = variant::report(work, &model)?;
    let trial = Trial { work, board: &board, samples: None, log: None, fault: args.fault };
    let mut comparisons = Vec::new();
    for which in args.variant.map_or(Which::BOTH.to_vec(), |which| vec![which]) {
        comparisons.push(compare(&trial, &report, which, args.sample)?);
    }
    output::result(work, &comparisons, || show(&comparisons, board.name()))?;
    for comparison in &comparisons {
        if let Some(difference) = &comparison.first_difference {
            let (which, name) = (comparison.variant, board.name());
            bail!("host and {name} first differ in {} ({which}, sample {})", difference.layer, difference.sample);
        }
    }
    Ok(())
}

fn compare(trial: &Trial<'_>, report: &Report, which: Which, sample: Option<usize>) -> anyhow::Result<Comparison> {
    let host = Board::find(trial.work, "host")?;
    let on_host = Trial { board: &host, fault: None, ..*trial };
    // The host runs the blob as it was packed, the board in its own layout: both the kernels and the layout are compared.
    let (host_blob, host_firmware) = on_host.build(report, which)?;
    let (blob, firmware) = trial.build(report, which)?;
    let set = variant::eval_set(trial.work, report, which, &blob)?;
    let samples: Vec<usize> = sample.map_or((0..SAMPLES.min(set.len())).collect(), |sample| vec![sample]);
    let most = set.len() - 1;
    ensure!(samples.iter().all(|sample| *sample <= most), "there is no such sample; they are counted from 0 to {most}");
    let logs = Logs::off();
    let mut sessions = [
        Session::start(&host, &host_firmware.path, &host_blob.path, &logs)?,
        Session::start(trial.board, &firmware.path, &blob.path, &logs)?,
    ];
    for (session, blob) in sessions.iter().zip([&host_blob, &blob]) {
        measure::check_identity(session, blob)?;
    }
    let layers = &which.of(report).layers;
    let bar = progress::bar(samples.len(), &format!("comparing the {which} network layer by layer"));
    let mut first_difference = None;
    for sample in &samples {
        let input = set.sample(*sample).0;
        let mut results = Vec::new();
        for session in &mut sessions {
            let (output, _) = session.infer(input, Mode::Digest)?;
            results.push((session.digests()?, output));
        }
        first_difference = difference(*sample, &results, layers);
        if first_difference.is_some() {
            break;
        }
        bar.step();
    }
    Ok(Comparison { variant: which, samples, layers: layers.len(), first_difference })
}

/// The first layer whose digests differ, else the output.
fn difference(sample: usize, results: &[(Vec<u32>, Vec<i8>)], layers: &[Layer]) -> Option<Difference> {
    let [(host, host_output), (board, board_output)] = results else { return None };
    let index = host.iter().zip(board).position(|(host, board)| host != board);
    let (name, kind) = match index {
        Some(index) => layers
            .get(index)
            .map_or((format!("layer {index}"), "?".into()), |layer| (layer.name.clone(), layer.kind.clone())),
        None if host_output != board_output => ("the output".into(), "output".into()),
        None => return None,
    };
    Some(Difference { sample, index, layer: name, kind })
}

fn show(comparisons: &[Comparison], board: &str) -> String {
    let mut table = table(["network", "samples", "layers", "host and board"], 1);
    for comparison in comparisons {
        let verdict = match &comparison.first_difference {
            None => format!("equal on {board}, byte for byte"),
            Some(first) => format!("differ first in {} ({}), sample {}", first.layer, first.kind, first.sample),
        };
        let (samples, layers) = (comparison.samples.len(), comparison.layers);
        table.add_row([comparison.variant.to_string(), samples.to_string(), layers.to_string(), verdict]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Vec<Layer> {
        let layer = |name: &str| Layer {
            name: name.into(),
            kind: "conv2d".into(),
            output: [1, 1, 1],
            macs: 1,
            parameter_bytes: 1,
        };
        vec![layer("conv1"), layer("conv2")]
    }

    fn found(host: ([u32; 2], i8), board: ([u32; 2], i8)) -> Option<String> {
        let results = [host, board].map(|(digests, output)| (digests.to_vec(), vec![output]));
        difference(3, &results, &layers()).map(|difference| difference.layer)
    }

    #[test]
    fn the_first_layer_that_differs_is_named() {
        assert_eq!(found(([1, 2], 0), ([1, 2], 0)), None);
        assert_eq!(found(([1, 2], 0), ([1, 3], 0)), Some("conv2".into()));
        assert_eq!(found(([1, 2], 0), ([9, 3], 0)), Some("conv1".into()));
        assert_eq!(found(([1, 2], 0), ([1, 2], 1)), Some("the output".into()));
    }
}
