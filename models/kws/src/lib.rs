//! Keyword spotting as MLPerf Tiny does it, as an ordinary Burn module.

mod data;
mod model;

pub use data::{CLASSES, COEFFICIENTS, FRAMES, change, split};
pub use model::DsCnn;

use niwaki_compile::{Project, Task, capture, weights_in_order};

/// What niwaki has to know about it.
pub fn project() -> Project<DsCnn> {
    Project {
        name: env!("CARGO_PKG_NAME"),
        folder: env!("CARGO_MANIFEST_DIR"),
        model: DsCnn::new,
        capture: |model| capture(model, [1, 1, FRAMES, COEFFICIENTS], DsCnn::forward),
        weights: Some(|graph| weights_in_order(graph, &reference()?)),
        data: split,
        augment: Some(change),
        task: Task::CLASSIFICATION,
    }
}

/// MLPerf Tiny's reference weights.
fn reference() -> Result<std::path::PathBuf, String> {
    let data = niwaki_data::DataFolder::of_model(env!("CARGO_PKG_NAME")).map_err(|error| error.to_string())?;
    data.file("models/kws_float.safetensors").map_err(|error| error.to_string())
}
