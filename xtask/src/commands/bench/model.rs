//! `bench MODEL`: a packed model on boards, the whole and each layer, before and after pruning.

use crate::{
    board::{self, Board},
    commands::setup,
    cycles::Counts,
    estimate::{self, Estimate},
    logs::Logs,
    measure::{self, Unit},
    model::Model,
    output::{self, percent, ratio, table, thousands},
    reach,
    report::standing,
    runner::Session,
    stack,
    timing::{self, median},
    trial::Trial,
    variant::{self, Which},
    workplace::Workplace,
};
use anyhow::{bail, ensure};
use niwaki_blob::AlignedBytes;
use niwaki_link::Mode;
use niwaki_pack::{
    artefact::Report,
    cost::{self, Cost},
};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, thread};

/// Count a packed model on boards: the whole and each layer, before and after pruning
#[derive(clap::Args)]
#[group(id = "of-model")]
pub(crate) struct Args {
    /// A model in models/, or the path of a folder with a model crate of your own
    #[arg(required = true)]
    pub(crate) model: Option<String>,
    /// A board, several with commas between them, or all: every emulated board
    #[arg(long, default_value = board::DEFAULT)]
    board: String,
    #[command(flatten)]
    place: board::Place,
    /// Install nothing; fail if something is missing
    #[arg(long)]
    no_setup: bool,
    /// Timed runs after a warm-up
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(5..))]
    runs: u16,
    /// Show the instructions of every layer by class
    #[arg(long)]
    mix: bool,
    /// As MLPerf Tiny does it: accuracy and the median time over the model's test samples, with one firmware
    #[arg(long)]
    mlperf: bool,
}

/// A figure of several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Figure {
    median: u64,
    least: u64,
    most: u64,
    /// Of the median; absent where the unit is no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<f64>,
}

impl Figure {
    fn of(runs: Vec<u64>, hz: u64) -> Self {
        let (least, most) = (runs.iter().copied().min().unwrap_or(0), runs.iter().copied().max().unwrap_or(0));
        let median = median(runs);
        let milliseconds = (hz > 0).then(|| median as f64 * 1000.0 / hz as f64);
        Self { median, least, most, milliseconds }
    }
}

#[derive(Clone, Debug, Serialize)]
struct Line {
    name: String,
    kind: String,
    macs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_cycles: Option<u64>,
    /// What the core's measured costs predict, in the unit of what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted_cycles: Option<u64>,
    /// Instructions and estimated cycles by class.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mix: BTreeMap<String, [u64; 2]>,
}

/// One of a model's networks on one board.
#[derive(Clone, Debug, Serialize)]
struct Network {
    variant: Which,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<Unit>,
    whole: Line,
    layers: Vec<Line>,
    /// Bytes of the arena, exact.
    arena_bytes: usize,
    /// Bytes of the stack that were used, and that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<(u32, u32)>,
    /// What the estimated cycles are.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Why something is not there.
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mlperf: Option<Mlperf>,
}

#[derive(Clone, Debug, Serialize)]
struct Mlperf {
    samples: usize,
    /// The report's metric; absent where the board did not repeat the host's outputs and only those tell.
    accuracy: Option<f64>,
    differing: usize,
    /// One inference, over samples: the median of five batches' means is what MLPerf Tiny calls latency.
    latency: Option<Figure>,
}

