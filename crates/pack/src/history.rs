//! How a pruned network came about: `record.json`, which a model keeps beside its pruned weights.
//!
//! A model's folder `pruned/` holds [`WEIGHTS`], the packed network `MODEL.nwk`, and [`RECORD`], a [`History`]. As long as
//! the model's recipe and unpruned weights are those of the record, packing takes these weights instead of pruning anew.

use crate::artefact::{ArtefactError, Variant, format_error, read, write_atomically};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The folder inside a model's.
pub const FOLDER: &str = "pruned";

/// File name of the pruned network, as a graph with its weights.
pub const WEIGHTS: &str = "weights.safetensors";

/// File name of the [`History`].
pub const RECORD: &str = "record.json";

/// What a pruned network was made of, how that went, and what came out. Figures are those of the run that wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The model's name.
    pub model: String,
    /// What makes it anew.
    pub command: String,
    /// Seed of everything random.
    pub seed: u64,
    /// `recipe.toml`, key by key.
    pub recipe: serde_json::Value,
    /// SHA-256 of the unpruned network, weights included.
    pub unpruned_sha256: String,
    /// What was learnt from and judged by.
    pub data: Vec<DataHash>,
    /// What was done, in order.
    pub steps: Vec<Passage>,
    /// How long the steps took, in seconds of the clock, on a machine that may have been busy.
    pub seconds: f64,
    /// What the qualities are, from 0 to 1.
    pub metric: String,
    /// The network before pruning.
    pub unpruned: Variant,
    /// The network after it; its blob is the one in the folder.
    pub pruned: Variant,
    /// Multiply-accumulates by weights that are not zero, before and after.
    pub live_macs: [usize; 2],
    /// What the pruned network in int8 yields for the test samples.
    pub golden: Golden,
}

/// A set of samples, by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataHash {
    /// `train`, `test`, or the name of a further set.
    pub name: String,
    /// Number of samples.
    pub samples: usize,
    /// SHA-256 over inputs (f32), labels (u64) and targets (f32), little-endian.
    pub sha256: String,
}

/// A step of pruning, and the training that followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// Such as `channels 1/4`, or `int8` for training with the rounding of int8.
    pub name: String,
    /// Multiply-accumulates by weights that are not zero, after it.
    pub live_macs: usize,
    /// Mean loss and accuracy of each epoch; of samples without labels, the accuracy is how often the teacher agrees.
    pub curve: Vec<(f64, f64)>,
    /// How long the training took, in seconds of the clock.
    pub seconds: f64,
}

/// Outputs to compare with: of every test sample as a hash, of the first ones as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// SHA-256 of all int8 inputs, one after the other.
    pub inputs_sha256: String,
    /// SHA-256 of all int8 outputs, one after the other.
    pub outputs_sha256: String,
    /// The first outputs, as bytes in hexadecimal.
    pub first: Vec<String>,
}

impl History {
    /// Reads it from a model's folder; `None` where there is none.
    ///
    /// # Errors
    /// [`ArtefactError::Format`] where the record is not what this version writes.
    pub fn of_model(folder: &Path) -> Result<Option<Self>, ArtefactError> {
        let path = folder.join(FOLDER).join(RECORD);
        match path.exists() {
            true => serde_json::from_slice(&read(&path)?).map(Some).map_err(|error| format_error(&path, error)),
            false => Ok(None),
        }
    }

    /// Writes it into a model's folder.
    pub fn save(&self, folder: &Path) -> Result<(), ArtefactError> {
        let json = serde_json::to_vec_pretty(self).expect("a record has string keys only");
        write_atomically(&folder.join(FOLDER).join(RECORD), &json)
    }
}
