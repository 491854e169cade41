//! Handwritten digits as an ordinary Burn module.

mod data;
mod model;

pub use data::{CLASSES, SIDE, shift, split};
pub use model::Digits;

use niwaki_compile::{Project, Task, capture};

/// What niwaki has to know about it.
pub fn project() -> Project<Digits> {
    Project {
        name: env!("CARGO_PKG_NAME"),
        folder: env!("CARGO_MANIFEST_DIR"),
        model: Digits::new,
        capture: |model| capture(model, [1, 1, SIDE, SIDE], Digits::forward),
        weights: None,
        data: split,
        augment: Some(shift),
        task: Task::CLASSIFICATION,
    }
}