#[derive(Clone, Debug, Serialize)]
struct Bench {
    board: String,
    core: String,
    emulated: bool,
    silicon: Option<bool>,
    networks: Vec<Network>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, args.model.as_deref().unwrap_or_default())?;
    let boards = boards(work, args)?;
    setup::ready(&boards.iter().flat_map(Board::needs).collect::<Vec<_>>(), args.no_setup)?;
    boards.iter().try_for_each(reach::expect)?;
    for board in &boards {
        if let Some(reason) = board.too_old() {
            bail!("{}: {reason}; `cargo xtask doctor` says how to get a newer one", board.full_name());
        }
    }
    let report = variant::report(work, &model.name)?;
    // Builds wait for each other, runs do not.
    let mut built = Vec::new();
    for board in &boards {
        let trial = Trial { work, board, samples: None, log: None, fault: None };
        let both: anyhow::Result<Vec<_>> =
            Which::BOTH.into_iter().map(|which| Ok((which, trial.build(&report, which)?))).collect();
        built.push(both);
    }
    let benches: Vec<anyhow::Result<Bench>> = thread::scope(|scope| {
        let start = |(board, built): (_, anyhow::Result<Vec<_>>)| {
            let report = &report;
            scope.spawn(move || {
                let networks: anyhow::Result<Vec<Network>> = built?
                    .into_iter()
                    .map(|(which, (blob, firmware))| Subject { work, board, report, which, blob, firmware }.bench(args))
                    .collect();
                let (emulated, silicon) = (board.emulated(), board.silicon());
                let (name, core) = (board.full_name(), board.spec.core.clone());
                Ok(Bench { board: name, core, emulated, silicon, networks: networks? })
            })
        };
        let running: Vec<_> = boards.iter().zip(built).map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, anyhow::Result<Bench>>| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a measurement was broken off")))
        };
        running.into_iter().map(join).collect()
    });
    let benches: Vec<Bench> = benches.into_iter().collect::<anyhow::Result<_>>()?;
    output::result(work, &benches, || show(&model.name, &report.metric, &benches, args.mix))
}

/// The boards that a user means.
fn boards(work: &Workplace, args: &Args) -> anyhow::Result<Vec<Board>> {
    if args.board != "all" {
        return args.board.split(',').map(|name| Board::find(work, name)?.at(&args.place)).collect();
    }
    let all: anyhow::Result<Vec<Board>> = board::all(work).iter().map(|name| Board::find(work, name)).collect();
    let mut boards: Vec<Board> = all?.into_iter().filter(Board::emulated).collect();
    boards.retain(|board| match board.too_old() {
        Some(reason) => {
            output::note(&format!("{} is left out: {reason}", board.name()));
            false
        }
        None => true,
    });
    Ok(boards)
}

/// A firmware to be measured.
struct Subject<'a> {
    work: &'a Workplace,
    board: &'a Board,
    report: &'a Report,
    which: Which,
    blob: variant::BlobFile,
    firmware: crate::firmware::Firmware,
}

