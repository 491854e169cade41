//! `fit`: prunes a model until it meets a board's budget, by what the board really takes.

use crate::{
    Explained,
    commands::BoardArgs,
    fit::{
        budget::{Budget, BudgetArgs, Limit, quality},
        node::{By, Fit},
        page::Sweep,
        point::{self, Point},
        report::{End, Outcome},
        search::Epochs,
    },
    model::{Model, ModelArgs},
    output::{self, percent, table, thousands},
    trial::Trial,
    workplace::Workplace,
};
use anyhow::ensure;
use niwaki_pack::artefact::write_atomically;
use std::{path::PathBuf, str::FromStr};

/// Prune a model until it meets a board's budget, or show what budgets cost
///
/// What the board takes decides, not what was predicted. Interrupted, it goes on where it was. What it finds is a point:
/// `cargo xtask deploy MODEL@POINT --board BOARD`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    board: BoardArgs,
    #[command(flatten, next_help_heading = "Budget")]
    budget: BudgetArgs,
    /// The least quality on the test samples, such as 0.97 or 97%
    #[arg(long, value_name = "QUALITY", value_parser = quality, required_unless_present_any = ["max_drop", "merge"])]
    floor: Option<f64>,
    /// The most that quality may fall below the unpruned network's, in points
    #[arg(long, value_name = "POINTS")]
    max_drop: Option<f64>,
    /// Epochs after each step but the last, instead of the recipe's
    #[arg(long, value_name = "N")]
    step_epochs: Option<u32>,
    /// What decides how much leaves where; all but the first are for comparison
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// The point's name [default: the board's]; those of a sweep have numbers behind it
    #[arg(long)]
    name: Option<String>,
    /// Instead of one budget: this many points between the unpruned network and the floor, as JSON and as a page
    #[arg(long, value_name = "K", conflicts_with_all = ["instructions", "cycles", "ms"], value_parser = clap::value_parser!(u32).range(1..))]
    pareto: Option<u32>,
    /// Count cycles in a sweep, not instructions
    #[arg(long, requires = "pareto")]
    by_cycles: bool,
    /// Of a sweep only this part, such as 1/3: other machines do the others
    #[arg(long, value_name = "I/N", requires = "pareto")]
    shard: Option<Shard>,
    /// Put together the points of a sweep: those here, and those in other machines' target/niwaki/MODEL
    #[arg(long, value_name = "FOLDER", num_args = 0..)]
    merge: Option<Vec<PathBuf>>,
}

/// A part of a sweep, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    part: u32,
    of: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no part; 1/3 is the first of three");
        let (part, of) = text.split_once('/').ok_or_else(wrong)?;
        let (part, of) = (part.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if part >= 1 && part <= of { Ok(Self { part, of }) } else { Err(wrong()) }
    }
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model.model)?;
    let board = args.board.ready(work)?;
    if let Some(folders) = &args.merge {
        return merge(work, &model, &board.full_name(), folders);
    }
    let mut budget = args.budget.on(&board)?;
    if args.by_cycles {
        budget.unit = crate::fit::budget::Unit::Cycles;
    }
    let trial = Trial { work, board: &board, samples: Some(1), log: None, fault: None };
    let (steps, epochs) = args.model.without_epochs();
    let fit = Fit::begin(trial, &model, steps, budget.unit, args.by)?;
    let epochs =
        Epochs { step: args.step_epochs.unwrap_or(fit.start.step_epochs), last: epochs.unwrap_or(fit.start.epochs) };
    let unpruned = fit.start.unpruned.int8_quality;
    let drop = args.max_drop.map(|points| unpruned - points / 100.0);
    let floor = args.floor.unwrap_or(0.0).max(drop.unwrap_or(0.0));
    ensure!(
        floor <= unpruned,
        "--floor {}: the unpruned network reaches {} in int8",
        percent(floor),
        percent(unpruned)
    );
    match args.pareto {
        Some(count) => sweep(&fit, args, (budget, floor), epochs, count),
        None => single(&fit, args, budget, floor, epochs),
    }
}

/// The point's name, which is a folder's, too.
fn name(fit: &Fit<'_>, args: &Args) -> anyhow::Result<String> {
    let name = args.name.clone().unwrap_or_else(|| fit.trial.board.full_name().replace(':', "-"));
    let plain = name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
    ensure!(plain && !name.starts_with('.') && !name.is_empty(), "--name {name}: letters, digits, - _ and . only");
    Ok(name)
}

