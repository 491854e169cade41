//! Scores -> coupled groups -> decisions -> a smaller [`Graph`](niwaki_graph::Graph). Knows no Burn.
//!
//! Removing a channel of one layer forces removals elsewhere: in everything that reads it, and in every layer whose
//! output is added to, multiplied with or normalised like it. [`groups`] finds these couplings from the graph alone.
//!
//! ```text
//! graph --groups--> Groups --scores--> Scores --decide--> Decision --shrink--> smaller graph
//!                                                            \------mask----> same shapes, same results
//! ```
//!
//! - A [`Unit`] is the smallest removal that leaves a valid graph: slices of parameters that go together.
//! - A [`Group`] is a set of interchangeable units: they touch the same axes of the same parameters, so they compete.
//! - [`Sites`] are the same for any [`Structure`]: channels, residual branches, blocks, N:M, single weights.
//! - [`Scores`] hold one number per unit. [`Importance`] computes them; others may come from anywhere.
//! - A [`Decision`] names what leaves. It can be saved, and applied to any graph with the same groups.
//! - [`remove`] and [`silence`] carry the same decision out, physically and by zeros; both compute the same function.
//!   For channels they are [`shrink`] and [`mask`].
//! - [`lossless`] removes channels that are zero, constant or unread, without any change to the outputs.
//! - [`block_masks`] choose among blocks of weights inside layers; kernels skip what they drop.
//! - [`Report`] compares the graph before and after, layer by layer.

mod allocate;
mod apply;
mod atoms;
mod blocks;
mod branches;
mod constants;
mod cost;
mod decision;
mod error;
mod groups;
mod importance;
mod lossless;
mod mask;
mod norm;
mod report;
mod shrink;
mod sites;
mod structure;
mod target;
mod trace;

pub use allocate::{Allocation, Curves, Limits};
pub use apply::{live_macs, masks, remove, silence, sparse_params, zeroed_params};
pub use blocks::{BLOCK_TERMS, BlockMask, BlockShape, apply_block_masks, block_masks};
pub use decision::{Decision, Removal};
pub use error::PruneError;
pub use groups::{Frozen, Group, Groups, Role, Slice, Unit, groups};
pub use importance::{Evidence, Importance, Needs};
pub use lossless::{Dead, lossless, silence_dead};
pub use mask::mask;
pub use norm::{Norm, Scores};
pub use report::{LayerReport, Report, Size, hidden_channels};
pub use shrink::shrink;
pub use sites::{NO_UNIT, Site, Sites, UnitMap, sites};
pub use structure::Structure;
pub use target::{Target, uniform_for};