impl Subject<'_> {
    fn bench(&self, args: &Args) -> anyhow::Result<Network> {
        let Self { work, board, report, which, blob, firmware } = self;
        let set = variant::eval_set(work, report, *which, blob)?;
        let input = set.sample(0).0;
        let logs = Logs::off();
        let mut session = Session::start(board, &firmware.path, &blob.path, &logs)?;
        measure::check_identity(&session, blob)?;
        let mut missing = Vec::new();
        let timed = timing::time(&mut session, board, input, usize::from(args.runs))?;
        let timed = timed.map_err(|reason| missing.push(reason)).ok();
        let hz = timed.as_ref().map_or(0, |timed| timed.hz);
        let mlperf = match args.mlperf {
            true => {
                let measured =
                    measure::accuracy(&mut session, &set, usize::MAX)?.judged(&report.metric, Some(which.of(report)));
                let latency = timed.is_some().then(|| latency(&mut session, &set, hz)).transpose()?;
                let (samples, accuracy, differing) = (measured.samples, measured.quality, measured.differing.len());
                let latency = latency.filter(|_| !board.emulated());
                Some(Mlperf { samples, accuracy, differing, latency })
            }
            false => None,
        };
        let stack = session.stack()?;
        if let Some(mark) = stack.filter(|_| firmware.sizes.is_some()) {
            stack::save(firmware.path.parent().unwrap_or(Path::new(".")), *which, &firmware.path, mark)?;
        }
        drop(session);
        if let Some(timed) = timed.as_ref().filter(|timed| timed.unit == Unit::Instructions) {
            // What an emulator counts can be repeated; if it is not, it is not what was asked for.
            let mut again = Session::start(board, &firmware.path, &blob.path, &logs)?;
            let again = timing::time(&mut again, board, input, 1)?.ok();
            let same = again
                .is_some_and(|again| (again.total(), again.layers.first()) == (timed.total(), timed.layers.first()));
            ensure!(same, "a second run on {} gave another count of instructions", board.name());
        }
        let estimate = estimate::estimate(work, board, &firmware.path, &blob.path, input)?;
        let estimate = estimate.map_err(|reason| missing.push(format!("no estimated cycles: {reason}"))).ok();
        if estimate.as_ref().is_some_and(|estimate| !estimate.priced) {
            missing.push(format!("no estimated cycles: there are no prices for {}", board.spec.core));
        }
        let host = which.of(report);
        let costs = predicted(blob, &board.spec.core);
        let cost = |at: usize| costs.as_ref().and_then(|costs| costs.get(at)).copied();
        let line = |name: &str,
                    kind: &str,
                    macs: usize,
                    runs: Option<Vec<u64>>,
                    counts: Option<&Counts>,
                    cost: Option<Cost>| {
            let priced = estimate.as_ref().is_some_and(|estimate| estimate.priced);
            Line {
                name: name.into(),
                kind: kind.into(),
                macs,
                measured: runs.map(|runs| Figure::of(runs, hz)),
                estimated_cycles: counts.filter(|_| priced).map(|counts| counts.cycles),
                predicted: cost.map(|cost| cost.instructions.round() as u64),
                predicted_cycles: cost.and_then(|cost| cost.cycles).map(|cycles| cycles.round() as u64),
                mix: counts.map(|counts| counts.mix.clone()).unwrap_or_default(),
            }
        };
        let count = |at: usize| estimate.as_ref().and_then(|estimate| estimate.layers.get(at));
        let layers = host.layers.iter().enumerate().map(|(at, layer)| {
            let runs = timed.as_ref().map(|timed| timed.layer(at));
            line(&layer.name, &layer.kind, layer.macs, runs, count(at), cost(at))
        });
        let layers = layers.collect();
        let runs = timed.as_ref().map(|timed| timed.totals.clone());
        let all = costs.as_ref().and_then(|costs| costs.iter().copied().reduce(Cost::and));
        let whole = line("whole", "", host.macs, runs, estimate.as_ref().map(|estimate| &estimate.total), all);
        agree(board, timed.as_ref(), estimate.as_ref())?;
        let model = estimate.filter(|estimate| estimate.priced).map(|estimate| estimate.model);
        let (variant, arena_bytes, unit) = (*which, blob.arena_bytes, timed.map(|timed| timed.unit));
        Ok(Network { variant, unit, whole, layers, arena_bytes, stack, model, missing, mlperf })
    }
}

/// What a board's blob is predicted to take, layer by layer; nothing where its core was not measured.
fn predicted(blob: &variant::BlobFile, core: &str) -> Option<Vec<Cost>> {
    let bytes = AlignedBytes::new(&std::fs::read(&blob.path).ok()?);
    cost::predict(&bytes, core).ok()
}

/// How far a prediction is off: `+1.2 %`.
fn off(line: &Line) -> Option<String> {
    let (predicted, measured) = (line.predicted?, line.measured.as_ref()?.median);
    Some(format!("{:+.1} %", 100.0 * (predicted as f64 / measured.max(1) as f64 - 1.0)))
}

/// Two ways to count the same instructions must agree.
fn agree(board: &Board, timed: Option<&timing::Timed>, estimate: Option<&Estimate>) -> anyhow::Result<()> {
    let Some((timed, estimate)) = timed.zip(estimate) else { return Ok(()) };
    let (ours, plugins) = (timed.total(), estimate.total.instructions);
    ensure!(
        timed.unit != Unit::Instructions || ours.abs_diff(plugins) * 50 <= ours,
        "{} counted {ours} instructions and the emulator's plugin {plugins}: more than 2 % apart",
        board.name()
    );
    Ok(())
}

