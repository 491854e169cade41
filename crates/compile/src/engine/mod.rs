//! The pruning engine: scores, removes, trains on, step by step.
//!
//! It works on any [`Graph`](niwaki_graph::Graph), whether that is ever deployed or not, and gives one back:
//!
//! ```no_run
//! use niwaki_compile::engine::{Bench, Stage, prune};
//! use niwaki_compile::{FineTune, Importance, Samples, Structure, Task};
//! use niwaki_train::Device;
//!
//! # fn example(graph: &niwaki_compile::Graph, samples: &Samples) -> Result<(), niwaki_compile::CompileError> {
//! let device = Device::flex();
//! let fine_tune = FineTune { epochs: 3, ..FineTune::default() };
//! let mut bench = Bench::new(samples, Task::CLASSIFICATION, &fine_tune, &device);
//! let stage = Stage { structure: Structure::Channels, importance: Importance::Taylor, ..Stage::ratio(0.5) };
//! let pruned = prune(graph, &[stage], &mut bench, None)?;
//! pruned.graph.save(std::path::Path::new("pruned.safetensors"))?;
//! # Ok(())
//! # }
//! ```

mod bench;
mod explain;
mod follow;
mod freed;
mod qat;
mod reconstruct;
mod resume;
mod run;
mod score;
mod sensitivity;
mod stage;
mod table;

pub use bench::{Bench, Watch};
pub use explain::{LayerError, explain};
pub use freed::{FreedInstructions, freed_instructions};
pub use qat::{Trained, fake_quantisation, train_quantised};
pub use reconstruct::reconstruct;
pub(crate) use reconstruct::reconstruct_near;
pub use resume::Keep;
pub use run::{Pruned, Step, prune};
pub(crate) use score::curvatures;
pub use score::{SavedScores, SiteScores, gates, score};
pub use sensitivity::sensitivity;
pub use stage::{Amount, Pace, Share, Stage};
pub use table::{Cell, Row, table};
