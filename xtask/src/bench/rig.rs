//! An emulated core that counts operations: builds boards/any-core for it and runs it in QEMU.

use crate::{
    board::{self, Bench, Board, Runner},
    cargo::{self, BuildFailed},
    children::Running,
    cycles::{self, Estimates, Estimator, Places},
    elf,
    output::note,
    progress,
    toolchain::Need,
    workplace::Workplace,
};
use anyhow::{Context, anyhow, bail, ensure};
use niwaki_blob::AlignedBytes;
use niwaki_pack::Isa;
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A run that takes longer has gone wrong.
const LIMIT: Duration = Duration::from_secs(600);

/// A core, and how its kernels are run.
#[derive(Clone, Debug)]
pub(crate) struct Rig {
    /// The core's name, as cost tables and peers have it.
    pub(crate) core: String,
    pub(crate) isa: Isa,
    target: String,
    /// Features of any-core.
    features: &'static str,
    /// Of the compiler.
    flags: &'static str,
    /// The folder whose memory.x the firmware is linked with; none for 64-bit Arm.
    memory: Option<PathBuf>,
    /// QEMU's program, and the arguments that name the machine.
    qemu: [String; 2],
    machine: Vec<String>,
    /// How long an instruction takes in emulated time, so that the counter's ticks tell instructions exactly.
    pub(crate) icount: &'static str,
}

/// What an operation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// The kernel call alone.
    pub(crate) instructions: u64,
    /// The same, estimated.
    pub(crate) cycles: Option<u64>,
    /// Instructions for reading the operation from its record.
    pub(crate) view: u64,
}

impl Rig {
    /// Those of a board: one for a microcontroller, one for each core of a computer; none for what is not emulated.
    pub(crate) fn of(work: &Workplace, board: &Board) -> anyhow::Result<Vec<Self>> {
        match (&board.spec.runner, &board.spec.bench) {
            (_, Some(Bench::Board(name))) => {
                let machine = Board::find(work, name)?;
                Ok(vec![Self::cortex_m(board, &machine)?])
            }
            (_, Some(Bench::Cores(cores))) => Ok(cores.iter().map(|core| Self::aarch64(core)).collect()),
            (Runner::Qemu { .. }, None) => Ok(vec![Self::cortex_m(board, board)?]),
            _ => Ok(Vec::new()),
        }
    }

    /// The core of a board whose process QEMU translates, which counts nothing: the same core without an operating system.
    pub(crate) fn without_system(board: &Board) -> Option<Self> {
        match (&board.spec.runner, &board.spec.bench) {
            (Runner::QemuUser { cpu }, Some(Bench::Cores(cores))) if cores.contains(cpu) => Some(Self::aarch64(cpu)),
            _ => None,
        }
    }

    /// Those of all boards, each core once.
    pub(crate) fn all(work: &Workplace) -> anyhow::Result<Vec<Self>> {
        let mut rigs: Vec<Self> = Vec::new();
        for name in board::all(work) {
            for rig in Self::of(work, &Board::find(work, &name)?)? {
                if rigs.iter().all(|other| other.core != rig.core) {
                    rigs.push(rig);
                }
            }
        }
        Ok(rigs)
    }

    fn cortex_m(board: &Board, machine: &Board) -> anyhow::Result<Self> {
        let Runner::Qemu { machine: name, .. } = &machine.spec.runner else {
            bail!(
                "{}: kernels are counted on a board that QEMU emulates, which {} is not",
                board.name(),
                machine.name()
            )
        };
        let target = board.spec.target.clone().context("a microcontroller has a target")?;
        let isa = board.spec.kernels.isa();
        let features = match isa {
            Isa::Helium => "helium",
            Isa::Dsp if target.starts_with("thumbv8m") => "dsp",
            _ => "",
        };
        Ok(Self {
            // Whether there is a floating-point unit makes no difference here.
            core: board.spec.core.strip_suffix('f').unwrap_or(&board.spec.core).to_string(),
            isa,
            target,
            features,
            flags: "",
            memory: Some(machine.folder.clone()),
            qemu: ["qemu-system-arm".into(), name.clone()],
            machine: Vec::new(),
            icount: "shift=8",
        })
    }