/// Five batches of ten inferences each; the figure is of the batches' means, in the board's ticks.
fn latency(session: &mut Session<'_>, set: &niwaki_pack::artefact::EvalSet, hz: u64) -> anyhow::Result<Figure> {
    const BATCHES: usize = 5;
    const EACH: usize = 10;
    let mut means = Vec::new();
    for batch in 0..BATCHES {
        let mut sum = 0;
        for at in 0..EACH {
            let input = set.sample((batch * EACH + at) % set.len()).0;
            sum += session.infer(input, Mode::Whole)?.1.unwrap_or(0);
        }
        means.push(sum / EACH as u64);
    }
    Ok(Figure::of(means, hz))
}

fn show(model: &str, metric: &str, benches: &[Bench], mix: bool) -> String {
    let mut text = match benches {
        [bench] => {
            format!("{model} on {}{}\n{}\n", bench.board, standing(bench.emulated, bench.silicon), layers(bench))
        }
        several => format!("{model}\n{}\n", summary(several)),
    };
    for bench in benches {
        for network in bench.networks.iter().filter(|_| mix) {
            text += &format!(
                "\n{} network on {}: instructions by class\n{}\n",
                network.variant,
                bench.board,
                classes(network)
            );
        }
        text += &notes(bench, metric, benches.len() > 1);
    }
    text
}

fn measured(line: Option<&Line>) -> Option<u64> {
    Some(line?.measured.as_ref()?.median)
}

fn estimated(line: Option<&Line>) -> Option<u64> {
    line?.estimated_cycles
}

/// Before, after, and after as a part of before.
fn beside(before: Option<u64>, after: Option<u64>) -> [String; 3] {
    let cell = |value: Option<u64>| value.map_or("-".into(), thousands);
    [cell(before), cell(after), before.zip(after).map(|(before, after)| ratio(before, after)).unwrap_or_default()]
}

/// A board's two networks, layer by layer; a layer that one of them does not have is paired with nothing.
fn layers(bench: &Bench) -> String {
    let [before, after] = &bench.networks[..] else { return String::new() };
    let unit = before.unit.map_or("instructions".into(), |unit| unit.to_string());
    let with_time = before.whole.measured.as_ref().is_some_and(|figure| figure.milliseconds.is_some());
    let with_cycles = before.whole.estimated_cycles.is_some();
    let mut head = vec!["layer".to_string(), "kind".into(), unit, "after".into(), "ratio".into(), "spread".into()];
    head.extend(["predicted".to_string(), "after".into()]);
    if with_time {
        head.extend(["ms".to_string(), "after".into()]);
    }
    if with_cycles {
        head.extend(["estimated cycles".to_string(), "after".into(), "ratio".into()]);
    }
    let mut lines = table(head, 2);
    let of = |network: &Network, name: &str| network.layers.iter().find(|line| line.name == name).cloned();
    let mut names: Vec<&str> = before.layers.iter().map(|line| line.name.as_str()).collect();
    names.extend(after.layers.iter().map(|line| line.name.as_str()).filter(|name| of(before, name).is_none()));
    let whole = (Some(before.whole.clone()), Some(after.whole.clone()));
    for (before, after) in names.iter().map(|name| (of(before, name), of(after, name))).chain([whole]) {
        let either = before.as_ref().or(after.as_ref());
        let mut row = vec![either.map_or(String::new(), |line| line.name.clone())];
        row.push(either.map_or(String::new(), |line| line.kind.clone()));
        row.extend(beside(measured(before.as_ref()), measured(after.as_ref())));
        let figure = before.as_ref().and_then(|line| line.measured.as_ref());
        row.push(figure.map_or("-".into(), |figure| thousands(figure.most - figure.least)));
        row.extend([&before, &after].map(|line| line.as_ref().and_then(off).unwrap_or_else(|| "-".into())));
        if with_time {
            let ms = |line: &Option<Line>| {
                let figure = line.as_ref().and_then(|line| line.measured.as_ref()?.milliseconds);
                figure.map_or("-".into(), |ms| format!("{ms:.3}"))
            };
            row.extend([ms(&before), ms(&after)]);
        }
        if with_cycles {
            row.extend(beside(estimated(before.as_ref()), estimated(after.as_ref())));
        }
        lines.add_row(row);
    }
    lines.to_string()
}

