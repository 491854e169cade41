//! What can go wrong on the street, each with what to do about it.

use std::path::{Path, PathBuf};

/// A stage that could not finish. Files of earlier runs are as they were.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The recipe does not parse, or a value is out of range.
    #[error("{}: {reason}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model's data cannot be had.
    #[error("{0}")]
    Data(String),
    /// Weights do not belong to this model.
    #[error("{}: {reason}; train the model again with `cargo xtask train {model} --install`", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
        /// The model.
        model: String,
    },
    /// `train` was asked of a model whose recipe has no `[train]`.
    #[error("the recipe of `{0}` has no [train]: it brings its own weights")]
    NotTrainable(String),
    /// Saved scores cannot be read.
    #[error("{}: no scores: {reason}", path.display())]
    Scores {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model's forward pass has something that niwaki cannot express.
    #[error(transparent)]
    Capture(#[from] niwaki_capture::CaptureError),
    /// The requested device is not there.
    #[error(transparent)]
    Device(#[from] niwaki_train::DeviceError),
    /// Training or evaluation failed.
    #[error(transparent)]
    Train(#[from] niwaki_train::TrainError),
    /// The graph cannot be pruned.
    #[error(transparent)]
    Prune(#[from] niwaki_prune::PruneError),
    /// The graph cannot be quantised.
    #[error(transparent)]
    Quantise(#[from] niwaki_quantise::QuantiseError),
    /// The quantised graph has no form on a device.
    #[error(transparent)]
    Plan(#[from] niwaki_plan::PlanError),
    /// The plan does not fit the format.
    #[error(transparent)]
    Pack(#[from] niwaki_pack::PackError),
    /// What a graph takes on a core is not known.
    #[error(transparent)]
    Cost(#[from] niwaki_pack::cost::CostError),
    /// A graph file cannot be written or read.
    #[error(transparent)]
    Graph(#[from] niwaki_graph::IoError),
    /// A result cannot be written or read.
    #[error(transparent)]
    Artefact(#[from] niwaki_pack::artefact::ArtefactError),
    /// A network cannot be fitted to a budget.
    #[error("{0}")]
    Fit(String),
    /// The host's runtime refused what was packed.
    #[error("the packed network does not run on the host: {0}")]
    Run(niwaki::Error),
}

impl CompileError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_path_buf(), source }
    }
}