    fn aarch64(core: &str) -> Self {
        // Without an operating system nobody can be asked whether there are dot products.
        let dot = !matches!(core, "cortex-a53" | "cortex-a72");
        let plain = "-C link-self-contained=no -C relocation-model=static";
        let with_dot = "-C link-self-contained=no -C relocation-model=static -C target-feature=+dotprod";
        Self {
            core: core.to_string(),
            isa: if dot { Isa::NeonDot } else { Isa::Neon },
            target: "aarch64-unknown-linux-musl".into(),
            features: "",
            flags: if dot { with_dot } else { plain },
            memory: None,
            qemu: ["qemu-system-aarch64".into(), "virt".into()],
            // Without a network card, whose ROM is a package of its own.
            machine: ["-cpu", core, "-m", "256", "-nic", "none"].map(String::from).to_vec(),
            icount: "shift=4",
        }
    }

    /// What has to be installed.
    pub(crate) fn needs(&self) -> [Need; 2] {
        [Need::Target(self.target.clone()), Need::Qemu(self.qemu[0].clone())]
    }

    /// Counts operations: of every blob the first.
    pub(crate) fn count(&self, work: &Workplace, blobs: &[AlignedBytes]) -> anyhow::Result<Vec<Count>> {
        let firmware = self.build(work)?;
        let folder = tempfile::tempdir()?;
        let mut cases = Vec::new();
        for blob in blobs {
            cases.extend((blob.len() as u32).to_le_bytes());
            cases.extend([0; 12]);
            cases.extend_from_slice(blob);
        }
        std::fs::write(folder.path().join("cases.nwk"), cases).context("cases.nwk")?;
        let said = self.run(&firmware, folder.path(), |command| {
            command.args(["-icount", self.icount]);
        })?;
        let mut counts = counts(&said).with_context(|| format!("{} said: {}", self.core, said.trim()))?;
        ensure!(counts.len() == blobs.len(), "{} counted {} of {} operations", self.core, counts.len(), blobs.len());
        match self.estimator(work)? {
            Ok(estimator) => {
                let cycles = self.estimate(&firmware, folder.path(), &estimator)?;
                let (found, all) = (cycles.len(), counts.len());
                ensure!(found == all, "the plugin that estimates cycles counted {found} of {all} operations");
                counts.iter_mut().zip(cycles).for_each(|(count, cycles)| count.cycles = Some(cycles));
            }
            Err(reason) => note(&format!("no cycles for {}: {reason}", self.core)),
        }
        Ok(counts)
    }

    /// What estimates this core's cycles; the inner error says why nothing does.
    fn estimator(&self, work: &Workplace) -> anyhow::Result<Result<Estimator, String>> {
        if self.memory.is_none() {
            return Ok(Err("no estimator has prices for a 64-bit core".into()));
        }
        let estimator = Estimator::of(work, &self.core, &self.qemu[0])?;
        Ok(estimator.and_then(|found| match found.priced() {
            true => Ok(found),
            false => Err("no estimator has its prices".into()),
        }))
    }

    /// Where cycles are estimated: the model's name and version. None where they are not.
    pub(crate) fn cycle_model(&self, work: &Workplace) -> anyhow::Result<Option<String>> {
        let priced_as = cycles::priced_as(&self.core).map(|other| format!(", priced as {other}")).unwrap_or_default();
        Ok(self.estimator(work)?.ok().map(|_| format!("estimated by xtask/cycles for {}{priced_as}", self.core)))
    }

    /// Bytes of code that the kernels of an op set are, as this core's firmware links them; `None` for a computer.
    pub(crate) fn kernel_code(&self, work: &Workplace, ops: u32) -> anyhow::Result<Option<u64>> {
        if self.memory.is_none() {
            return Ok(None);
        }
        let text = |ops: u32| -> anyhow::Result<u64> {
            let linked = self.built(work, "linked", |command| {
                command.env("NIWAKI_OPS", ops.to_string());
            })?;
            Ok(elf::sizes(&linked)?.sections.text)
        };
        Ok(Some(text(ops)?.saturating_sub(text(0)?)))
    }

    fn build(&self, work: &Workplace) -> anyhow::Result<PathBuf> {
        self.built(work, "bench", |_| ())
    }

    /// Builds one of any-core's programs.
    pub(crate) fn built(
        &self,
        work: &Workplace,
        program: &str,
        more: impl FnOnce(&mut Command),
    ) -> anyhow::Result<PathBuf> {
        let mut command = cargo::cargo(&work.root.join("boards"));
        command.args(["build", "--release", "--package", "any-core", "--bin", program, "--target", &self.target]);
        more(&mut command);
        command.args(["--features", self.features]);
        let variant = if self.flags.contains("dotprod") { "-dot" } else { "" };
        let folder = format!("any-core/{}-{}{variant}", self.target, self.features);
        command.arg("--target-dir").arg(work.target().join(folder));
        if let Some(memory) = &self.memory {
            command.env("NIWAKI_MEMORY", memory);
        }
        if !self.flags.is_empty() {
            command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", self.flags);
        }
        let built = cargo::build(command, &format!("building the kernels for {}", self.core));
        let built = built.map_err(|error| match error.downcast_ref::<BuildFailed>() {
            Some(failed) => failed.explained(&format!("boards/any-core for {}", self.core)),
            None => error,
        })?;
        cargo::pick(&built, program).with_context(|| format!("boards/any-core has a program {program}"))
    }

