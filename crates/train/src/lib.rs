//! Runs, calibrates and trains a [`niwaki_graph::Graph`] on any Burn device.
//!
//! One mechanism, [`GraphModule`], turns a graph into a Burn module, whatever model it was captured from and whatever
//! pruning left of it. The functions of this crate are what the other stages need from it:
//!
//! | function | for |
//! |---|---|
//! | [`evaluate`], [`evaluate_by`], [`predict`], [`Metric`] | accuracy, loss and quality before and after each stage |
//! | [`observe`] | the range of every value: calibration |
//! | [`gradients`], [`gradients_each`] | importance scores |
//! | [`gate_gradients`], [`learn_gates`] | importance of whole structures |
//! | [`fit`] | training, fine-tuning with masks, distillation |
//!
//! This crate knows nothing of pruning, of quantisation and of boards.

mod batch;
mod config;
mod convolution;
mod device;
mod error;
mod evaluate;
mod fake;
mod fit;
mod forward;
mod gates;
mod gradients;
mod loss;
mod module;
mod observe;
mod samples;
mod teacher;
mod tensor;

pub use burn::tensor::Device;
pub use config::{FeaturePair, Features, Loss, Mask, Optimiser, Progress, Schedule, Teacher, TrainConfig};
pub use device::{DeviceError, DeviceName};
pub use error::TrainError;
pub use evaluate::{Evaluation, Metric, evaluate, evaluate_by, predict};
pub use fake::{FakeQuantisation, FakeWeight, Steps};
pub use fit::{Augment, TrainingData, fit};
pub use gates::{Gates, Learned, Penalty, UNGATED, gate_curvatures, gate_gradients, learn_gates};
pub use gradients::{Gradients, gradients, gradients_each};
pub use module::GraphModule;
pub use observe::{Visit, observe, observe_rounded};
pub use rand_chacha::ChaCha8Rng;
pub use samples::Samples;
pub use teacher::feature_pairs;
pub use tensor::DynTensor;
