//! Nodes: networks that were cut, trained and measured, each in a folder named after what it follows from.

use super::{
    budget::{Budget, Limit, Taken, Unit},
    measure::{self, Measured},
};
use crate::{
    model::{Model, ModelArgs},
    output::note,
    trial::Trial,
};
use anyhow::{Context, ensure};
use niwaki_pack::artefact::{EvalSet, Variant, write_atomically};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// What a step leaves of a budget unused: weights that training made zero or not, and what differs between inputs.
const MARGIN: f64 = 0.985;
/// How often a cut is done again because the board took more than was predicted.
const ATTEMPTS: usize = 6;

/// Where everything starts.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Start {
    /// Stands for the model, its weights, its data, the recipe and the program.
    pub(crate) key: String,
    pub(crate) recipe_hash: String,
    pub(crate) metric: String,
    /// The recipe's epochs of fine-tuning, and those after a step.
    pub(crate) epochs: u32,
    pub(crate) step_epochs: u32,
    pub(crate) unpruned: Variant,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Its folder's name.
    pub(crate) id: String,
    /// Predicted work of the cut, and what it was measured to take.
    pub(crate) predicted: f64,
    pub(crate) measured: Measured,
    /// What left in this step, by group, branch and layer.
    pub(crate) shape: Value,
    /// After training.
    pub(crate) variant: Variant,
}

impl Node {
    /// Measured work, or what was predicted where it could not be run.
    pub(crate) fn work(&self) -> f64 {
        self.measured.taken.map_or(self.predicted, |taken| taken.work as f64)
    }
}

/// What a step is to reach.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Goal {
    pub(crate) work: Option<u64>,
    pub(crate) flash: Option<u64>,
    pub(crate) ram: Option<u64>,
    pub(crate) epochs: u32,
    /// The last step of a point: blocks may leave, the goal has to be met, and training is whole.
    pub(crate) last: bool,
}

/// A goal that cannot be reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Beyond {
    /// What still exceeds it in the smallest network there is.
    pub(crate) limits: Vec<Limit>,
    /// What that takes.
    pub(crate) taken: Option<Taken>,
}

/// What decides how much leaves where: the search, or what it is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    /// What it was measured to cost, for what it takes off
    #[default]
    Loss,
    /// Channels of least magnitude, the same share everywhere
    Uniform,
    /// Channels of least magnitude in the whole network
    GlobalMagnitude,
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Loss => "loss",
            Self::Uniform => "uniform",
            Self::GlobalMagnitude => "global-magnitude",
        })
    }
}

/// A search for one model on one board.
pub(crate) struct Fit<'a> {
    pub(crate) trial: Trial<'a>,
    pub(crate) model: &'a Model,
    pub(crate) args: ModelArgs,
    pub(crate) unit: Unit,
    pub(crate) by: By,
    pub(crate) start: Start,
    /// An input to count with.
    pub(crate) input: Vec<i8>,
    /// The unpruned network.
    pub(crate) unpruned: Measured,
    /// Its work: measured, or predicted where it does not fit.
    pub(crate) work: f64,
}

/// What `fit cut` answers.
#[derive(Deserialize)]
struct Answer {
    met: bool,
    over: Over,
    from: Size,
    to: Size,
    shape: Value,
}

#[derive(Deserialize)]
struct Over {
    cost: f64,
    flash: f64,
    ram: f64,
}

#[derive(Deserialize)]
struct Size {
    cost: f64,
}

/// The folder of what a model's searches start from.
fn start_folder(trial: &Trial<'_>, model: &Model) -> PathBuf {
    trial.work.results(&model.name).join("fit/start")
}

fn step<T: DeserializeOwned>(
    trial: &Trial<'_>,
    model: &Model,
    args: &ModelArgs,
    name: &str,
    more: &[(&str, String)],
    flags: &[&str],
) -> anyhow::Result<T> {
    let options = more.iter().flat_map(|(option, value)| [format!("--{option}"), value.clone()]);
    let all: Vec<String> = options.chain(flags.iter().map(|flag| format!("--{flag}"))).collect();
    let answer = model.step_with(trial.work, &format!("fit {name}"), args, &all)?;
    serde_json::from_value(answer).with_context(|| format!("{} fit {name} answered something else", model.name))
}

