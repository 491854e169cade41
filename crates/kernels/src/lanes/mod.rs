//! What cores without vectors share: three neighbouring pixels in two words, multiplied by one weight at a time.
//!
//! For every term the pixels `x0 x1 x2` become the words `x0 + (x1 << 21)` and `x2 + (x1 << 10)`. Products of both with
//! a filter's weights are added up modulo 2^32, nothing else: the sums are `a = s0 + (s1 << 21)` and
//! `b = s2 + (s1 << 10)`. As long as each sum fits 21 bits with its sign, that tells all three: `s0` is the low 21 bits
//! of `a`; what is left of `a` are the low 11 bits of `s1`, and without these `b` is `s2 + (s1 >> 11 << 21)`.
//!
//! 64 terms never leave 21 bits: their sums are between `-64 * 128 * 127` and `64 * 128 * 128 = 2^20`. To have
//! that largest one inside as well, every sum starts with -1. Longer filters are taken in chunks, whose sums are added.

mod arguments;
mod conv2d;
mod depthwise_conv2d;
mod fully_connected;
mod memory;
mod rounding;
mod windows;

pub(crate) use arguments::Arguments;
pub(crate) use conv2d::{conv2d, sparse_conv2d};
pub(crate) use depthwise_conv2d::{Taps, depthwise_conv2d};
#[cfg(niwaki_v6m)]
pub(crate) use fully_connected::each_group;
#[cfg(niwaki_v7m)]
pub(crate) use fully_connected::interleaved;
pub(crate) use fully_connected::sparse_interleaved;
pub(crate) use memory::{copy, words};
pub(crate) use rounding::Bound;

/// Pixels that are computed together: two triples.
pub(crate) const PIXELS: usize = 6;

/// The assembly that a core brings for convolutions.
#[derive(Clone, Copy)]
pub(crate) struct Core {
    /// Makes `count` pairs of words out of as many elements of three pixels; from a pair to the next are four words.
    ///
    /// Reads `count` elements of each of the three and writes up to word `4 * count - 3`; `count` is not 0.
    pub triple: unsafe extern "C" fn(pixels: *const [*const i8; 3], count: usize, words: *mut i32),
    /// Adds a chunk of every filter times the words to sums, and makes outputs of them in the last chunk. Touches what
    /// [`Arguments`] says.
    pub filters: unsafe extern "C" fn(arguments: *mut Arguments),
    /// The same, whole, with streams of the weights that are not zero.
    pub streams: unsafe extern "C" fn(arguments: *mut Arguments),
}
