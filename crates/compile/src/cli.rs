//! The command line of a model's binary.

use crate::{CompileError, Context, Project, Recipe, street};
use burn::module::Module;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use niwaki_train::{DeviceName, Progress};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// A model's own commands. `cargo xtask` calls them; so may you.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train from fresh weights.
    Train {
        #[command(flatten)]
        common: Common,
        /// Passes over the data, instead of the recipe's.
        #[arg(long)]
        epochs: Option<usize>,
        /// Also put the weights into the model's folder, where every later command takes them from.
        #[arg(long)]
        install: bool,
    },
    /// Prune the trained model and fine-tune it.
    Prune {
        #[command(flatten)]
        common: Common,
        /// Passes over the data, instead of the recipe's.
        #[arg(long)]
        epochs: Option<usize>,
        /// Only show what would leave, layer by layer.
        #[arg(long)]
        dry_run: bool,
    },
    /// Quantise and pack; prune first where that is stale.
    Pack {
        #[command(flatten)]
        common: Common,
    },
    /// Print the captured graph.
    Graph {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct Common {
    /// Folder for the results [default: target/niwaki/NAME].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where networks run: flex, ndarray or wgpu.
    #[arg(long, default_value = "flex")]
    device: String,
    /// Seed, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    /// No progress bars.
    #[arg(long)]
    quiet: bool,
}

/// Runs the command line. The last line on standard output is JSON; errors go to standard error, with exit code 1.
pub fn main<M: Module>(project: Project<M>) -> ExitCode {
    match run(&project, Cli::parse().command) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run<M: Module>(project: &Project<M>, command: Command) -> Result<String, CompileError> {
    match command {
        Command::Train { common, epochs, install } => {
            let mut context = context(project, common)?;
            if let (Some(epochs), Some(train)) = (epochs, &mut context.recipe.train) {
                train.epochs = epochs;
            }
            Ok(files(street::train(project, &mut context, install)?))
        }
        Command::Prune { common, epochs, dry_run } => {
            let mut context = context(project, common)?;
            context.recipe.fine_tune.epochs = epochs.unwrap_or(context.recipe.fine_tune.epochs);
            if dry_run {
                let report = street::preview(project, &mut context)?.report;
                eprint!("{report}");
                return Ok(serde_json::json!({ "report": report }).to_string());
            }
            Ok(files(street::prune(project, &mut context)?))
        }
        Command::Pack { common } => {
            let (report, written) = street::pack(project, &mut context(project, common)?)?;
            Ok(serde_json::json!({ "report": report, "written": written }).to_string())
        }
        Command::Graph { common } => {
            let graph = street::fresh(project, &context(project, common)?)?;
            eprint!("{graph}");
            Ok(serde_json::json!({ "graph": graph.to_string() }).to_string())
        }
    }
}

fn files(written: Vec<PathBuf>) -> String {
    serde_json::json!({ "written": written }).to_string()
}

fn context<M: Module>(project: &Project<M>, common: Common) -> Result<Context, CompileError> {
    let mut recipe = Recipe::load(Path::new(project.folder))?;
    recipe.seed = common.seed.unwrap_or(recipe.seed);
    let device = common.device.parse::<DeviceName>()?.open()?;
    let out = common.out.unwrap_or_else(|| Path::new("target/niwaki").join(project.name));
    let bars = if common.quiet { None } else { Some(bar()) };
    let progress = Box::new(move |stage: &str, at: &Progress| {
        if let Some(bar) = &bars {
            show(bar, stage, at);
        }
    });
    Ok(Context { recipe, out, device, progress })
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:30}] {msg}, {eta} left");
    ProgressBar::no_length().with_style(style.expect("a constant").progress_chars("=> "))
}

fn show(bar: &ProgressBar, stage: &str, at: &Progress) {
    bar.set_length((at.epochs * at.steps) as u64);
    bar.set_prefix(stage.to_string());
    let percent = 100.0 * at.accuracy;
    bar.set_message(format!("epoch {}/{}, loss {:.4}, accuracy {percent:.1} %", at.epoch, at.epochs, at.loss));
    bar.set_position(((at.epoch - 1) * at.steps + at.step) as u64);
    if at.epoch == at.epochs && at.step == at.steps {
        bar.finish();
        eprintln!();
    }
}
