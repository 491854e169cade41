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
//! - [`Scores`] hold one number per unit. [`Importance`] computes them from magnitudes; others may come from anywhere.
//! - A [`Decision`] names what leaves. It can be saved, and applied to any graph with the same groups.
//! - [`shrink`] and [`mask`] carry the same decision out, physically and by zeros; both compute the same function.
//! - [`block_masks`] choose among blocks of weights inside layers; kernels skip what they drop.
//! - [`Report`] compares the graph before and after, layer by layer.

mod allocate;
mod atoms;
mod blocks;
mod cost;
mod decision;
mod error;
mod groups;
mod importance;
mod mask;
mod report;
mod shrink;
mod target;
mod trace;

pub use allocate::{Allocation, Limits};
pub use blocks::{BLOCK_TERMS, BlockMask, BlockShape, apply_block_masks, block_masks};
pub use decision::{Decision, Removal};
pub use error::PruneError;
pub use groups::{Frozen, Group, Groups, Role, Slice, Unit, groups};
pub use importance::{Importance, Scores};
pub use mask::mask;
pub use report::{LayerReport, Report, Size, hidden_channels};
pub use shrink::shrink;
pub use target::{Target, uniform_for};
