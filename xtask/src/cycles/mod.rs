//! Estimated cycles: builds the QEMU plugin in xtask/cycles, attaches it to a run, and reads what it wrote.
//!
//! ```text
//! let estimator = Estimator::of(work, core, "qemu-system-arm")?;       // the inner error says why there is none
//! estimator.attach(&mut command, &Places { marks, ignored }, &out);    // a command without -icount
//! ... run the command to its end, or until the last mark was passed ...
//! let estimates = Estimates::read(&out)?;
//! let per_region = estimates.regions(0, 1)?;                           // from marks[0] to marks[1], each time
//! ```

#[cfg(test)]
mod micro;

use crate::{cargo, toolchain, workplace::Workplace};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

/// The plugin, for one core.
#[derive(Clone, Debug)]
pub(crate) struct Estimator {
    plugin: PathBuf,
    core: Option<&'static str>,
}

/// Where counting is done: addresses in the firmware.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Places {
    /// Whenever one is reached, the totals are put down, without the instruction that is there.
    pub(crate) marks: Vec<u64>,
    /// Ranges that do not count, such as an interrupt handler: start, and end not included.
    pub(crate) ignored: Vec<(u64, u64)>,
}

/// The cores that the plugin has prices for; those of board.toml may have an `f` behind.
const PRICED: [&str; 6] = ["cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m33", "cortex-m4", "cortex-m7"];

/// The core whose prices this one has, where no timing of its own is published.
pub(crate) fn priced_as(core: &str) -> Option<&'static str> {
    matches!(core.strip_suffix('f').unwrap_or(core), "cortex-m33" | "cortex-m7").then_some("cortex-m4")
}

/// QEMU's plugins can be what ours is from this version on.
const QEMU: (u32, u32) = (9, 0);

impl Estimator {
    /// Builds the plugin for a core, as board.toml names it, and a program of QEMU. The inner error says why there can
    /// be no estimate. For a core without prices instructions are counted, and cycles are all 0: see
    /// [`Estimator::priced`].
    pub(crate) fn of(work: &Workplace, core: &str, qemu: &str) -> anyhow::Result<Result<Self, String>> {
        if let Some(found) = toolchain::older_qemu(qemu, QEMU) {
            let (major, minor) = QEMU;
            return Ok(Err(format!("QEMU {major}.{minor} or newer is needed, and here is {found}")));
        }
        let mut command = cargo::cargo(&work.root);
        command.args(["build", "--release", "--package", "niwaki-cycles"]);
        cargo::build(command, "building the plugin that estimates cycles")?;
        let name = format!("{}niwaki_cycles{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let plugin = work.target().join("release").join(name);
        ensure!(plugin.is_file(), "cargo built no {}", plugin.display());
        let plain = core.strip_suffix('f').unwrap_or(core);
        Ok(Ok(Self { plugin, core: PRICED.into_iter().find(|priced| *priced == plain) }))
    }

    /// Whether there are cycles, and not instructions only.
    pub(crate) fn priced(&self) -> bool {
        self.core.is_some()
    }

    /// Makes a command of QEMU write to `out`. Not together with `-icount`.
    pub(crate) fn attach(&self, command: &mut Command, places: &Places, out: &Path) {
        let mut option = self.plugin.display().to_string();
        option.push_str(&format!(",core={},out={}", self.core.unwrap_or("none"), out.display()));
        places.marks.iter().for_each(|mark| option.push_str(&format!(",mark={mark:x}")));
        places.ignored.iter().for_each(|(start, end)| option.push_str(&format!(",ignore={start:x}-{end:x}")));
        command.arg("-plugin").arg(option);
    }
}

/// What a run or a part of it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Counts {
    /// Executed instructions, exact.
    pub(crate) instructions: u64,
    /// Estimated cycles.
    pub(crate) cycles: u64,
    /// Branches taken.
    pub(crate) taken: u64,
    /// Instructions and estimated cycles by class; classes that do not occur are left out.
    pub(crate) mix: BTreeMap<String, [u64; 2]>,
}

