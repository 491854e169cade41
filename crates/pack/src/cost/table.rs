//! A core's measurements: one line for each operation.

use super::{
    Cost, Job,
    features::{self, Features},
    fit::Fit,
    vectors, wide,
};
use crate::repack::{Form, Weights};
use niwaki_blob::{Op, OpKind};
use std::{
    collections::BTreeMap,
    sync::{LazyLock, OnceLock},
};

/// The cores with measurements.
pub const CORES: [&str; 10] = [
    "cortex-m0",
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4",
    "cortex-m7",
    "cortex-m33",
    "cortex-m55",
    "cortex-a53",
    "cortex-a72",
    "cortex-a76",
];

/// What a measurement is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// Costs are fitted to it.
    Fit,
    /// It checks them: a layer of this model.
    Model(String),
}

/// A measured operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it is for.
    pub set: Set,
    /// Samples of one set and number are the same layer, the same weights included, in different forms.
    pub layer: usize,
    /// How often the model has that layer.
    pub times: usize,
    /// Percent of the blocks of weights that were kept.
    pub density: f64,
    /// The operation.
    pub job: Job,
    /// Instructions of the kernel call.
    pub instructions: u64,
    /// Estimated cycles of the kernel call.
    pub cycles: Option<u64>,
    /// Instructions for reading the operation's record.
    pub view: u64,
}

/// The columns of a line.
pub const COLUMNS: &str =
    "set,layer,times,density,kind,input,output,window,groups,rows,blocks,instructions,cycles,view";

impl Sample {
    /// As a line of a table.
    pub fn line(&self) -> String {
        let Job { kind, input, output, window, groups, rows, blocks, fours } = &self.job;
        let by = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let set = match &self.set {
            Set::Fit => "fit",
            Set::Model(name) => name,
        };
        // "300", or "200+100" where the last are of four rows instead of two.
        let more = if *fours > 0 { format!("+{fours}") } else { String::new() };
        let blocks = blocks.map(|blocks| blocks.to_string() + &more).unwrap_or_default();
        let cycles = self.cycles.map(|cycles| cycles.to_string()).unwrap_or_default();
        format!(
            "{set},{},{},{},{},{},{},{},{groups},{rows},{blocks},{},{cycles},{}",
            self.layer,
            self.times,
            self.density,
            kind.name(),
            by(input),
            by(output),
            by(window),
            self.instructions,
            self.view
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let parts: [&str; 14] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
        let [set, layer, times, density, kind, input, output, window, groups, rows, blocks, instructions, cycles, view] =
            parts;
        fn by<const N: usize>(text: &str) -> Option<[usize; N]> {
            let numbers: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok()).collect();
            numbers?.try_into().ok()
        }
        let set = if set == "fit" { Set::Fit } else { Set::Model(set.into()) };
        let job = Job {
            kind: OpKind::ALL.into_iter().find(|known| known.name() == kind)?,
            input: by(input)?,
            output: by(output)?,
            window: by(window)?,
            groups: groups.parse().ok()?,
            rows: rows.parse().ok()?,
            blocks: blocks.split('+').next().and_then(|blocks| blocks.parse().ok()),
            fours: blocks.split_once('+').and_then(|(_, fours)| fours.parse().ok()).unwrap_or(0),
        };
        Some(Self {
            set,
            layer: layer.parse().ok()?,
            times: times.parse().ok()?,
            density: density.parse().ok()?,
            job,
            instructions: instructions.parse().ok()?,
            cycles: cycles.parse().ok(),
            view: view.parse().ok()?,
        })
    }

    /// What was measured.
    pub fn cost(&self) -> Cost {
        Cost { instructions: self.instructions as f64, cycles: self.cycles.map(|cycles| cycles as f64) }
    }
}

/// One layer in all of its forms.
pub type Alternatives<'a> = Vec<&'a Sample>;

