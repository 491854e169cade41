//! niwaki's device API: runs a pruned, quantised network straight from flash, without an allocator and without panics.
//!
//! ```
//! # fn main() -> Result<(), niwaki::Error> {
//! // On a device this is the blob that `cargo xtask deploy` wrote.
//! static BLOB: &[u8] = niwaki::include_blob!("../tests/data/tiny.nwk");
//! const ARENA_BYTES: usize = niwaki::arena_bytes(BLOB);
//!
//! let model = niwaki::Model::read(BLOB)?;
//! let mut arena = niwaki::Arena::<ARENA_BYTES>::new();
//! let mut session = model.session(&mut arena)?;
//! session.input_mut(0).fill(3);
//! session.run()?;
//! let scores = session.output(0);
//! # assert_eq!(scores.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! [`Model::read_linked`] links only the kernels that a blob uses; [`Session::run_observed`] times layers.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "threads")]
extern crate std;

mod arena;
mod error;
mod include;
mod model;
mod observe;
mod quantise;
mod session;
mod summary;
#[cfg(feature = "threads")]
mod threads;

pub use arena::Arena;
pub use error::Error;
#[doc(hidden)]
pub use include::Aligned;
pub use model::{Model, Port};
pub use niwaki_blob::{Blob, OpKind, ReadError, Shape, arena_bytes, op_set};
pub use niwaki_kernels::ALL_OPS;
pub use observe::Observer;
pub use quantise::Quantisation;
pub use session::Session;
pub use summary::Summary;
#[cfg(feature = "threads")]
pub use threads::Threads;
