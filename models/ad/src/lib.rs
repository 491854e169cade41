//! Anomaly detection in machine sounds as MLPerf Tiny does it, as an ordinary Burn module.

mod data;
mod model;

pub use data::{AUC, BANDS, FRAMES, WINDOWS, change, split};
pub use model::Autoencoder;

use niwaki_compile::{Project, Task, capture, weights_in_order};

/// What niwaki has to know about it.
pub fn project() -> Project<Autoencoder> {
    Project {
        name: env!("CARGO_PKG_NAME"),
        folder: env!("CARGO_MANIFEST_DIR"),
        model: Autoencoder::new,
        capture: |model| capture(model, [1, FRAMES * BANDS], Autoencoder::forward),
        weights: Some(|graph| weights_in_order(graph, &reference()?)),
        data: split,
        augment: Some(change),
        task: Task::regression(AUC),
    }
}

/// MLPerf Tiny's reference weights.
fn reference() -> Result<std::path::PathBuf, String> {
    let data = niwaki_data::DataFolder::of_model(env!("CARGO_PKG_NAME")).map_err(|error| error.to_string())?;
    data.file("models/ad_float.safetensors").map_err(|error| error.to_string())
}
