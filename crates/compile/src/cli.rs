//! The command line of a model's binary.

use crate::{
    CompileError, Context, Importance, Pace, Project, Prune, Recipe, Share, Structure,
    fit::{Target, Unit},
    fit_cli::FitStep,
    street, study,
};
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
    Prune(Box<PruneArgs>),
    /// Show each layer's error from quantisation, its own and accumulated; prune first where that is stale.
    Explain {
        #[command(flatten)]
        common: Common,
    },
    /// Quantise and pack; prune first where that is stale.
    Pack {
        #[command(flatten)]
        common: Common,
        /// Passes over the data after pruning, instead of the recipe's.
        #[arg(long)]
        epochs: Option<usize>,
    },
    /// One step of pruning to a budget; `cargo xtask fit` takes them in order and measures in between.
    #[command(subcommand)]
    Fit(FitStep),
    /// Print the captured graph.
    Graph {
        #[command(flatten)]
        common: Common,
    },
}

/// What to prune, and what to show instead.
#[derive(Args)]
struct PruneArgs {
    #[command(flatten)]
    common: Common,
    /// Passes over the data, instead of the recipe's.
    #[arg(long)]
    epochs: Option<usize>,
    #[command(flatten)]
    what: What,
    /// Also put the pruned network, its blob and a record of how it came about into the model's folder, where packing
    /// takes it from; by the recipe alone, so without other options.
    #[arg(long, conflicts_with_all = ["epochs", "What", "dry_run", "sensitivity", "table"])]
    install: bool,
    /// Only show the coupled groups, what each frees, what stays and why, and what would leave, layer by layer.
    #[arg(long)]
    dry_run: bool,
    /// For the dry run: the core that instructions are predicted for, as board.toml names it.
    #[arg(long, default_value = "cortex-m4", requires = "dry_run")]
    core: String,
    /// For the dry run: its kernels, as board.toml names them.
    #[arg(long, default_value = "dsp", requires = "dry_run")]
    kernels: String,
    /// Only measure what pruning each layer alone does to the loss, and save the curves.
    #[arg(long, conflicts_with = "dry_run")]
    sensitivity: bool,
    /// Only make a table of quality against multiply-accumulates left, for every importance and structure.
    #[arg(long, conflicts_with_all = ["dry_run", "sensitivity"])]
    table: bool,
    /// For the table: importances.
    #[arg(long, value_delimiter = ',', default_value = "l1,taylor,random", requires = "table")]
    importances: Vec<Importance>,
    /// For the table: structures, several in a row joined by `+`.
    #[arg(long, value_delimiter = ',', default_value = "channels,channels+2x4", requires = "table")]
    structures: Vec<String>,
    /// For the table: percentages of the multiply-accumulates left.
    #[arg(long, value_delimiter = ',', default_value = "75,50,35,25", requires = "table")]
    left: Vec<f64>,
}

/// How to prune, instead of what the recipe says.
#[derive(Args)]
struct What {
    /// l1, l2, geometric-median, weight-gradient, taylor, obs, learned-l0, learned-l1 or random.
    #[arg(long)]
    importance: Option<Importance>,
    /// channels, neurons, layers, 1x4, 2x4, 4x4, N:M or weights; the only stage then.
    #[arg(long)]
    structure: Option<Structure>,
    /// Part of it that leaves, 0 to 1.
    #[arg(long, conflicts_with = "macs")]
    ratio: Option<f64>,
    /// Part of the multiply-accumulates that is left, 0 to 1.
    #[arg(long)]
    macs: Option<f64>,
    /// one-shot, iterative or cubic.
    #[arg(long)]
    schedule: Option<Pace>,
    /// Steps of the schedule.
    #[arg(long)]
    steps: Option<usize>,
    /// Epochs after each step but the last.
    #[arg(long)]
    step_epochs: Option<usize>,
    /// uniform, global or sensitivity.
    #[arg(long)]
    allocation: Option<Share>,
    /// The most that quality may fall on held-out samples, 0 to 1.
    #[arg(long)]
    floor: Option<f64>,
    /// A file of scores to go by in the first step.
    #[arg(long)]
    scores: Option<PathBuf>,
    /// A saved network to prune instead of the model's own.
    #[arg(long)]
    from: Option<PathBuf>,
}