fn single(fit: &Fit<'_>, args: &Args, budget: Budget, floor: f64, epochs: Epochs) -> anyhow::Result<()> {
    let within = |taken| budget.exceeded(&taken).is_empty();
    if fit.unpruned.taken.is_some_and(within) {
        let mut outcome = Outcome::new(fit, budget, floor, End::AlreadyWithin);
        if budget.work.is_none() {
            let options = "--instructions, --cycles, --flash or --ram";
            outcome.reasons.push(format!("no limit was given but the board's own; {options} give others"));
        }
        return show(fit, &outcome);
    }
    let outcome = Outcome::new(fit, budget, floor, End::Refused);
    let (trunk, node) = match fit.within(&budget, epochs)? {
        Ok(found) => found,
        Err(beyond) => return show(fit, &outcome.beyond(&beyond)),
    };
    let point = fit.finish(&node, &name(fit, args)?, &node.id, budget.work)?;
    let exceeded = budget.exceeded(&point.taken);
    let mut outcome = outcome;
    for (limit, taken, allowed) in exceeded {
        let (name, taken, allowed) = (budget.name(limit), thousands(taken), thousands(allowed));
        outcome.binding.push(limit);
        outcome.reasons.push(format!("{name} bind: the trained network takes {taken}, the budget is {allowed}"));
    }
    if point.quality < floor {
        outcome.binding.push(Limit::Quality);
        let (reached, floor) = (percent(point.quality), percent(floor));
        outcome.reasons.push(format!(
            "quality binds: within this budget {reached} were reached, and the floor is {floor}; a floor of {reached} \
             would be met, or a larger budget{}",
            larger(fit, &budget, &point, outcome.floor)
        ));
    }
    if outcome.binding.is_empty() {
        outcome.end = End::Fitted;
    }
    show(fit, &outcome.with(fit, &trunk, point))
}

/// The smallest of the known points that is good enough, in words.
fn larger(fit: &Fit<'_>, budget: &Budget, point: &Point, floor: f64) -> String {
    let known = point::all(fit.trial.work, &fit.model.name).into_iter();
    let same = known.filter(|other| other.board == point.board && other.unit == point.unit && other.quality >= floor);
    let best = same.min_by_key(|other| other.taken.work);
    best.map(|best| {
        let (work, reached) = (thousands(best.taken.work), percent(best.quality));
        format!(": {}@{} takes {work} {} and reaches {reached}", fit.model.name, best.name, budget.unit)
    })
    .unwrap_or_default()
}

/// Prints an end and keeps it; a refusal is an error.
fn show(fit: &Fit<'_>, outcome: &Outcome) -> anyhow::Result<()> {
    let work = fit.trial.work;
    let path = fit.folder("report.json");
    write_atomically(&path, &serde_json::to_vec_pretty(outcome)?)?;
    output::result(work, outcome, || outcome.text())?;
    output::wrote(work, &path);
    if outcome.end == End::Refused {
        outcome.reasons.iter().for_each(|reason| output::note(&format!("error: {reason}")));
        return Err(Explained.into());
    }
    Ok(())
}

fn sweep(fit: &Fit<'_>, args: &Args, (budget, floor): (Budget, f64), epochs: Epochs, count: u32) -> anyhow::Result<()> {
    let name = name(fit, args)?;
    let trunk = fit.trunk(floor, epochs)?;
    let wanted = fit.points(&trunk, count);
    // What the points of one sweep have in common, on whatever machine they are made.
    let ids: Vec<&str> = trunk.iter().map(|node| node.id.as_str()).collect();
    let board = fit.trial.board.full_name();
    let key = format!("{} {board} {ids:?} {wanted:?} {} {:?}", fit.start.key, epochs.last, (budget.flash, budget.ram));
    let unpruned = Outcome::new(fit, budget, floor, End::Fitted).unpruned;
    let (model, metric) = (fit.model.name.clone(), fit.start.metric.clone());
    let emulated = fit.trial.board.emulated();
    let (unit, points) = (budget.unit, Vec::new());
    let mut sweep = Sweep { model, board, emulated, metric, unit, floor, count, unpruned, points };
    for (at, work) in (1..).zip(wanted) {
        if args.shard.is_some_and(|shard| at % shard.of != shard.part % shard.of) {
            continue;
        }
        match fit.point(&trunk, work, &budget, epochs)? {
            Ok(node) => drop(fit.finish(&node, &format!("{name}-{at}"), &key, Some(work))?),
            Err(_) => output::note(&format!("no network takes as little as {} {unit}", thousands(work))),
        }
    }
    sweep.points = of_key(fit.trial.work, &sweep.model, &key);
    write(fit.trial.work, &sweep)
}

