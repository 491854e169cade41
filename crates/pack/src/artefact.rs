//! The files under `target/niwaki/MODEL/`: what a model's binary leaves and `cargo xtask` picks up.
//!
//! `report.json` is a [`Report`]. It names, for the unpruned and the pruned network, a blob (`*.nwk`) and an evaluation
//! set (`*.eval.safetensors`, an [`EvalSet`]): inputs as int8, labels, and the outputs that the host computed.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::{io::Write, path::Path};

/// The metric that follows from labels and outputs alone: the share of samples whose largest output is at their label.
pub const TOP_1: &str = "top-1";

/// File name of the [`Report`].
pub const REPORT: &str = "report.json";

/// What was made of a model, in figures. Everything here was measured on the host by the run that wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// Hash over recipe, weights and data (lower-case hex SHA-256): the same hash, the same blobs.
    pub recipe_hash: String,
    /// What `quality` figures are, from 0 to 1: [`TOP_1`], or what the model calls its own.
    pub metric: String,
    /// The network before pruning.
    pub unpruned: Variant,
    /// The network after pruning and fine-tuning.
    pub pruned: Variant,
}

/// One network: before or after pruning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// File name of the blob.
    pub blob: String,
    /// File name of the evaluation set.
    pub eval: String,
    /// Test samples that the qualities below are measured on.
    pub samples: usize,
    /// The metric in f32 on Burn.
    pub float_quality: f64,
    /// The metric in int8 on the host.
    pub int8_quality: f64,
    /// How good it is on further sets of samples, which only the host ran.
    pub more: Vec<Quality>,
    /// Parameters of the float network, after folding batch normalisation.
    pub parameters: usize,
    /// Multiply-accumulates of one inference.
    pub macs: usize,
    /// Size of the blob.
    pub blob_bytes: usize,
    /// Exact arena size, tensors and scratch.
    pub arena_bytes: usize,
    /// Channels that convolutions and linear layers yield, but for those of the layers that compute the outputs.
    pub channels: usize,
    /// The operations in the blob's order.
    pub layers: Vec<Layer>,
}

/// How good a network is on one set of samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Name of the set.
    pub name: String,
    /// Number of samples.
    pub samples: usize,
    /// Fraction right in f32 on Burn.
    pub float: f64,
    /// Fraction right in int8 on the host.
    pub int8: f64,
}

/// One operation of a blob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Name in the graph, such as `conv1`.
    pub name: String,
    /// Kind in the blob, such as `conv2d`.
    pub kind: String,
    /// Output height, width, channels.
    pub output: [usize; 3],
    /// Multiply-accumulates.
    pub macs: usize,
    /// Bytes of weights, biases, multipliers and tables.
    pub parameter_bytes: usize,
}

/// Inputs for a board, and what the host made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalSet {
    /// Bytes of one input.
    pub input_bytes: usize,
    /// Bytes of one output.
    pub output_bytes: usize,
    /// Inputs, one after the other, in the blob's order (height, width, channels).
    pub inputs: Vec<i8>,
    /// The right class of each.
    pub labels: Vec<u16>,
    /// The host's output for each.
    pub outputs: Vec<i8>,
}

/// A file that is missing or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// The file system refused.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is not what this version writes.
    #[error("{path}: {reason}; make it anew with `cargo xtask pack MODEL`")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

pub(crate) fn format_error(path: &Path, reason: impl ToString) -> ArtefactError {
    ArtefactError::Format { path: path.display().to_string(), reason: reason.to_string() }
}

