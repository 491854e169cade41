//! The last host stage: a plan becomes the bytes of a blob, and what a board run needs becomes files.

pub mod artefact;
#[cfg(feature = "repack")]
mod cost;
#[cfg(feature = "pack")]
mod layers;
#[cfg(feature = "pack")]
mod pack;
#[cfg(feature = "pack")]
mod record;
#[cfg(feature = "repack")]
mod repack;

#[cfg(feature = "pack")]
pub use layers::layers;
#[cfg(feature = "repack")]
pub use niwaki_kernels::Isa;
#[cfg(feature = "pack")]
pub use pack::{PackError, pack};
#[cfg(feature = "repack")]
pub use repack::repack;