fn of_key(work: &Workplace, model: &str, key: &str) -> Vec<Point> {
    let mut points: Vec<Point> = point::all(work, model).into_iter().filter(|point| point.key == key).collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.wanted));
    points
}

/// Where a sweep's files are.
fn sweep_file(work: &Workplace, model: &str, board: &str, ending: &str) -> PathBuf {
    work.results(model).join("fit").join(board.replace(':', "-")).join(format!("sweep.{ending}"))
}

fn write(work: &Workplace, sweep: &Sweep) -> anyhow::Result<()> {
    let [json, page] = ["json", "html"].map(|ending| sweep_file(work, &sweep.model, &sweep.board, ending));
    write_atomically(&json, &serde_json::to_vec_pretty(sweep)?)?;
    write_atomically(&page, sweep.html().as_bytes())?;
    output::result(work, sweep, || text(sweep))?;
    output::wrote(work, &json);
    output::wrote(work, &page);
    Ok(())
}

fn text(sweep: &Sweep) -> String {
    let mut all = table(["point", &sweep.unit.to_string(), "flash", "RAM", "parameters", &sweep.metric, ""], 1);
    let cell = |value: Option<u64>| value.map_or("-".into(), thousands);
    let first = sweep.unpruned.taken;
    all.add_row([
        "unpruned".to_string(),
        cell(first.map(|taken| taken.work)),
        cell(first.and_then(|taken| taken.flash)),
        cell(first.and_then(|taken| taken.ram)),
        thousands(sweep.unpruned.parameters),
        percent(sweep.unpruned.quality),
        String::new(),
    ]);
    for point in &sweep.points {
        all.add_row([
            format!("{}@{}", sweep.model, point.name),
            thousands(point.taken.work),
            cell(point.taken.flash),
            cell(point.taken.ram),
            thousands(point.parameters),
            percent(point.quality),
            if point.quality < sweep.floor { "below the floor".into() } else { String::new() },
        ]);
    }
    let (made, count) = (sweep.points.len(), sweep.count);
    format!("{} on {}: {made} of {count} points\n{all}\n", sweep.model, sweep.board)
}

/// Takes in other machines' points of the sweep that was last made here or there, and shows it whole.
fn merge(work: &Workplace, model: &Model, board: &str, folders: &[PathBuf]) -> anyhow::Result<()> {
    let own = sweep_file(work, &model.name, board, "json");
    let theirs = folders.iter().map(|folder| {
        let inside = own.strip_prefix(work.results(&model.name)).unwrap_or(&own);
        folder.join(inside)
    });
    let mut found: Option<Sweep> = None;
    for path in [own.clone()].into_iter().chain(theirs) {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let sweep: Sweep = serde_json::from_slice(&bytes)?;
        if found.as_ref().is_none_or(|found| found.points.is_empty()) {
            found = Some(sweep);
        }
    }
    let remedy = format!("cargo xtask fit {} --board {board} --pareto K makes one", model.name);
    let mut sweep = found.ok_or_else(|| anyhow::anyhow!("there is no sweep of {} on {board}; {remedy}", model.name))?;
    let key = sweep.points.first().map(|point| point.key.clone());
    let key = key.ok_or_else(|| anyhow::anyhow!("the sweep of {} on {board} has no points; {remedy}", model.name))?;
    for folder in folders {
        let taken = point::merge(work, &model.name, folder, &key)?;
        ensure!(
            taken > 0,
            "{} has no points of the same sweep: model, data, recipe or options differ",
            folder.display()
        );
        output::note(&format!("{taken} points from {}", folder.display()));
    }
    sweep.points = of_key(work, &sweep.model, &key);
    write(work, &sweep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!("2/3".parse(), Ok(Shard { part: 2, of: 3 }));
        for text in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        let third = Shard { part: 3, of: 3 };
        assert!((1..=6u32).filter(|at| at % third.of == third.part % third.of).eq([3, 6]));
    }
}
