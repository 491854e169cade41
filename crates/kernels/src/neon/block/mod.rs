//! Layers with block weights: some pixels at a time with four output channels, block by block.

mod connected_dot;
mod connected_plain;
mod conv2d;
mod dot;
mod fill;
mod finish;
mod fully_connected;
mod plain;

pub(super) use conv2d::conv2d;
pub(super) use fully_connected::fully_connected;

use super::Rule;
use crate::simd::{Place, Scalars};
use niwaki_blob::{Activation, BLOCK_OUTPUTS, BlockWeights};

/// Output channels at a time, whatever the rows of a block.
const CHANNELS: usize = 4;

/// A layer's blocks, checked.
#[derive(Clone, Copy)]
struct Stream {
    /// Units of two blocks.
    weights: *const i8,
    /// Where the elements lie that the blocks multiply; of every block, or of one group's, if `whole` says how many
    /// units that is.
    offsets: *const u32,
    /// Units of each group, where they differ.
    units: *const u16,
    whole: Option<usize>,
    /// One for each output channel, which are filled up to a multiple of [`CHANNELS`].
    bias: *const i32,
    multipliers: *const i32,
    /// Output channels that there are.
    channels: usize,
}

/// The inner loops of one instruction set, for blocks of `ROWS` rows.
trait Tile {
    /// Vectors of four pixels that it takes at once, at most.
    const MOST: usize;

    /// Computes all output channels of `count` pixels, at most `4 * V`.
    ///
    /// # Safety
    /// The CPU has the instruction set. The stream's pointers are what they say; from `base` on, `16 * V` bytes can be
    /// read at each of its offsets; all channels of the pixels can be written.
    unsafe fn run<const ROWS: usize, const V: usize>(
        base: *const i8,
        stream: &Stream,
        rule: &Rule,
        place: Place,
        count: usize,
    );
}

/// What is the same for all outputs.
fn scalars(blocks: &BlockWeights<'_>) -> Scalars {
    let Activation { min, max } = blocks.activation;
    Scalars { shift: 0, zero_point: blocks.zero_point, min, max, quick: false }
}

/// Whether blocks, index and rules are as long as they have to be for each other, and in units of two.
fn whole(blocks: &BlockWeights<'_>, outputs: usize, quads: usize) -> bool {
    let filled = outputs.checked_next_multiple_of(BLOCK_OUTPUTS);
    let bytes = blocks.unit_bytes();
    let groups = blocks.groups();
    let units = match blocks.is_dense() {
        true => groups.checked_mul(quads.div_ceil(2)),
        false => {
            let (units, listed) = blocks.index.split_at_checked(groups).unwrap_or_default();
            let sum = units.iter().fold(0, |sum: usize, units| sum.wrapping_add(usize::from(*units)));
            (listed.len() == 2 * sum).then_some(sum)
        }
    };
    blocks.unit == 2
        && matches!(blocks.rows, 1 | 2 | 4)
        && filled == Some(blocks.bias.len())
        && filled == Some(blocks.multipliers.len())
        && units.and_then(|units| units.checked_mul(bytes)) == Some(blocks.weights.len())
}
