//! What CI holds `fit` to, on the example: budgets met as measured, refusals that name the limit, the same result after an
//! interruption, other shapes where costs differ.

use super::{
    budget::Limit,
    page::Sweep,
    report::{End, Outcome},
};
use crate::{cargo::cargo, workplace::Workplace};
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const MODEL: &str = "digits";
const M4: &str = "mps2-an386";
const M0: &str = "microbit";

/// 55 % of what the unpruned network takes, on either core: what a layer saves differs.
const BUDGETS: [(&str, u64); 2] = [(M4, 180_000), (M0, 517_000)];

fn command(work: &Workplace, board: &str, name: &str, more: &[&str]) -> Command {
    let mut command = cargo(&work.root);
    command.args(["run", "--quiet", "--package", "xtask", "--", "fit", MODEL, "--no-setup", "--quiet", "--json"]);
    // Less training than the recipe's: the floor is lower, too.
    command.args(["--epochs", "20", "--step-epochs", "3", "--board", board, "--name", name]).args(more);
    command.stdin(Stdio::null());
    command
}

fn run(work: &Workplace, board: &str, name: &str, more: &[&str]) -> anyhow::Result<Outcome> {
    let output = command(work, board, name, more).output()?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
    let outcome: Outcome = serde_json::from_slice(&output.stdout).with_context(|| said.clone())?;
    ensure!(
        output.status.success() == (outcome.end != End::Refused),
        "{:?}, and {}: {said}",
        outcome.end,
        output.status
    );
    Ok(outcome)
}

/// Whether a budget is met as measured, with every sample on the board.
fn met(outcome: &Outcome) -> anyhow::Result<()> {
    let point = outcome.point.as_ref().context("no point")?;
    ensure!(
        outcome.end == End::Fitted
            && outcome.budget.exceeded(&point.taken).is_empty()
            && point.quality >= outcome.floor
            && Some(point.taken) != outcome.unpruned.taken,
        "not met: {:?} {:?}: {:?}, {}",
        outcome.end,
        outcome.reasons,
        point.taken,
        point.quality
    );
    Ok(())
}

fn blob(work: &Workplace, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = work.results(&format!("{MODEL}@{name}")).join(format!("{MODEL}.nwk"));
    fs::read(&path).with_context(|| path.display().to_string())
}

/// Two budgets of work on two cores, whose costs differ, so that other things leave.
pub(crate) fn cores(work: &Workplace) -> anyhow::Result<()> {
    let mut shapes = Vec::new();
    for (board, budget) in BUDGETS {
        let outcome =
            run(work, board, &format!("less-{board}"), &["--floor", "95%", "--instructions", &budget.to_string()])?;
        met(&outcome)?;
        let shape = outcome.layers.iter().map(|line| (line.name.clone(), line.after, line.blocks.clone()));
        shapes.push(shape.collect::<Vec<_>>());
        ensure!(outcome.layers.iter().any(|line| line.after != line.before), "nothing left on {board}");
    }
    ensure!(shapes[0] != shapes[1], "the same leaves on both cores, whose costs differ: {:?}", shapes[0]);
    Ok(())
}

/// A budget of RAM; what is within the budget already; what cannot be reached.
pub(crate) fn ends(work: &Workplace) -> anyhow::Result<()> {
    let ram = run(work, M4, "less-ram", &["--max-drop", "5", "--ram", "21500"])?;
    met(&ram)?;
    let within = run(work, M4, "unchanged", &["--floor", "95%", "--instructions", "400000"])?;
    ensure!(within.end == End::AlreadyWithin && within.point.is_none(), "{:?}", within.end);
    let refused = run(work, M4, "impossible", &["--floor", "95%", "--instructions", "20000"])?;
    ensure!(refused.end == End::Refused && refused.binding == [Limit::Work], "{:?}", refused.binding);
    let said = refused.reasons.join(" ");
    ensure!(said.contains("instructions bind") && said.contains("is the least to ask for"), "{said}");
    Ok(())
}

/// A run that is killed after its first step, and goes on, ends as one that was not.
pub(crate) fn resumed(work: &Workplace) -> anyhow::Result<()> {
    let nodes = work.results(MODEL).join("fit").join(M4);
    let options = ["--floor", "90%", "--instructions", "110000"];
    let forget = || match fs::remove_dir_all(&nodes) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    forget()?;
    let mut child = command(work, M4, "killed", &options).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let start = Instant::now();
    while done(&nodes) == 0 {
        if child.try_wait()?.is_some() || start.elapsed() > Duration::from_secs(600) {
            let _ = child.kill();
            bail!("it ended before its first step was done");
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    ensure!(done(&nodes) == 1, "it was killed too late to prove anything");
    let resumed = command(work, M4, "killed", &options).output()?;
    let said = String::from_utf8_lossy(&resumed.stderr);
    ensure!(resumed.status.success() && said.contains("was done before"), "{said}");
    let first = blob(work, "killed")?;
    forget()?;
    met(&run(work, M4, "killed", &options)?)?;
    ensure!(first == blob(work, "killed")?, "another network than without an interruption");
    Ok(())
}

fn done(nodes: &std::path::Path) -> usize {
    let entries = fs::read_dir(nodes).into_iter().flatten().filter_map(Result::ok);
    entries.filter(|entry| entry.path().join("node.json").is_file()).count()
}

/// Two points of a sweep by two machines, put together.
pub(crate) fn sweep(work: &Workplace) -> anyhow::Result<()> {
    let made = |more: &[&str]| -> anyhow::Result<Sweep> {
        let all = [&["--floor", "97%", "--pareto", "2"], more].concat();
        let output = command(work, M4, "sweep", &all).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let first = made(&["--shard", "1/2"])?;
    ensure!(first.points.len() == 1, "{} points of one", first.points.len());
    made(&["--shard", "2/2"])?;
    let whole = made(&["--merge"])?;
    let names: Vec<&str> = whole.points.iter().map(|point| point.name.as_str()).collect();
    ensure!(names == ["sweep-1", "sweep-2"] && whole.points[0] == first.points[0], "{names:?}");
    let page = work.results(MODEL).join("fit").join(M4).join("sweep.html");
    ensure!(fs::read_to_string(&page)?.contains("digits@sweep-2"), "{} lacks a point", page.display());
    let deployed = cargo(&work.root)
        .args(["run", "--quiet", "--package", "xtask", "--", "deploy", "digits@sweep-2", "--no-setup", "--board", M4])
        .output()?;
    ensure!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr).trim());
    Ok(())
}