/// Writes a file whole or not at all: an earlier one stays until the new one is complete.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ArtefactError> {
    let file = |source| ArtefactError::File { path: path.display().to_string(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(file)?;
    let mut part = temporary().tempfile_in(folder).map_err(file)?;
    part.write_all(bytes).map_err(file)?;
    part.persist(path).map_err(|error| file(error.error))?;
    Ok(())
}

/// Readable by others, as files that programs write usually are; temporary ones are not by default.
fn temporary<'a>() -> tempfile::Builder<'a, 'a> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    builder
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ArtefactError> {
    std::fs::read(path).map_err(|source| ArtefactError::File { path: path.display().to_string(), source })
}

/// The class with the largest output; of equal ones the first.
pub fn largest(output: &[i8]) -> Option<usize> {
    (0..output.len()).rev().max_by_key(|class| output[*class])
}

impl Report {
    /// Writes it into a model's folder.
    pub fn save(&self, folder: &Path) -> Result<(), ArtefactError> {
        let json = serde_json::to_vec_pretty(self).expect("a report has string keys only");
        write_atomically(&folder.join(REPORT), &json)
    }

    /// Reads it from a model's folder.
    pub fn load(folder: &Path) -> Result<Self, ArtefactError> {
        let path = folder.join(REPORT);
        serde_json::from_slice(&read(&path)?).map_err(|error| format_error(&path, error))
    }
}

impl EvalSet {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Input, label and host output of one sample.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn sample(&self, index: usize) -> (&[i8], u16, &[i8]) {
        let input = &self.inputs[index * self.input_bytes..][..self.input_bytes];
        let output = &self.outputs[index * self.output_bytes..][..self.output_bytes];
        (input, self.labels[index], output)
    }

    /// Share of the samples whose largest output is at their label.
    pub fn top1(&self) -> f64 {
        let right = (0..self.len())
            .map(|index| self.sample(index))
            .filter(|(_, label, output)| largest(output) == Some(usize::from(*label)));
        right.count() as f64 / self.len().max(1) as f64
    }

    /// Writes it.
    pub fn save(&self, path: &Path) -> Result<(), ArtefactError> {
        let signed = |data: &[i8]| data.iter().map(|x| *x as u8).collect::<Vec<u8>>();
        let (inputs, outputs) = (signed(&self.inputs), signed(&self.outputs));
        let labels: Vec<u8> = self.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        let view = |dtype, shape: Vec<usize>, data| TensorView::new(dtype, shape, data);
        let tensors = [
            ("inputs", view(Dtype::I8, vec![self.len(), self.input_bytes], &inputs)),
            ("labels", view(Dtype::U16, vec![self.len()], &labels)),
            ("outputs", view(Dtype::I8, vec![self.len(), self.output_bytes], &outputs)),
        ];
        let tensors: Result<Vec<_>, _> = tensors.into_iter().map(|(name, view)| Ok((name, view?))).collect();
        let whole = tensors.and_then(|tensors| safetensors::serialize(tensors, None));
        write_atomically(path, &whole.map_err(|error| format_error(path, error))?)
    }

    /// Reads it.
    pub fn load(path: &Path) -> Result<Self, ArtefactError> {
        let bytes = read(path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| format_error(path, error))?;
        let tensor = |name: &str, dtype: Dtype, rank: usize| {
            let tensor = file.tensor(name).map_err(|error| format_error(path, error))?;
            match tensor.dtype() == dtype && tensor.shape().len() == rank {
                true => Ok(tensor),
                false => Err(format_error(path, format!("tensor `{name}` has another type or rank"))),
            }
        };
        let (inputs, outputs) = (tensor("inputs", Dtype::I8, 2)?, tensor("outputs", Dtype::I8, 2)?);
        let labels = tensor("labels", Dtype::U16, 1)?;
        if inputs.shape()[0] != labels.shape()[0] || outputs.shape()[0] != labels.shape()[0] {
            return Err(format_error(path, "inputs, labels and outputs differ in number"));
        }
        let signed = |data: &[u8]| data.iter().map(|x| *x as i8).collect();
        Ok(Self {
            input_bytes: inputs.shape()[1],
            output_bytes: outputs.shape()[1],
            inputs: signed(inputs.data()),
            labels: labels.data().as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect(),
            outputs: signed(outputs.data()),
        })
    }
}
