//! `bench MODEL`: a packed model on boards, the whole and each layer, before and after pruning.

mod show;

use crate::{
    bench::rig::Rig,
    benched::{Bench, Figure, Line, Mlperf, Network},
    board::{self, Board},
    commands::setup,
    cycles::Counts,
    estimate::{self, Estimate},
    logs::Logs,
    measure::{self, Unit},
    model::Model,
    output, reach,
    runner::Session,
    stack,
    timing::{self, Timed},
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
use std::{path::Path, thread};

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

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, args.model.as_deref().unwrap_or_default())?;
    let boards = boards(work, args)?;
    for board in &boards {
        setup::ready(&board.needs(), Some(&board.full_name()), args.no_setup)?;
        if let Some(rig) = Rig::without_system(board) {
            setup::ready(&rig.needs(), None, args.no_setup)?;
            ensure!(
                board.place.threads.is_none(),
                "--threads: what {} counts is one core's instructions; on a real one, --host, threads are timed",
                board.full_name()
            );
        }
    }
    boards.iter().try_for_each(reach::expect)?;
    for board in &boards {
        if let Some(reason) = board.too_old() {
            bail!("{}: {reason}; `cargo xtask doctor` says how to get a newer one", board.full_name());
        }
    }
    let report = variant::report(work, &model)?;
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
                let (model, recipe_hash) = (report.model.clone(), report.recipe_hash.clone());
                Ok(Bench { model, recipe_hash, board: name, core, emulated, silicon, networks: networks? })
            })
        };
        let running: Vec<_> = boards.iter().zip(built).map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, anyhow::Result<Bench>>| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a measurement was broken off")))
        };
        running.into_iter().map(join).collect()
    });
    let benches: Vec<Bench> = benches.into_iter().collect::<anyhow::Result<_>>()?;
    output::result(work, &benches, || show::show(&model.name, &report.metric, &benches, args.mix))?;
    for (board, bench) in boards.iter().zip(&benches) {
        let trial = Trial { work, board, samples: None, log: None, fault: None };
        output::wrote(work, &bench.save(&trial.folder(&model.name))?);
    }
    Ok(())
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
        let timed = match self.without_system(set.sample(0))? {
            Some((timed, note)) => {
                missing.push(note);
                Ok(timed)
            }
            None => timing::time(&mut session, board, input, usize::from(args.runs))?,
        };
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
        if let Some(timed) = timed.as_ref().filter(|timed| timed.unit == Unit::Instructions && !board.is_process()) {
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
        let (variant, unit) = (*which, timed.map(|timed| timed.unit));
        let (blob_bytes, arena_bytes) = (blob.bytes, blob.arena_bytes);
        let firmware = firmware.sizes.as_ref().map(|sizes| sizes.sections);
        Ok(Network { variant, unit, whole, layers, blob_bytes, arena_bytes, firmware, stack, model, missing, mlperf })
    }
}

impl Subject<'_> {
    /// Instructions of a process that QEMU translates: counted on the same core without an operating system, where that can
    /// be, twice. With what there is to say of it.
    fn without_system(&self, (input, _, output): (&[i8], u16, &[i8])) -> anyhow::Result<Option<(Timed, String)>> {
        let Some(rig) = Rig::without_system(self.board) else { return Ok(None) };
        let blob = std::fs::read(&self.blob.path)?;
        let timed = rig.network(self.work, &blob, input, output)?;
        let again = rig.network(self.work, &blob, input, output)?;
        ensure!(timed == again, "a second run on {} gave another count of instructions", rig.core);
        Ok(Some((timed, format!("instructions are those of an emulated {} without an operating system", rig.core))))
    }
}

/// What a board's blob is predicted to take, layer by layer; nothing where its core was not measured.
fn predicted(blob: &variant::BlobFile, core: &str) -> Option<Vec<Cost>> {
    let bytes = AlignedBytes::new(&std::fs::read(&blob.path).ok()?);
    cost::predict(&bytes, core).ok()
}

/// Two ways to count the same instructions must agree.
fn agree(board: &Board, timed: Option<&Timed>, estimate: Option<&Estimate>) -> anyhow::Result<()> {
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