/// A kernel's fits.
#[derive(Clone, Debug)]
struct Kernel {
    instructions: Fit,
    cycles: Option<Fit>,
    /// Instructions for reading a record.
    view: f64,
}

/// The measurements of a core, and what follows from them.
#[derive(Debug)]
pub struct Table {
    core: String,
    /// The file's own words: names and values.
    head: BTreeMap<String, String>,
    samples: Vec<Sample>,
    kernels: OnceLock<BTreeMap<String, Kernel>>,
}

/// Instructions that a run takes for each operation beside its kernel and reading its record: finding its tensors.
const STEP: f64 = 60.0;

/// What skipping blocks is thought to take, as a part of what is predicted.
const DOUBT: f64 = 1.03;

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let files = [
        ("cortex-m0", include_str!("../../costs/cortex-m0.csv")),
        ("cortex-m0plus", include_str!("../../costs/cortex-m0plus.csv")),
        ("cortex-m3", include_str!("../../costs/cortex-m3.csv")),
        ("cortex-m4", include_str!("../../costs/cortex-m4.csv")),
        ("cortex-m7", include_str!("../../costs/cortex-m7.csv")),
        ("cortex-m33", include_str!("../../costs/cortex-m33.csv")),
        ("cortex-m55", include_str!("../../costs/cortex-m55.csv")),
        ("cortex-a53", include_str!("../../costs/cortex-a53.csv")),
        ("cortex-a72", include_str!("../../costs/cortex-a72.csv")),
        ("cortex-a76", include_str!("../../costs/cortex-a76.csv")),
    ];
    files.into_iter().map(|(core, text)| Table::parse(core, text)).collect()
});