impl Counts {
    /// What is left of this without `other`.
    pub(crate) fn less(&self, other: &Self) -> Self {
        let mut mix = self.mix.clone();
        for (class, [instructions, cycles]) in &mut mix {
            let [fewer, less] = other.mix.get(class).copied().unwrap_or_default();
            (*instructions, *cycles) = (instructions.saturating_sub(fewer), cycles.saturating_sub(less));
        }
        Self {
            instructions: self.instructions.saturating_sub(other.instructions),
            cycles: self.cycles.saturating_sub(other.cycles),
            taken: self.taken.saturating_sub(other.taken),
            mix,
        }
    }
}

/// One passing of a mark: totals since the start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Passing {
    /// Its place in [`Places::marks`]; absent at the end of the run.
    mark: Option<usize>,
    taken: u64,
    instructions: Vec<u64>,
    cycles: Vec<u64>,
}

/// Everything that the plugin wrote.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimates {
    /// The core's name, as the plugin has it.
    pub(crate) core: String,
    /// What its prices are.
    pub(crate) model: String,
    classes: Vec<String>,
    passings: Vec<Passing>,
}

impl Estimates {
    /// Reads the file.
    pub(crate) fn read(out: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            core: String,
            model: String,
            classes: Vec<String>,
        }
        let text = std::fs::read_to_string(out).with_context(|| out.display().to_string())?;
        let mut lines = text.lines();
        let head = lines.next().context("the plugin that estimates cycles was not loaded")?;
        let Head { core, model, classes } = serde_json::from_str(head).context("the plugin's first line")?;
        let passings: Result<Vec<Passing>, _> = lines.map(serde_json::from_str).collect();
        let passings = passings.with_context(|| format!("{} was not written whole", out.display()))?;
        Ok(Self { core, model, classes, passings })
    }

    /// The marks that were passed, in order.
    pub(crate) fn marks(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.passings.iter().filter_map(|passing| passing.mark)
    }

    /// What lies between two passings, counted as in [`Estimates::marks`].
    pub(crate) fn between(&self, from: usize, to: usize) -> anyhow::Result<Counts> {
        let marked: Vec<&Passing> = self.passings.iter().filter(|passing| passing.mark.is_some()).collect();
        let (from, to) = marked.get(from).zip(marked.get(to)).context("a mark was not passed so often")?;
        Ok(self.difference(from, to))
    }

    /// What lies from a passing of mark `begin` to the next passing of mark `end`, as often as that happened. `begin` may be
    /// passed again in between, as in a loop.
    #[cfg_attr(not(test), allow(dead_code, reason = "for firmware that marks regions instead of layers"))]
    pub(crate) fn regions(&self, begin: usize, end: usize) -> anyhow::Result<Vec<Counts>> {
        let (mut regions, mut open) = (Vec::new(), None);
        for passing in &self.passings {
            if passing.mark == Some(begin) {
                open = open.or(Some(passing));
            } else if passing.mark == Some(end)
                && let Some(from) = open.take()
            {
                regions.push(self.difference(from, passing));
            }
        }
        ensure!(open.is_none(), "the run ended inside a region that is being counted");
        Ok(regions)
    }

    fn difference(&self, from: &Passing, to: &Passing) -> Counts {
        let mut counts = Counts { taken: to.taken - from.taken, ..Counts::default() };
        for (at, class) in self.classes.iter().enumerate() {
            let less = |values: fn(&Passing) -> &Vec<u64>| {
                values(to).get(at).copied().unwrap_or(0) - values(from).get(at).copied().unwrap_or(0)
            };
            let (instructions, cycles) = (less(|passing| &passing.instructions), less(|passing| &passing.cycles));
            counts.instructions += instructions;
            counts.cycles += cycles;
            if instructions > 0 {
                counts.mix.insert(class.clone(), [instructions, cycles]);
            }
        }
        counts
    }
}
