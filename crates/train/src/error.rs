//! What can go wrong between a graph, a data set and a device; each message names the thing and the remedy.

use niwaki_graph::GraphError;

/// A graph, data set or configuration that cannot be run or trained.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TrainError {
    /// The graph breaks its own rules.
    #[error("the graph is not valid: {0}")]
    Graph(#[from] GraphError),
    /// A parameter or value has a rank that no tensor here can hold.
    #[error("{what} `{name}` has shape {shape:?}: {limit} dimensions can be run; reshape it in the model")]
    Rank {
        /// `parameter` or `value`.
        what: &'static str,
        /// Its name in the graph.
        name: String,
        /// Its shape, per sample.
        shape: Vec<usize>,
        /// Which ranks are possible.
        limit: &'static str,
    },
    /// The number of inputs or outputs is not what the function needs.
    #[error("the graph has {count} {what}: {problem}")]
    Arity {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// What is wrong with that, as words.
        problem: String,
    },
    /// Inputs of another shape than the graph takes.
    #[error("the graph's input `{name}` is {expected:?} per sample, the data are {got:?}: check the data set")]
    InputShape {
        /// The input's name.
        name: String,
        /// Per-sample shape in the graph.
        expected: Vec<usize>,
        /// Per-sample shape of the data.
        got: Vec<usize>,
    },
    /// A data set whose lengths contradict each other.
    #[error("{samples} labels need {expected} input elements of shape {shape:?}, there are {got}")]
    SampleLength {
        /// Number of labels.
        samples: usize,
        /// Per-sample shape.
        shape: Vec<usize>,
        /// Elements that labels and shape ask for.
        expected: usize,
        /// Elements there are.
        got: usize,
    },
    /// No sample, or a batch size of zero.
    #[error("{0}")]
    Empty(&'static str),
    /// A label that the graph has no output for.
    #[error("sample {sample} has label {label}, but the graph yields {classes} classes (labels count from 0)")]
    Label {
        /// Index of the sample.
        sample: usize,
        /// Its label.
        label: usize,
        /// Elements in the graph's output.
        classes: usize,
    },
    /// Cross-entropy of samples without labels.
    #[error("the samples have no labels: give them, or learn from a teacher alone (weight 1)")]
    Unlabelled,
    /// Targets of a regression that do not fit the graph's output.
    #[error(
        "{samples} samples need {samples} x {width} target elements for this graph's output, there are {got}; without \
         targets the graph learns to yield its input, which must have the output's size"
    )]
    Targets {
        /// Number of samples.
        samples: usize,
        /// Elements in the graph's output.
        width: usize,
        /// Elements there are.
        got: usize,
    },
    /// Features to match that are not in a graph.
    #[error("{whose} graph has no value `{name}` to match features at; name values that both graphs compute")]
    Feature {
        /// `the teacher's` or `the student's`.
        whose: &'static str,
        /// The value's name.
        name: String,
    },
    /// A student's features whose channels are not those of the teacher.
    #[error("`{name}` is {student:?} in the student and {teacher:?} in the teacher: the channels to match do not fit")]
    FeatureShape {
        /// The value's name.
        name: String,
        /// Its shape in the student.
        student: Vec<usize>,
        /// In the teacher.
        teacher: Vec<usize>,
    },
    /// A mask that does not fit its parameter.
    #[error("mask of {mask} elements for parameter `{name}` of {param}: {remedy}")]
    Mask {
        /// The parameter's name.
        name: String,
        /// Elements in the mask.
        mask: usize,
        /// Elements in the parameter.
        param: usize,
        /// What to do.
        remedy: &'static str,
    },
    /// A teacher with another output than the student.
    #[error("the teacher yields {teacher} classes, the student {student}: distil from a graph with the same classes")]
    Teacher {
        /// Classes of the teacher.
        teacher: usize,
        /// Classes of the student.
        student: usize,
    },
    /// A setting outside its range.
    #[error("{name} = {value} is outside {range}")]
    Setting {
        /// The setting's name in [`crate::TrainConfig`].
        name: &'static str,
        /// Its value.
        value: f64,
        /// The range, as text.
        range: &'static str,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step}, at learning rate {learning_rate:e}: lower the \
         learning rate, and check the samples and weights for NaN or infinity"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step in the epoch, from 1.
        step: usize,
        /// The loss: NaN or infinite.
        loss: f32,
        /// The learning rate of the step.
        learning_rate: f64,
    },
}
