//! What a model's crate tells the street.

use burn::{module::Module, tensor::Device};
use niwaki_capture::CaptureError;
use niwaki_graph::Graph;
use niwaki_quantise::Quantisation;
use niwaki_train::{ChaCha8Rng, Loss, Metric, Samples};

/// Samples to learn from and samples to be judged by.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// For training, fine-tuning and calibration.
    pub train: Samples,
    /// For reporting alone; boards run these.
    pub test: Samples,
    /// More samples for reporting, each set with its name: the host alone runs them.
    pub more: Vec<(String, Samples)>,
    /// How inputs are quantised, where that is not for calibration to choose: a front end yields int8.
    pub input: Option<Quantisation>,
}

/// What a model is for: what training makes small, and the figure it is judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// What training and scores by gradients use.
    pub loss: Loss,
    /// What reports show, for float and int8.
    pub metric: Metric,
}

impl Task {
    /// Classes: cross-entropy, judged by top-1.
    pub const CLASSIFICATION: Self = Self { loss: Loss::CrossEntropy, metric: Metric::TOP_1 };

    /// Outputs that should come close to the samples' targets, or to the inputs themselves where samples have none (an
    /// autoencoder), judged by a figure of the model's own, such as the area under a curve.
    pub const fn regression(metric: Metric) -> Self {
        Self { loss: Loss::MeanSquared, metric }
    }
}

impl DataSet {
    /// Training and test samples, and nothing else.
    pub fn new(train: Samples, test: Samples) -> Self {
        Self { train, test, more: Vec::new(), input: None }
    }
}

/// Puts trained weights into a captured graph; an error says what is missing and what to do.
pub type Fill = fn(&mut Graph) -> Result<(), String>;

/// A model and its data.
pub struct Project<M: Module> {
    /// The crate's name: `env!("CARGO_PKG_NAME")`.
    pub name: &'static str,
    /// Where `recipe.toml` and the weights are: `env!("CARGO_MANIFEST_DIR")`.
    pub folder: &'static str,
    /// The model with fresh weights, or with its own where the recipe has no `[train]`.
    pub model: fn(&Device) -> M,
    /// Its forward pass as a graph; [`crate::capture`] with the shape of one input.
    pub capture: fn(&M) -> Result<Graph, CaptureError>,
    /// What it is for.
    pub task: Task,
    /// Puts trained weights into the captured graph, where they are neither the module's own nor in its folder; see
    /// [`crate::weights_in_order`].
    pub weights: Option<Fill>,
    /// Its data; an error says what is missing and what to do.
    pub data: fn() -> Result<DataSet, String>,
    /// Changes a training sample in place each time it is used.
    pub augment: Option<fn(&mut [f32], &mut ChaCha8Rng)>,
}
