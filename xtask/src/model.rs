//! Models: the folders that hold one, their programs, and what those leave behind.

use crate::{
    Explained, cargo, cargo::BuildFailed, children::Running, data, machine::any_file, names, output, package,
    workplace::Workplace,
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use niwaki_pack::artefact::REPORT;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The folder inside a model's results that holds the points of `fit`, each with a folder of its own.
pub(crate) const POINTS: &str = "points";

/// What every command about a model takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// A model in models/, or the path of a folder with a model crate of your own; with @POINT behind it, what `fit` made
    pub(crate) model: String,
    /// Burn device that the host stages run on: flex, ndarray or wgpu
    #[arg(long)]
    device: Option<String>,
    /// Seed of everything random, instead of the recipe's
    #[arg(long)]
    seed: Option<u64>,
    /// Epochs of training or fine-tuning, instead of the recipe's
    #[arg(long)]
    epochs: Option<u32>,
    /// No progress bars of the host stages
    #[arg(long)]
    quiet: bool,
}

impl ModelArgs {
    /// A model, and the recipe's settings for all else.
    pub(crate) fn of(model: &str) -> Self {
        Self { model: model.into(), device: None, seed: None, epochs: None, quiet: false }
    }

    /// The same for a step that trains by its own number of epochs; and the number that was asked for.
    pub(crate) fn without_epochs(&self) -> (Self, Option<u32>) {
        (Self { epochs: None, ..self.clone() }, self.epochs)
    }
}

/// A model crate.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// The package's name; with a point, `MODEL@POINT`, the name of its results.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The point of `fit` that is meant, instead of what the recipe makes of it.
    pub(crate) point: Option<String>,
}

/// The models in this repository.
pub(crate) fn all(work: &Workplace) -> Vec<String> {
    package::folders(&work.root.join("models"), &["Cargo.toml", "recipe.toml"])
}

impl Model {
    /// Finds a model by its name or path.
    pub(crate) fn find(work: &Workplace, text: &str) -> anyhow::Result<Self> {
        if let Some((model, point)) = text.rsplit_once('@').filter(|_| !Path::new(text).is_dir()) {
            let model = Self::find(work, model)?;
            let points = package::folders(&work.results(&model.name).join(POINTS), &[REPORT]);
            let unknown = || names::unknown(&format!("point of {}", model.name), point, &points);
            ensure!(points.iter().any(|name| name == point), "{}; `cargo xtask fit` makes them", unknown());
            return Ok(Self { name: format!("{}@{point}", model.name), point: Some(point.into()), ..model });
        }
        let models = all(work);
        if !package::is_path(text) {
            ensure!(models.iter().any(|name| name == text), names::unknown("model", text, &models));
            let folder = work.root.join("models").join(text);
            return Ok(Self { name: package::name(&folder)?, folder, point: None });
        }
        let folder = PathBuf::from(text);
        for file in ["Cargo.toml", "recipe.toml"] {
            ensure!(folder.join(file).is_file(), "no model in {text}: it has no {file}");
        }
        let folder = folder.canonicalize().with_context(|| text.to_string())?;
        Ok(Self { name: package::name(&folder)?, folder, point: None })
    }

    /// Whether it is one of those in this repository.
    pub(crate) fn is_ours(&self, work: &Workplace) -> bool {
        self.folder.parent() == Some(&work.root.join("models"))
    }

    /// Where results about it go.
    pub(crate) fn results(&self, work: &Workplace) -> PathBuf {
        work.results(&self.name)
    }

    /// Builds its program.
    fn build(&self, work: &Workplace, device: Option<&str>) -> anyhow::Result<PathBuf> {
        let mut command = cargo::cargo(&self.folder);
        command.args(["build", "--release", "--manifest-path"]).arg(self.folder.join("Cargo.toml"));
        command.arg("--target-dir").arg(work.target()).args(["--package", &self.name]);
        if let Some(device @ ("ndarray" | "wgpu")) = device {
            command.args(["--features", &format!("niwaki-compile/{device}")]);
        }
        let built = work.target().join("release/deps");
        let first = !any_file(&[built.as_path()], |name| name.starts_with("libburn-"));
        let hint = if first { " (the first build of Burn takes some 5 minutes)" } else { "" };
        let built = cargo::build(command, &format!("building {}{hint}", self.name));
        let built = built.map_err(|error| match error.downcast_ref::<BuildFailed>() {
            Some(failed) => failed.explained(&format!("the model {} in {}", self.name, self.folder.display())),
            None => error,
        })?;
        cargo::pick(&built, &self.name)
            .with_context(|| format!("the model {} has no program of that name: it needs a src/main.rs", self.name))
    }

    /// Runs one step of its program and gives the line of JSON that it ends with. Its own progress and errors go to
    /// our stderr as they come.
    pub(crate) fn step(&self, work: &Workplace, step: &str, args: &ModelArgs) -> anyhow::Result<Value> {
        self.step_with(work, step, args, &[])
    }

    /// Like [`Model::step`], with more arguments for the step.
    pub(crate) fn step_with(
        &self,
        work: &Workplace,
        step: &str,
        args: &ModelArgs,
        more: &[String],
    ) -> anyhow::Result<Value> {
        if let Some(point) = &self.point {
            bail!("the point {point} is finished: deploy, run, bench, size and diff take it");
        }
        let data = data::ready(work, self)?;
        let program = self.build(work, args.device.as_deref())?;
        let results = self.results(work);
        let mut command = Command::new(program);
        command.args(step.split(' ')).arg("--out").arg(&results);
        if let Some(data) = data {
            command.env(niwaki_data::VARIABLE, data);
        }
        if let Some(device) = &args.device {
            command.args(["--device", device]);
        }
        if let Some(seed) = args.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        if let Some(epochs) = args.epochs {
            command.args(["--epochs", &epochs.to_string()]);
        }
        if args.quiet {
            command.arg("--quiet");
        }
        command.args(more);
        let running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()), &self.name)?;
        let stdout = running.child().stdout.take().context("the model's output cannot be read")?;
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let last = lines.filter(|line| !line.trim().is_empty()).last();
        let status = running.wait();
        match status.code() {
            Some(0) => {}
            Some(_) => return Err(Explained.into()),
            None => bail!("{} {step} was ended from outside ({status}); did it run out of memory?", self.name),
        }
        let last = last.with_context(|| format!("{} {step} printed no result", self.name))?;
        let result: Value =
            serde_json::from_str(&last).with_context(|| format!("{} {step} printed no JSON", self.name))?;
        say_written(work, &result);
        Ok(result)
    }
}

/// Says which files a step wrote, by the list in its result.
fn say_written(work: &Workplace, result: &Value) {
    let written = result.get("written").and_then(Value::as_array).into_iter().flatten();
    for path in written.filter_map(Value::as_str) {
        output::wrote(work, Path::new(path));
    }
}
