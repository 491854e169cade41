//! The last host stage: a plan becomes the bytes of a blob, and what a board run needs becomes files.

pub mod artefact;
#[cfg(feature = "pack")]
mod layers;
#[cfg(feature = "pack")]
mod pack;
#[cfg(feature = "pack")]
mod record;

#[cfg(feature = "pack")]
pub use layers::layers;
#[cfg(feature = "pack")]
pub use pack::{PackError, pack};
