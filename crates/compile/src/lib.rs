//! The street from a Burn model to a blob, and the command line that a model's binary gets.
//!
//! A model is a crate with a binary whose `main` is one call:
//!
//! ```no_run
//! # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! # #[derive(Module, Debug)] struct Net { fc: Linear }
//! # impl Net {
//! #     fn new(device: &Device) -> Self { Self { fc: LinearConfig::new(64, 10).init(device) } }
//! #     fn forward(&self, x: Tensor<2>) -> Tensor<2> { self.fc.forward(x) }
//! # }
//! # fn data() -> Result<niwaki_compile::DataSet, String> { Err("none".into()) }
//! fn main() -> std::process::ExitCode {
//!     niwaki_compile::main(niwaki_compile::Project {
//!         name: env!("CARGO_PKG_NAME"),
//!         folder: env!("CARGO_MANIFEST_DIR"),
//!         model: Net::new,
//!         capture: |net| niwaki_compile::capture(net, [1, 64], Net::forward),
//!         weights: None,
//!         data,
//!         augment: None,
//!         task: niwaki_compile::Task::CLASSIFICATION,
//!     })
//! }
//! ```
//!
//! `recipe.toml` beside it says how the model is trained, pruned and quantised; see [`Recipe`].

mod advice;
mod cli;
mod committed;
pub mod engine;
mod error;
pub mod fit;
mod fit_cli;
mod hash;
mod project;
mod recipe;
mod stages;
mod street;
mod study;
mod weights;

pub use cli::main;
pub use committed::install;
pub use error::CompileError;
pub use niwaki_capture::{CaptureError, CaptureOptions, capture, capture_with};
pub use niwaki_graph::Graph;
pub use niwaki_quantise::Quantisation;
pub use niwaki_train::{ChaCha8Rng, Loss, Metric, Samples};
pub use project::{DataSet, Fill, Project, Task};
pub use recipe::{
    BlockShape, Calibration, FineTune, Importance, Pace, Prune, Quantise, Recipe, Share, Structure, Then, Train,
};
pub use stages::{Int8, quantise_and_pack};
pub use street::{Context, Watch, pack, prune, train};
pub use weights::weights_in_order;