impl What {
    fn change(self, prune: &mut Prune) {
        fn set<T>(place: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *place = given;
            }
        }
        if self.structure.is_some() {
            (prune.block_ratio, prune.then) = (0.0, Vec::new());
        }
        if self.ratio.is_some() {
            prune.macs = None;
        }
        set(&mut prune.importance, self.importance);
        set(&mut prune.structure, self.structure);
        set(&mut prune.ratio, self.ratio);
        set(&mut prune.schedule, self.schedule);
        set(&mut prune.steps, self.steps);
        set(&mut prune.step_epochs, self.step_epochs);
        set(&mut prune.allocation, self.allocation);
        prune.macs = self.macs.or(prune.macs);
        prune.floor = self.floor.or(prune.floor);
        prune.scores = self.scores.or(prune.scores.take());
        prune.from = self.from.or(prune.from.take());
    }
}

#[derive(Args)]
pub(crate) struct Common {
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
        Command::Prune(args) => {
            let PruneArgs { common, epochs, what, install, dry_run, core, kernels, .. } = *args;
            let PruneArgs { sensitivity, table, importances, structures, left, .. } = *args;
            let mut context = context(project, common)?;
            context.recipe.fine_tune.epochs = epochs.unwrap_or(context.recipe.fine_tune.epochs);
            what.change(&mut context.recipe.prune);
            let command_line = || PathBuf::from("the command line");
            let wrong = |reason| CompileError::Recipe { path: command_line(), reason };
            context.recipe.check().map_err(wrong)?;
            if dry_run {
                let target = Target::new(&core, &kernels, Unit::Instructions)?;
                return Ok(study::dry_run(project, &mut context, &target)?.to_string());
            }
            if sensitivity {
                return Ok(study::sensitivity(project, &mut context)?.to_string());
            }
            if table {
                let list = |text: &String| text.split('+').map(str::parse).collect::<Result<Vec<_>, _>>();
                let structures = structures.iter().map(list).collect::<Result<_, _>>().map_err(wrong)?;
                let left = left.into_iter().map(|percent| percent / 100.0).collect();
                let grid = study::Grid { importances, structures, left };
                return Ok(study::table(project, &mut context, &grid)?.to_string());
            }
            let written = match install {
                true => crate::committed::install(project, &mut context)?,
                false => street::prune(project, &mut context)?,
            };
            Ok(advised(&context, serde_json::json!({ "written": written })))
        }
        Command::Explain { common } => Ok(study::explain(project, &mut context(project, common)?)?.to_string()),
        Command::Pack { common, epochs } => {
            let mut context = context(project, common)?;
            context.recipe.fine_tune.epochs = epochs.unwrap_or(context.recipe.fine_tune.epochs);
            let (report, written) = street::pack(project, &mut context)?;
            Ok(advised(&context, serde_json::json!({ "report": report, "written": written })))
        }
        Command::Fit(step) => step.run(project),
        Command::Graph { common } => {
            let graph = street::fresh(project, &context(project, common)?)?;
            eprint!("{graph}");
            Ok(serde_json::json!({ "graph": graph.to_string() }).to_string())
        }
    }
}

/// Prints what the last pruning has to say, and adds it to a result.
fn advised(context: &Context, mut result: serde_json::Value) -> String {
    let advice = street::advice_of(context);
    advice.iter().for_each(|line| eprintln!("{line}"));
    result["advice"] = advice.into();
    result.to_string()
}

fn files(written: Vec<PathBuf>) -> String {
    serde_json::json!({ "written": written }).to_string()
}

pub(crate) fn context<M: Module>(project: &Project<M>, common: Common) -> Result<Context, CompileError> {
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