    /// Runs the firmware in a folder to its end; gives what it said.
    pub(crate) fn run(
        &self,
        firmware: &Path,
        folder: &Path,
        more: impl FnOnce(&mut Command),
    ) -> anyhow::Result<String> {
        let [program, machine] = &self.qemu;
        let said = folder.join("said.txt");
        let mut command = Command::new(program);
        command.args(["-machine", machine, "-display", "none", "-monitor", "none", "-serial", "none"]);
        command
            .args(["-semihosting-config", "enable=on,target=native"])
            .args(&self.machine)
            .arg("-kernel")
            .arg(firmware);
        more(&mut command);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
        let _spinner = progress::spinner(&format!("counting on {}", self.core));
        let running = Running::start(&mut command, program)?;
        let start = Instant::now();
        let status = loop {
            match running.ended() {
                Some(status) => break status,
                None if start.elapsed() > LIMIT => {
                    bail!("the bench firmware still ran on {} after {} s; it was ended", self.core, LIMIT.as_secs())
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let said = String::from_utf8_lossy(&std::fs::read(&said)?).into_owned();
        let last = || said.lines().next_back().unwrap_or("nothing").to_string();
        ensure!(status.success(), "the bench firmware failed on {} ({status}); it said: {}", self.core, last());
        Ok(said)
    }

    /// Estimated cycles of every operation, by the plugin.
    fn estimate(&self, firmware: &Path, folder: &Path, estimator: &Estimator) -> anyhow::Result<Vec<u64>> {
        let place = |name: &str| {
            elf::symbol(firmware, name)?.with_context(|| format!("the bench firmware has no function {name}"))
        };
        let marks = vec![place("niwaki_count_begin")?.start, place("niwaki_count_end")?.start];
        // The counter's own interrupt, which comes when it likes where time is not counted in instructions.
        let handler = place("SysTick")?;
        let places = Places { marks, ignored: vec![(handler.start, handler.end)] };
        let out = folder.join("cycles.jsonl");
        self.run(firmware, folder, |command| estimator.attach(command, &places, &out))?;
        let regions = Estimates::read(&out)?.regions(0, 1)?;
        // The first is empty: what marking costs.
        let (empty, all) = regions.split_first().context("no regions")?;
        Ok(all.iter().map(|region| region.cycles.saturating_sub(empty.cycles)).collect())
    }
}

/// Reads what the firmware says.
pub(crate) fn counts(said: &str) -> anyhow::Result<Vec<Count>> {
    let numbers = |line: &str, name: &str| -> Option<Vec<u64>> {
        line.strip_prefix(name)?.split_whitespace().map(|word| word.parse().ok()).collect()
    };
    let known = said.lines().find_map(|line| numbers(line, "known "));
    let [instructions, ticks, empty] = known.and_then(|known| known.try_into().ok()).context("no known loop")?;
    ensure!(ticks > 0, "the counter does not move");
    let convert = |ticks_of: u64| (ticks_of * instructions + ticks / 2) / ticks;
    let case = |line: &str| {
        let [kernel, view] = numbers(line, "case ")?.try_into().ok()?;
        let instructions = convert(kernel).saturating_sub(convert(empty));
        Some(Count { instructions, cycles: None, view: convert(view) })
    };
    let cases = said.lines().filter(|line| line.starts_with("case "));
    cases.map(|line| case(line).ok_or_else(|| anyhow!("\"{line}\" is no count"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_instructions() {
        let said = "isa Dsp\nknown 10000 64000 64\ncase 6464 128\ncase 640064 64\n";
        let of = |instructions, view| Count { instructions, cycles: None, view };
        assert_eq!(counts(said).unwrap(), [of(1000, 20), of(100_000, 10)]);
        assert!(counts("case 1 2\n").unwrap_err().to_string().contains("no known loop"));
        assert!(counts("known 1 1 0\ncase x\n").unwrap_err().to_string().contains("is no count"));
    }
}
