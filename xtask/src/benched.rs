//! What `bench MODEL` measured, and where it is kept.

use crate::{elf::Sections, measure::Unit, timing::median, variant::Which};
use niwaki_pack::artefact::write_atomically;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// In the folder of a model on a board.
pub(crate) const FILE: &str = "bench.json";

/// A figure of several runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) median: u64,
    pub(crate) least: u64,
    pub(crate) most: u64,
    /// Of the median; absent where the unit is no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) milliseconds: Option<f64>,
}

impl Figure {
    /// Of runs in a unit of which there are `hz` in a second; 0 where it is no time.
    pub(crate) fn of(runs: Vec<u64>, hz: u64) -> Self {
        let (least, most) = (runs.iter().copied().min().unwrap_or(0), runs.iter().copied().max().unwrap_or(0));
        let median = median(runs);
        let milliseconds = (hz > 0).then(|| median as f64 * 1000.0 / hz as f64);
        Self { median, least, most, milliseconds }
    }
}

/// The whole or a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) macs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) measured: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_cycles: Option<u64>,
    /// Instructions and cycles that the core's measured costs predict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) predicted: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) predicted_cycles: Option<u64>,
    /// Instructions and estimated cycles by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) mix: BTreeMap<String, [u64; 2]>,
}

/// One of a model's networks on one board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) variant: Which,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<Unit>,
    pub(crate) whole: Line,
    pub(crate) layers: Vec<Line>,
    /// Bytes of the blob that the board holds.
    pub(crate) blob_bytes: usize,
    /// Bytes of the arena, exact.
    pub(crate) arena_bytes: usize,
    /// Bytes of flash that the firmware takes, and of RAM without the stack; absent for a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) firmware: Option<Sections>,
    /// Bytes of the stack that were used, and that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack: Option<(u32, u32)>,
    /// What the estimated cycles are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Why something is not there.
    pub(crate) missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mlperf: Option<Mlperf>,
}

/// A run over all test samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mlperf {
    pub(crate) samples: usize,
    /// The report's metric; absent where the board did not repeat the host's outputs and only those tell.
    pub(crate) accuracy: Option<f64>,
    pub(crate) differing: usize,
    /// One inference, over samples: the median of five batches' means is what MLPerf Tiny calls latency.
    pub(crate) latency: Option<Figure>,
}

/// A model on one board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bench {
    /// The model's name.
    pub(crate) model: String,
    /// Of the report that the networks were packed with.
    pub(crate) recipe_hash: String,
    pub(crate) board: String,
    pub(crate) core: String,
    pub(crate) emulated: bool,
    pub(crate) silicon: Option<bool>,
    pub(crate) networks: Vec<Network>,
}

impl Bench {
    /// Keeps it in this folder; gives the file.
    pub(crate) fn save(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join(FILE);
        write_atomically(&path, &serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }

    /// One of its networks.
    pub(crate) fn network(&self, which: Which) -> Option<&Network> {
        self.networks.iter().find(|network| network.variant == which)
    }
}