/// Several boards, a line each.
fn summary(benches: &[Bench]) -> String {
    let head = [
        "board",
        "core",
        "unit",
        "before",
        "after",
        "ratio",
        "estimated cycles",
        "after",
        "ratio",
        "arena",
        "after",
        "stack",
        "predicted",
        "after",
    ];
    let mut lines = table(head, 3);
    for bench in benches {
        let [before, after] = &bench.networks[..] else { continue };
        let mut row = vec![bench.board.clone(), bench.core.clone()];
        row.push(before.unit.map_or("-".into(), |unit| unit.to_string()));
        row.extend(beside(measured(Some(&before.whole)), measured(Some(&after.whole))));
        row.extend(beside(estimated(Some(&before.whole)), estimated(Some(&after.whole))));
        row.extend([before, after].map(|network| thousands(network.arena_bytes as u64)));
        row.push(before.stack.map_or("-".into(), |(used, _)| thousands(u64::from(used))));
        row.extend([before, after].map(|network| off(&network.whole).unwrap_or_else(|| "-".into())));
        lines.add_row(row);
    }
    lines.to_string()
}

/// What a network's layers execute.
fn classes(network: &Network) -> String {
    let names: Vec<&String> = network.whole.mix.keys().collect();
    if names.is_empty() {
        return "not known".into();
    }
    let mut lines = table(["layer".to_string()].into_iter().chain(names.iter().map(ToString::to_string)), 1);
    for line in network.layers.iter().chain([&network.whole]) {
        let count =
            |name: &&String| line.mix.get(*name).map_or("-".into(), |[instructions, _]| thousands(*instructions));
        lines.add_row([line.name.clone()].into_iter().chain(names.iter().map(count)));
    }
    lines.to_string()
}

/// What there is to say beside the table.
fn notes(bench: &Bench, metric: &str, named: bool) -> String {
    let start = if named { format!("{}: ", bench.board) } else { String::new() };
    let mut notes: Vec<String> = Vec::new();
    for network in &bench.networks {
        if let Some(mlperf) = &network.mlperf {
            let latency = mlperf.latency.as_ref().and_then(|figure| figure.milliseconds);
            let latency = latency.map(|ms| format!(", {ms:.3} ms")).unwrap_or_default();
            let (variant, samples, quality) =
                (network.variant, mlperf.samples, mlperf.accuracy.map_or("not known".into(), percent));
            let differ = mlperf.differing;
            notes.push(format!(
                "{variant}: {metric} {quality} over {samples} samples, {differ} differ from the host{latency}"
            ));
        }
        if let Some((used, bytes)) = network.stack.filter(|_| !named) {
            let (used, bytes) = (thousands(u64::from(used)), thousands(u64::from(bytes)));
            let arena = thousands(network.arena_bytes as u64);
            notes.push(format!("{}: arena {arena} bytes, stack {used} of {bytes} bytes used", network.variant));
        }
        let model = network.model.iter().map(|model| format!("estimated cycles: {model}"));
        notes.extend(model.chain(network.missing.iter().cloned()));
    }
    let mut said = Vec::new();
    notes.retain(|note| {
        !said.contains(note) && {
            said.push(note.clone());
            true
        }
    });
    notes.iter().map(|note| format!("{start}{note}\n")).collect()
}