impl<'a> Fit<'a> {
    /// Packs the trained network and measures it.
    pub(crate) fn begin(
        trial: Trial<'a>,
        model: &'a Model,
        args: ModelArgs,
        unit: Unit,
        by: By,
    ) -> anyhow::Result<Self> {
        let folder = start_folder(&trial, model);
        let to = [("to", folder.display().to_string())];
        let start: Start = step(&trial, model, &args, "start", &to, &[])?;
        let set = EvalSet::load(&folder.join(&start.unpruned.eval))?;
        ensure!(!set.is_empty(), "{} has no test samples to run on a board", model.name);
        let input = set.sample(0).0.to_vec();
        let unpruned = measure::candidate(&trial, &model.name, &folder.join(&start.unpruned.blob), &input, unit)?;
        let mut fit = Self { trial, model, args, unit, by, start, input, unpruned, work: 0.0 };
        fit.work = match fit.unpruned.taken {
            Some(taken) => taken.work as f64,
            None => {
                // A cut without any limit cuts nothing: it predicts.
                let goal = Goal { work: None, flash: None, ram: None, epochs: 0, last: false };
                fit.cut(None, &fit.folder("probe"), &goal, (1.0, [0; 2]))?.from.cost
            }
        };
        Ok(fit)
    }

    /// Where a node's files are.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        let board = self.trial.board.full_name().replace(':', "-");
        self.trial.work.results(&self.model.name).join("fit").join(board).join(id)
    }

    /// Where a node's files are; those of no node are those of the start.
    fn from(&self, node: Option<&Node>) -> PathBuf {
        node.map_or_else(|| start_folder(&self.trial, self.model), |node| self.folder(&node.id))
    }

    /// The name of what follows from a node by a goal.
    fn id(&self, from: Option<&Node>, goal: &Goal) -> anyhow::Result<String> {
        let board = &self.trial.board.spec;
        let parent = from.map_or(self.start.key.as_str(), |node| node.id.as_str());
        let words = (parent, &board.name, &board.core, board.kernels.to_string(), self.unit, self.by, goal);
        let digest = Sha256::digest(serde_json::to_vec(&words)?);
        Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// How far what a node takes was predicted right. At the start dead channels leave before anything is predicted, so
    /// that says nothing.
    fn correction(&self, from: Option<&Node>) -> f64 {
        let known = from.and_then(|node| Some(node.predicted / node.measured.taken?.work.max(1) as f64));
        known.unwrap_or(1.0)
    }

    /// The network that follows from another: cut, measured, trained; from the store where it was done before.
    pub(crate) fn node(&self, from: Option<&Node>, goal: &Goal) -> anyhow::Result<Result<Node, Beyond>> {
        let id = self.id(from, goal)?;
        let folder = self.folder(&id);
        let done = folder.join("node.json");
        if let Ok(bytes) = std::fs::read(&done)
            && let Ok(node) = serde_json::from_slice::<Node>(&bytes)
        {
            note(&format!("{id} was done before"));
            return Ok(Ok(node));
        }
        let mut tight = MARGIN;
        loop {
            let (answer, measured) = match self.cut_within(from, &folder, goal, tight)? {
                Ok(cut) => cut,
                Err(beyond) => return Ok(Err(beyond)),
            };
            let more = [
                ("start", self.from(None).display().to_string()),
                ("to", folder.display().to_string()),
                ("epochs", goal.epochs.to_string()),
            ];
            #[derive(Deserialize)]
            struct Trained {
                variant: Variant,
            }
            let flags: &[&str] = if goal.last { &["last"] } else { &[] };
            let Trained { variant } = step(&self.trial, self.model, &self.args, "train", &more, flags)?;
            // Training may have made more or fewer weights round to zero.
            let trained = match goal.last {
                true => self.measured(&folder.join(&variant.blob))?,
                false => measured,
            };
            if goal.last && !within(goal, &trained) && tight > 0.9 {
                let over = trained.taken.zip(goal.work).map_or(1.0, |(taken, work)| taken.work as f64 / work as f64);
                tight = (tight - 0.01) / over.max(1.0);
                note(&format!("trained, it takes {over:.3} of the budget: cut again"));
                continue;
            }
            let node = Node { id, predicted: answer.to.cost, measured: trained, shape: answer.shape, variant };
            write_atomically(&done, &serde_json::to_vec_pretty(&node)?)?;
            return Ok(Ok(node));
        }
    }

    fn measured(&self, blob: &std::path::Path) -> anyhow::Result<Measured> {
        measure::candidate(&self.trial, &self.model.name, blob, &self.input, self.unit)
    }

    /// Cuts until the board, not the prediction, is content; a step that is not the last is content with the first.
    fn cut_within(
        &self,
        from: Option<&Node>,
        folder: &std::path::Path,
        goal: &Goal,
        tight: f64,
    ) -> anyhow::Result<Result<(Answer, Measured), Beyond>> {
        let before = from.map_or(&self.unpruned, |node| &node.measured);
        let mut around = match before.around() {
            Some(around) => around,
            None => measure::smallest(&self.trial, &self.model.name)?,
        };
        let mut correction = self.correction(from) * tight;
        for _ in 0..ATTEMPTS {
            let answer = self.cut(from, folder, goal, (correction, around))?;
            let measured = self.measured(&folder.join("cut.nwk"))?;
            let work = measured.taken.map(|taken| taken.work);
            let said = work.map_or("does not fit".into(), crate::output::thousands);
            let unit = self.unit;
            note(&format!("cut to {:.0} {unit} predicted; the board: {said}", answer.to.cost));
            if !answer.met {
                let over =
                    [(Limit::Work, answer.over.cost), (Limit::Flash, answer.over.flash), (Limit::Ram, answer.over.ram)];
                let limits = over.into_iter().filter(|(_, over)| *over > 0.0).map(|(limit, _)| limit).collect();
                return Ok(Err(Beyond { limits, taken: measured.taken }));
            }
            if !goal.last || within(goal, &measured) {
                return Ok(Ok((answer, measured)));
            }
            if let (Some(taken), Some(allowed)) = (measured.taken, goal.work)
                && taken.work > allowed
            {
                correction *= allowed as f64 / taken.work as f64 * 0.998;
            }
            match measured.around() {
                Some(now) => around = [around[0].max(now[0]), around[1].max(now[1])],
                // It was too large to be linked: by how much, only the linker knows.
                None => around = around.map(|bytes| bytes + bytes / 10 + 256),
            }
        }
        let (work, flash, ram) = (goal.work, goal.flash, goal.ram);
        let budget = Budget { unit: self.unit, work, flash, ram };
        let last = self.measured(&folder.join("cut.nwk"))?;
        let limits = last.taken.map(|taken| budget.exceeded(&taken)).unwrap_or_default();
        Ok(Err(Beyond { limits: limits.into_iter().map(|(limit, ..)| limit).collect(), taken: last.taken }))
    }

    /// Has the model's program cut a network, with the budget in what it can predict.
    fn cut(
        &self,
        from: Option<&Node>,
        to: &std::path::Path,
        goal: &Goal,
        (correction, around): (f64, [u64; 2]),
    ) -> anyhow::Result<Answer> {
        let board = &self.trial.board.spec;
        let mut more = vec![
            ("from", self.from(from).display().to_string()),
            ("to", to.display().to_string()),
            ("core", board.core.clone()),
            ("kernels", board.kernels.to_string()),
            ("by", self.by.to_string()),
        ];
        more.extend(goal.work.map(|work| ("cost", (work as f64 * correction).to_string())));
        let bytes =
            |limit: Option<u64>, around: u64| limit.map(|limit| limit.saturating_sub(around).max(1).to_string());
        more.extend(bytes(goal.flash, around[0]).map(|bytes| ("blob", bytes)));
        more.extend(bytes(goal.ram, around[1]).map(|bytes| ("arena", bytes)));
        let cycles = (self.unit == Unit::Cycles).then_some("cycles");
        let blocks = goal.last.then_some("blocks");
        let flags: Vec<&str> = cycles.into_iter().chain(blocks).collect();
        step(&self.trial, self.model, &self.args, "cut", &more, &flags)
    }

    /// Whether the smallest network that there is, is small enough: without training anything.
    pub(crate) fn possible(&self, goal: &Goal) -> anyhow::Result<Result<(), Beyond>> {
        Ok(self.cut_within(None, &self.folder("probe"), goal, MARGIN)?.map(|_| ()))
    }
}

fn within(goal: &Goal, measured: &Measured) -> bool {
    let Some(taken) = measured.taken else { return false };
    let below =
        |taken: Option<u64>, limit: Option<u64>| limit.is_none_or(|limit| taken.is_none_or(|taken| taken <= limit));
    below(Some(taken.work), goal.work) && below(taken.flash, goal.flash) && below(taken.ram, goal.ram)
}
