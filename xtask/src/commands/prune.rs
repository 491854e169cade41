//! `prune`: prunes a model, fine-tunes it, and leaves both float networks; or shows what could be pruned.

use crate::{
    board::Board,
    model::{Model, ModelArgs},
    output,
    workplace::Workplace,
};

/// Prune a model and fine-tune it, by its recipe and what is said here
///
/// Goes on after the last finished step where it was interrupted. With --dry-run, --sensitivity or --table it only
/// shows.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// l1, l2, geometric-median, weight-gradient, taylor, obs, learned-l0, learned-l1 or random
    #[arg(long)]
    importance: Option<String>,
    /// channels, neurons, layers, 1x4, 2x4, 4x4, N:M (such as 2:4) or weights
    #[arg(long)]
    structure: Option<String>,
    /// Part of it that leaves, 0 to 1
    #[arg(long)]
    ratio: Option<f64>,
    /// Part of the multiply-accumulates that is left, instead of a ratio
    #[arg(long)]
    macs: Option<f64>,
    /// one-shot, iterative or cubic
    #[arg(long)]
    schedule: Option<String>,
    /// Steps of the schedule
    #[arg(long)]
    steps: Option<usize>,
    /// Epochs after each step but the last
    #[arg(long)]
    step_epochs: Option<usize>,
    /// uniform, global or sensitivity
    #[arg(long)]
    allocation: Option<String>,
    /// The most that quality may fall on held-out training samples, 0 to 1: a step that costs more is undone
    #[arg(long)]
    floor: Option<f64>,
    /// A file of scores to go by in the first step, such as scores.json of an earlier run
    #[arg(long)]
    scores: Option<String>,
    /// A saved network to prune instead of the model's own, such as pruned.safetensors of an earlier run
    #[arg(long)]
    from: Option<String>,
    /// Also put the pruned network, its blob and a record of how it came about into the model's folder, where every later
    /// command takes it from
    #[arg(long)]
    install: bool,
    /// Only show the coupled groups, what each frees, what stays and why, and what would leave
    #[arg(long)]
    dry_run: bool,
    /// For the dry run: the board whose core's instructions are predicted [default: a Cortex-M4]
    #[arg(long, requires = "dry_run")]
    board: Option<String>,
    /// Only measure what pruning each layer alone does to the loss, and save the curves
    #[arg(long)]
    sensitivity: bool,
    /// Only make a table of quality against multiply-accumulates left
    #[arg(long)]
    table: bool,
    /// For the table: importances, separated by commas
    #[arg(long, requires = "table")]
    importances: Option<String>,
    /// For the table: structures, separated by commas, several in a row joined by +
    #[arg(long, requires = "table")]
    structures: Option<String>,
    /// For the table: percentages of the multiply-accumulates left, separated by commas
    #[arg(long, requires = "table")]
    left: Option<String>,
}

impl Args {
    /// What the model's own program is told.
    fn passed_on(&self) -> Vec<String> {
        let text = |value: &Option<f64>| value.map(|value| value.to_string());
        let count = |value: &Option<usize>| value.map(|value| value.to_string());
        let options = [
            ("--importance", self.importance.clone()),
            ("--structure", self.structure.clone()),
            ("--ratio", text(&self.ratio)),
            ("--macs", text(&self.macs)),
            ("--schedule", self.schedule.clone()),
            ("--steps", count(&self.steps)),
            ("--step-epochs", count(&self.step_epochs)),
            ("--allocation", self.allocation.clone()),
            ("--floor", text(&self.floor)),
            ("--scores", self.scores.clone()),
            ("--from", self.from.clone()),
            ("--importances", self.importances.clone()),
            ("--structures", self.structures.clone()),
            ("--left", self.left.clone()),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some([name.to_string(), value?]));
        let flags = [
            ("--install", self.install),
            ("--dry-run", self.dry_run),
            ("--sensitivity", self.sensitivity),
            ("--table", self.table),
        ];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_string());
        given.flatten().chain(flags).collect()
    }
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model.model)?;
    let mut passed_on = args.passed_on();
    if let Some(name) = &args.board {
        let board = Board::find(work, name)?.spec;
        passed_on.extend(["--core".into(), board.core, "--kernels".into(), board.kernels.to_string()]);
    }
    let result = model.step_with(work, "prune", &args.model, &passed_on)?;
    // What it wrote, and what it found, has been said.
    output::result(work, &result, String::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn options_are_passed_on_as_they_were_given() {
        let given = ["x", "digits", "--structure", "2:4", "--floor", "0.02", "--steps", "3", "--dry-run"];
        let passed = Cli::parse_from(given).args.passed_on();
        assert_eq!(passed, ["--structure", "2:4", "--steps", "3", "--floor", "0.02", "--dry-run"]);
    }
}
