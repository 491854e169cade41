//! The last host stage: a plan becomes the bytes of a blob, and what a board run needs becomes files.
//!
//! A blob is packed once in the plain layout that every target runs; [`repack`] brings it into the layout that one
//! instruction set's kernels read, with the same results bit for bit.

pub mod artefact;
mod compact;
pub mod cost;
mod error;
pub mod golden;
pub mod history;
#[cfg(feature = "pack")]
mod layers;
#[cfg(feature = "pack")]
mod pack;
#[cfg(feature = "pack")]
mod record;
mod repack;
mod scratch;

pub use compact::compact;
pub use error::PackError;
#[cfg(feature = "pack")]
pub use layers::layers;
pub use niwaki_kernels::Isa;
#[cfg(feature = "pack")]
pub use pack::pack;
pub use repack::{Form, forms, repack, repack_as, repack_for};
