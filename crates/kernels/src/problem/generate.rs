//! Problems of every kind: shapes around the tile edges of every kernel, filled in every way.

mod element;
mod layout;
mod packed;
mod sequence;
mod window;

use super::{Problem, Variant};
use alloc::boxed::Box;

/// Every generated problem, one at a time; the same for the same seed.
pub fn all(seed: u64) -> impl Iterator<Item = Problem> {
    let filled = Variant::ALL.iter().enumerate().flat_map(move |(at, variant)| {
        let seed = seed.wrapping_mul(31).wrapping_add(at as u64);
        let parts: [Box<dyn Iterator<Item = Problem>>; 5] = [
            Box::new(window::all(*variant, seed)),
            Box::new(element::all(*variant, seed)),
            Box::new(packed::all(*variant, seed)),
            Box::new(packed::in_blocks(*variant, seed)),
            Box::new(sequence::all(*variant, seed)),
        ];
        parts.into_iter().flatten()
    });
    filled.chain(layout::all(seed))
}