impl Table {
    /// The measurements on a core, named as in board.toml; `None` where there are none.
    pub fn of(core: &str) -> Option<&'static Self> {
        // Whether there is a floating-point unit makes no difference here.
        let plain = core.strip_suffix('f').unwrap_or(core);
        TABLES.iter().find(|table| table.core == plain && !table.samples.is_empty())
    }

    /// Reads a file. Lines that cannot be read are left out: a file from before a change of what is measured holds less.
    pub fn parse(core: &str, text: &str) -> Self {
        let head = text.lines().map_while(|line| line.strip_prefix("# ")?.split_once(": "));
        let head = head.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let samples = text.lines().filter_map(Sample::parse).collect();
        Self { core: core.into(), head, samples, kernels: OnceLock::new() }
    }

    /// A word of the file's head: `sources`, `rustc`, `cycles`.
    pub fn head(&self, name: &str) -> Option<&str> {
        self.head.get(name).map(String::as_str)
    }

    /// Everything that was measured.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Layers of which several forms were measured.
    pub fn alternatives(&self) -> Vec<Alternatives<'_>> {
        let mut groups: Vec<Alternatives<'_>> = Vec::new();
        for sample in &self.samples {
            match groups.last_mut().filter(|group| (&group[0].set, group[0].layer) == (&sample.set, sample.layer)) {
                Some(group) => group.push(sample),
                None => groups.push(vec![sample]),
            }
        }
        groups
    }

    /// Predicts the kernel call alone; `None` where no such kernel was measured.
    pub fn kernel(&self, job: &Job) -> Option<Cost> {
        let kernel = self.fit(job)?;
        let cycles = kernel.cycles.as_ref().map(|fit| fit.cost(job));
        Some(Cost { instructions: kernel.instructions.cost(job), cycles })
    }

    /// Predicts an operation in a run: the kernel call, reading its record, finding its tensors.
    pub fn step(&self, job: &Job) -> Option<Cost> {
        let kernel = self.fit(job)?;
        let around = kernel.view + STEP;
        // What is around takes as many cycles for an instruction as the kernel does, near enough for so little.
        let cost = self.kernel(job)?;
        let pace = cost.cycles.map(|cycles| cycles / cost.instructions.max(1.0));
        Some(cost.and(Cost { instructions: around, cycles: pace.map(|pace| around * pace) }))
    }

    /// The one to choose of some jobs that do the same: the cheapest, except that blocks are skipped only where that is
    /// sure to pay; the first where nothing was measured. `None` if there are none.
    pub fn choose(&self, jobs: &[Job]) -> Option<usize> {
        let cost = |job: &Job| {
            // What was measured needs no prediction. Models' layers are predicted all the same: they check that.
            let same = |sample: &&Sample| sample.set == Set::Fit && sample.job == *job;
            if let Some(sample) = self.samples.iter().find(same) {
                return Some(sample.cost());
            }
            let cost = self.kernel(job)?;
            // Two predictions that are as good as equal say nothing, unless both are nearly exact.
            let doubt = if job.blocks.is_some() && !self.sure(job) { DOUBT } else { 1.0 };
            Some(Cost { instructions: cost.instructions * doubt, cycles: cost.cycles.map(|cycles| cycles * doubt) })
        };
        let known = jobs.iter().enumerate().filter_map(|(at, job)| Some((at, cost(job)?)));
        let best = known.min_by(|(_, a), (_, b)| a.compare(b)).map(|(at, _)| at);
        best.or((!jobs.is_empty()).then_some(0))
    }

    /// Chooses among some forms of a plain operation.
    pub(crate) fn cheapest(&self, op: &Op<'_>, forms: &[Form]) -> Option<Form> {
        let weights = Weights::of(op);
        let jobs: Vec<Job> = forms.iter().map(|form| Job::of(op).formed(*form, weights.rows())).collect();
        self.choose(&jobs).map(|at| forms[at])
    }

    /// What was fitted to a job's kernel.
    fn fit(&self, job: &Job) -> Option<&Kernel> {
        let kernels = self.kernels();
        // Where only the one with its terms side by side was measured, it is the nearest.
        let near = || kernels.get(job.kind.name()).filter(|_| job.kind == OpKind::MatMul);
        kernels.get(&self.name(job)).or_else(near)
    }

    /// What a job's costs are fitted together with: all of a kind and layout, where the loops are known.
    fn name(&self, job: &Job) -> String {
        if self.exact(job) { job.layout() } else { job.kernel() }
    }

    /// Whether two forms' predictions are near enough to the truth to be compared as they are.
    fn sure(&self, job: &Job) -> bool {
        let connected = matches!(job.kind, OpKind::PackedFullyConnected | OpKind::SparseFullyConnected);
        self.exact(job) || connected || self.core == "cortex-m55" && vectors::features(job).is_some()
    }

    /// Whether predictions are nearly exact, as it is known how the core's kernels go through a job.
    fn exact(&self, job: &Job) -> bool {
        self.core.starts_with("cortex-a") && wide::features(job, false).is_some()
    }

    fn kernels(&self) -> &BTreeMap<String, Kernel> {
        self.kernels.get_or_init(|| {
            let features = features::of(&self.core);
            let mut parts: BTreeMap<String, Vec<&Sample>> = BTreeMap::new();
            for sample in self.samples.iter().filter(|sample| sample.set == Set::Fit) {
                parts.entry(self.name(&sample.job)).or_default().push(sample);
            }
            parts.into_iter().filter_map(|(name, samples)| Some((name, fitted(&samples, features)?))).collect()
        })
    }
}

fn fitted(samples: &[&Sample], features: Features) -> Option<Kernel> {
    let of = |cost: &dyn Fn(&Sample) -> Option<u64>| {
        let points: Option<Vec<(&Job, f64)>> =
            samples.iter().map(|sample| Some((&sample.job, cost(sample)? as f64))).collect();
        Fit::new(&points?, features)
    };
    let view = samples.iter().map(|sample| sample.view as f64).sum::<f64>() / samples.len() as f64;
    Some(Kernel { instructions: of(&|sample| Some(sample.instructions))?, cycles: of(&|sample| sample.cycles), view })
}
