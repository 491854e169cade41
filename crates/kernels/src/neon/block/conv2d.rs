//! Convolution with block weights: the input is rearranged in bands, then every few pixels meet all blocks.

use super::{Stream, Tile, dot::Dot, fill, plain::Plain};
use crate::{
    neon::Rule,
    planes::{Planes, Source},
    simd::{Place, counts},
};
use niwaki_blob::BlockConv2d;

/// [`crate::scalar::block_conv2d`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON, and its dot products if `dot` says so.
pub(in crate::neon) unsafe fn conv2d(
    dot: bool,
    op: &BlockConv2d<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) -> bool {
    let Some(mut layer) = Layer::new(op, input, output, scratch) else { return false };
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        match (dot, op.blocks.rows) {
            (true, 1) => layer.run::<Dot, 1>(output),
            (true, 2) => layer.run::<Dot, 2>(output),
            (true, _) => layer.run::<Dot, 4>(output),
            (false, 1) => layer.run::<Plain, 1>(output),
            (false, 2) => layer.run::<Plain, 2>(output),
            (false, _) => layer.run::<Plain, 4>(output),
        }
    }
    true
}

/// A convolution whose slices were checked.
struct Layer<'a> {
    op: &'a BlockConv2d<'a>,
    input: &'a [i8],
    plan: Planes,
    stream: Stream,
    planes: &'a mut [i8],
    line: &'a mut [i8],
}

impl<'a> Layer<'a> {
    fn new(op: &'a BlockConv2d<'a>, input: &'a [i8], output: &[i8], scratch: &'a mut [i8]) -> Option<Self> {
        let plan = Planes::of(op)?;
        if !counts(&op.window, op.input, op.output, input, output) || !whole(op) {
            return None;
        }
        let skipped = scratch.as_ptr().align_offset(16);
        let [offsets, planes, line] = plan.parts()?;
        let (offsets, rest) = scratch.get_mut(skipped..)?.split_at_mut_checked(offsets)?;
        let (planes, rest) = rest.split_at_mut_checked(planes)?;
        let line = rest.get_mut(..line)?;
        let offsets = translated(op, &plan, offsets)?;
        let blocks = &op.blocks;
        let stream = Stream {
            weights: blocks.weights.as_ptr(),
            offsets: offsets.as_ptr(),
            units: blocks.index.as_ptr(),
            whole: blocks.is_dense().then_some(op.quads().div_ceil(2)),
            bias: blocks.bias.as_ptr(),
            multipliers: blocks.multipliers.as_ptr(),
            channels: op.output.channels,
        };
        Some(Self { op, input, plan, stream, planes, line })
    }

    /// # Safety
    /// The CPU has the instruction set of `T`; the blocks have `ROWS` rows and the output is as long as the shape says.
    unsafe fn run<T: Tile, const ROWS: usize>(&mut self, output: &mut [i8]) {
        let blocks = &self.op.blocks;
        let terms = self.op.quads().saturating_mul(4);
        let rule = Rule::of(&super::scalars(blocks).of_sums(terms, blocks.bias, blocks.multipliers));
        let (shape, plan) = (self.op.output, self.plan);
        let (pixels, total) = match plan.source {
            Source::Rows | Source::Taps => (shape.width, shape.height),
            Source::Pixels => (1, shape.height * shape.width),
        };
        let bands = output.chunks_mut((plan.at_once * pixels * shape.channels).max(1));
        for (band, out) in bands.enumerate() {
            let first = band * plan.at_once;
            let count = plan.at_once.min(total - first);
            self.fill(first, count);
            let place = Place { start: out.as_mut_ptr(), pitch: shape.channels };
            let base = self.planes.as_ptr();
            // SAFETY: planes and stream fit each other: `translated` and `whole` saw to it. The band has `count` rows of
            // `pixels` pixels, or as many pixels.
            unsafe {
                if plan.joined {
                    line::<T, ROWS>(base, &self.stream, &rule, place, count * pixels);
                    continue;
                }
                let step = self.op.window.stride[0] * plan.row_bytes();
                for row in 0..count {
                    line::<T, ROWS>(base.add(row * step), &self.stream, &rule, place.skip(row * pixels), pixels);
                }
            }
        }
    }

    /// Rearranges what `count` rows of outputs, or outputs, from `first` on read.
    fn fill(&mut self, first: usize, count: usize) {
        let (op, plan) = (self.op, &self.plan);
        match plan.source {
            Source::Rows | Source::Taps => {
                fill::rows(op, plan, self.input, first * op.window.stride[0], self.planes, self.line);
            }
            Source::Pixels => {
                let pitch = op.input.channels;
                fill::pixels(self.input.get(first * pitch..).unwrap_or_default(), pitch, count, plan, self.planes);
            }
        }
    }
}

/// Computes `count` neighbouring pixels.
///
/// # Safety
/// As [`Tile::run`], for all of them, rounded up to four.
unsafe fn line<T: Tile, const ROWS: usize>(base: *const i8, stream: &Stream, rule: &Rule, place: Place, count: usize) {
    let mut at = 0;
    while at < count {
        let left = count - at;
        // SAFETY: the caller vouches for the pixels that are left.
        unsafe {
            let (base, place) = (base.add(at * 4), place.skip(at));
            if T::MOST >= 4 && left > 12 {
                T::run::<ROWS, 4>(base, stream, rule, place, left.min(16));
                at += 16;
            } else if left > 4 {
                T::run::<ROWS, 2>(base, stream, rule, place, left.min(8));
                at += 8;
            } else {
                T::run::<ROWS, 1>(base, stream, rule, place, left);
                at += 4;
            }
        }
    }
}

/// Whether blocks, index and rules are as long as they have to be for each other.
fn whole(op: &BlockConv2d<'_>) -> bool {
    super::whole(&op.blocks, op.output.channels, op.quads())
}

/// Puts down where the elements of every block lie, or of every quad; `None` where a block has no such quad.
fn translated<'s>(op: &BlockConv2d<'_>, plan: &Planes, scratch: &'s mut [i8]) -> Option<&'s [u32]> {
    // SAFETY: any bytes are numbers; those in the middle are aligned for them.
    let words = unsafe { scratch.align_to_mut::<u32>().1 };
    let (offsets, table) = words.split_at_mut_checked(plan.offsets)?;
    let all = op.quads();
    let Some((_, listed)) = op.blocks.index.split_at_checked(op.blocks.groups()).filter(|_| !op.blocks.is_dense())
    else {
        let (each, behind) = offsets.split_at_mut_checked(all)?;
        plan.offsets(op, each)?;
        // Weights of quads that fill units up are zeros.
        behind.fill(0);
        return Some(offsets);
    };
    if plan.source == Source::Pixels {
        let plane = u32::try_from(plan.plane_bytes()).ok()?;
        u32::try_from(all.checked_mul(plan.plane_bytes())?).ok()?;
        for (to, quad) in offsets.iter_mut().zip(listed) {
            *to = u32::from(*quad) * plane;
        }
        let most = listed.iter().fold(0, |most, quad| (*quad).max(most));
        return (usize::from(most) < all).then_some(offsets);
    }
    let table = table.get_mut(..all)?;
    plan.offsets(op, table)?;
    let most = listed.iter().fold(0, |most, quad| (*quad).max(most));
    if usize::from(most) >= all {
        return None;
    }
    for (to, quad) in offsets.iter_mut().zip(listed) {
        // SAFETY: the table has all quads, and none is larger than the largest.
        *to = unsafe { *table.get_unchecked(usize::from(*quad)) };
    }
    Some(offsets)
}
