//! Image classification as MLPerf Tiny does it, as an ordinary Burn module.

mod data;
mod model;

pub use data::{CLASSES, SIDE, flip_and_shift, split};
pub use model::ResNet8;

use niwaki_compile::{Project, Task, capture, weights_in_order};

/// What niwaki has to know about it.
pub fn project() -> Project<ResNet8> {
    Project {
        name: env!("CARGO_PKG_NAME"),
        folder: env!("CARGO_MANIFEST_DIR"),
        model: ResNet8::new,
        capture: |model| capture(model, [1, 3, SIDE, SIDE], ResNet8::forward),
        weights: Some(|graph| weights_in_order(graph, &reference()?)),
        data: split,
        augment: Some(flip_and_shift),
        task: Task::CLASSIFICATION,
    }
}

/// MLPerf Tiny's reference weights.
fn reference() -> Result<std::path::PathBuf, String> {
    let data = niwaki_data::DataFolder::of_model(env!("CARGO_PKG_NAME")).map_err(|error| error.to_string())?;
    data.file("models/ic_float.safetensors").map_err(|error| error.to_string())
}
