//! Handwritten digits as an ordinary Burn module. Nothing here but `main.rs` knows niwaki.

mod data;
mod model;

pub use data::{CLASSES, SIDE, shift, split};
pub use model::Digits;
