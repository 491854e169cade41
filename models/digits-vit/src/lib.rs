//! Handwritten digits by a small vision transformer, on the data of `models/digits`.

mod model;

pub use model::DigitsVit;

use digits::{SIDE, shift, split};
use niwaki_compile::{Project, Task, capture};

/// What niwaki has to know about it.
pub fn project() -> Project<DigitsVit> {
    Project {
        name: env!("CARGO_PKG_NAME"),
        folder: env!("CARGO_MANIFEST_DIR"),
        model: DigitsVit::new,
        capture: |model| capture(model, [1, 1, SIDE, SIDE], DigitsVit::forward),
        weights: None,
        data: split,
        augment: Some(shift),
        task: Task::CLASSIFICATION,
    }
}
