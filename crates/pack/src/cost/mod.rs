//! What operations take on a core, predicted from measurements.
//!
//! `cargo xtask bench kernels --write` measures single operations of many shapes, layouts and densities on every emulated
//! core; the files are in `costs/`. For each kind of kernel a sum of products of its shape (pixels, groups, blocks, ...)
//! is fitted to them. What was measured on the layers of whole models is kept apart, to check the fit.
//!
//! Costs are executed instructions, and estimated cycles where an estimator knows the core. Neither is time.

mod features;
mod fit;
mod job;
mod table;
mod vectors;
mod wide;

pub use job::Job;
pub use table::{Alternatives, COLUMNS, CORES, Sample, Set, Table};

use niwaki_blob::{Blob, ReadError};

/// What something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Executed instructions.
    pub instructions: f64,
    /// Estimated cycles, where the core has an estimator.
    pub cycles: Option<f64>,
}

impl Cost {
    /// What counts when two are compared: cycles, where both have them, else instructions.
    pub fn compare(&self, other: &Self) -> core::cmp::Ordering {
        match (self.cycles, other.cycles) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => self.instructions.total_cmp(&other.instructions),
        }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let cycles = self.cycles.zip(other.cycles).map(|(a, b)| a + b);
        Self { instructions: self.instructions + other.instructions, cycles }
    }
}

/// Why there is no prediction.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// A core that was not measured.
    #[error("nothing was measured on the core {0}; there are costs of: {all}", all = CORES.join(", "))]
    Core(String),
    /// A blob that cannot be read.
    #[error("no costs of a blob that cannot be read: {0}")]
    Blob(ReadError),
    /// An operation of which nothing like it was measured.
    #[error(
        "layer {layer}: no {kernel} was measured on {core}; measure it: cargo xtask bench kernels --board all --write"
    )]
    Kernel {
        /// Index of the operation.
        layer: usize,
        /// The kernel.
        kernel: String,
        /// The core.
        core: String,
    },
}

/// Predicts what every operation of a blob takes on a core, in order, its share of going through the blob included.
///
/// The blob must be in the layout that the core's kernels read ([`crate::repack`]). Cores are named as in board.toml.
///
/// # Errors
/// Says what is not known.
pub fn predict(blob: &[u8], core: &str) -> Result<Vec<Cost>, CostError> {
    let table = Table::of(core).ok_or_else(|| CostError::Core(core.into()))?;
    let blob = Blob::read(blob).map_err(CostError::Blob)?;
    let jobs = blob.records().iter().filter_map(|record| Job::read(&blob, record));
    let cost = |(layer, job): (usize, Job)| {
        let unknown = || CostError::Kernel { layer, kernel: job.kernel(), core: core.into() };
        table.step(&job).ok_or_else(unknown)
    };
    jobs.enumerate().map(cost).collect()
}
