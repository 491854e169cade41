//! Fully connected layer with block weights: the sums of four outputs at a time, then all outputs.

use super::{CHANNELS, connected_dot::Dot, connected_plain::Plain, whole};
use crate::{
    neon::{Rule, narrow, requantise},
    planes::connected_parts,
    simd::STEP,
};
use core::arch::{
    aarch64::{
        int8x8_t, int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s32, vld1q_s32, vld4q_dup_s32, vshrq_n_s32, vst1q_s8,
        vst1q_s32, vst1q_s32_x4,
    },
    asm,
};
use niwaki_blob::BlockFullyConnected;

/// The products of one instruction set.
pub(super) trait Sums {
    /// What it reads for blocks of so many rows, if not all are there: inputs as they are or each quad four times.
    fn repeats(rows: usize) -> bool;

    /// The sums of four outputs. Moves the cursor on.
    ///
    /// # Safety
    /// The CPU has the instruction set; groups of `ROWS` rows are left for four outputs.
    unsafe fn four<const ROWS: usize>(inputs: Inputs, cursor: &mut Cursor) -> int32x4_t;

    /// The sums of four times `GROUPS` outputs, of blocks of four rows that are all there.
    ///
    /// # Safety
    /// As [`Sums::four`], with `units` units in each group.
    unsafe fn dense<const GROUPS: usize>(inputs: Inputs, weights: *const i8, units: usize) -> [int32x4_t; GROUPS];

    /// What [`Sums::dense`] reads.
    const DENSE_REPEATS: bool;
}

/// The inputs in the scratch, with zeros behind them up to sixteen.
#[derive(Clone, Copy)]
pub(super) struct Inputs {
    /// As they are.
    pub(super) plain: *const i8,
    /// Each quad four times.
    pub(super) repeated: *const i8,
}

impl Inputs {
    /// A quad, once.
    ///
    /// # Safety
    /// It is one of the inputs'.
    #[inline(always)]
    pub(super) unsafe fn one(self, quad: u16) -> int8x8_t {
        let x;
        // SAFETY: the caller vouches for what is read.
        unsafe {
            asm!("ldr {0:s}, [{1}, {2:w}, uxtw #2]", out(vreg) x, in(reg) self.plain, in(reg) u32::from(quad),
                options(readonly, nostack, preserves_flags));
        }
        x
    }

    /// A quad, twice.
    ///
    /// # Safety
    /// As [`Inputs::one`].
    #[inline(always)]
    pub(super) unsafe fn two(self, quad: u16) -> int8x8_t {
        // SAFETY: the caller vouches for what is read.
        unsafe { self.repeated.add(usize::from(quad) * STEP).cast::<int8x8_t>().read_unaligned() }
    }

    /// A quad, four times.
    ///
    /// # Safety
    /// As [`Inputs::one`].
    #[inline(always)]
    pub(super) unsafe fn four(self, quad: u16) -> int8x16_t {
        let x;
        // SAFETY: the caller vouches for what is read.
        unsafe {
            asm!("ldr {0:q}, [{1}, {2:w}, uxtw #4]", out(vreg) x, in(reg) self.repeated, in(reg) u32::from(quad),
                options(readonly, nostack, preserves_flags));
        }
        x
    }
}

/// The blocks that were not multiplied yet.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    pub(super) weights: *const i8,
    pub(super) quads: *const u16,
    pub(super) units: *const u16,
}

impl Cursor {
    /// Units of the next group.
    ///
    /// # Safety
    /// There is one.
    #[inline(always)]
    pub(super) unsafe fn count(&mut self) -> usize {
        // SAFETY: the caller vouches for it.
        unsafe {
            let count = self.units.read();
            self.units = self.units.add(1);
            usize::from(count)
        }
    }

    /// The quads of the next unit's blocks.
    ///
    /// # Safety
    /// There is one.
    #[inline(always)]
    pub(super) unsafe fn pair(&mut self) -> [u16; 2] {
        // SAFETY: the caller vouches for it.
        unsafe {
            let pair = [self.quads.read(), self.quads.add(1).read()];
            self.quads = self.quads.add(2);
            pair
        }
    }
}

/// [`crate::scalar::block_fully_connected`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON, and its dot products if `dot` says so.
pub(in crate::neon) unsafe fn fully_connected(
    dot: bool,
    op: &BlockFullyConnected<'_>,
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

/// A layer whose slices were checked.
struct Layer<'a> {
    op: &'a BlockFullyConnected<'a>,
    input: &'a [i8],
    plain: &'a mut [i8],
    repeated: &'a mut [i8],
    sums: &'a mut [i8],
}

impl<'a> Layer<'a> {
    fn new(op: &'a BlockFullyConnected<'a>, input: &'a [i8], output: &[i8], scratch: &'a mut [i8]) -> Option<Self> {
        let blocks = &op.blocks;
        // Only blocks of four rows are also stored without an index by those who know this kernel.
        let known = !blocks.is_dense() || blocks.rows == CHANNELS;
        let listed = blocks.index.get(blocks.groups()..).unwrap_or_default();
        // Without an early exit, so that it becomes vector code.
        let inside = usize::from(listed.iter().fold(0, |most, quad| (*quad).max(most))) < op.quads();
        let lengths = input.len() == op.inputs && output.len() == op.outputs && op.outputs > 0;
        if !known || !inside || !lengths || !whole(blocks, op.outputs, op.quads()) {
            return None;
        }
        let [plain, repeated, sums] = connected_parts(op)?;
        let skipped = scratch.as_ptr().align_offset(STEP);
        let (plain, rest) = scratch.get_mut(skipped..)?.split_at_mut_checked(plain)?;
        let (repeated, rest) = rest.split_at_mut_checked(repeated)?;
        let sums = rest.get_mut(..sums)?;
        Some(Self { op, input, plain, repeated, sums })
    }

    /// # Safety
    /// The CPU has the instruction set of `S`, the blocks have `ROWS` rows, and the output is as long as the layer's.
    #[inline(never)]
    #[target_feature(enable = "neon")]
    unsafe fn run<S: Sums, const ROWS: usize>(&mut self, output: &mut [i8]) {
        let blocks = &self.op.blocks;
        let dense = blocks.is_dense();
        let (inputs, rest) = self.input.as_chunks::<STEP>();
        let mut last = [0; STEP];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let inputs = inputs.iter().chain([&last]);
        if if dense { S::DENSE_REPEATS } else { S::repeats(ROWS) } {
            for (from, to) in inputs.zip(self.repeated.as_chunks_mut::<{ 4 * STEP }>().0) {
                // SAFETY: four quads can be read, and each be written four times.
                unsafe {
                    vst1q_s32_x4(to.as_mut_ptr().cast(), vld4q_dup_s32(from.as_ptr().cast()));
                }
            }
        } else {
            inputs.zip(self.plain.as_chunks_mut::<STEP>().0).for_each(|(from, to)| *to = *from);
        }
        let inputs = Inputs { plain: self.plain.as_ptr(), repeated: self.repeated.as_ptr() };
        let quads = blocks.index.as_ptr().wrapping_add(blocks.groups());
        let mut cursor = Cursor { weights: blocks.weights.as_ptr(), quads, units: blocks.index.as_ptr() };
        let mut sums = self.sums.as_mut_ptr().cast::<i32>();
        let mut left = blocks.bias.len() / CHANNELS;
        let units = self.op.quads().div_ceil(2);
        // SAFETY: `new` saw that there are groups for all outputs, with as many units as they say and quads of the
        // inputs, and room for all sums, filled up. Addresses of vector instructions need no alignment.
        unsafe {
            while dense && left >= 4 {
                for four in S::dense::<4>(inputs, cursor.weights, units) {
                    vst1q_s32(sums, four);
                    sums = sums.add(CHANNELS);
                }
                cursor.weights = cursor.weights.add(4 * units * blocks.unit_bytes());
                left -= 4;
            }
            for _ in 0..left {
                if dense {
                    vst1q_s32(sums, S::dense::<1>(inputs, cursor.weights, units)[0]);
                    cursor.weights = cursor.weights.add(units * blocks.unit_bytes());
                } else {
                    vst1q_s32(sums, S::four::<ROWS>(inputs, &mut cursor));
                }
                sums = sums.add(CHANNELS);
            }
            self.finish(output);
        }
    }

    /// Outputs from the sums.
    #[target_feature(enable = "neon")]
    unsafe fn finish(&self, output: &mut [i8]) {
        let blocks = &self.op.blocks;
        let scalars = super::scalars(blocks);
        let rule = Rule::new(&scalars);
        for (at, to) in (0..).step_by(STEP).zip(output.chunks_mut(STEP)) {
            let mut scaled = [vdupq_n_s32(0); 4];
            for (four, scaled) in scaled.iter_mut().enumerate().take(to.len().div_ceil(CHANNELS)) {
                let first = at + four * CHANNELS;
                // SAFETY: sums, biases and multipliers are filled up to a multiple of four outputs.
                unsafe {
                    let sums = vld1q_s32(self.sums.as_ptr().cast::<i32>().add(first));
                    let sums = vaddq_s32(sums, vld1q_s32(blocks.bias.as_ptr().add(first)));
                    let half = vshrq_n_s32::<1>(vld1q_s32(blocks.multipliers.as_ptr().add(first)));
                    *scaled = requantise(sums, half, &rule);
                }
            }
            let results = narrow(scaled, &rule);
            match to.first_chunk_mut::<STEP>() {
                // SAFETY: there is room for sixteen.
                Some(to) => unsafe { vst1q_s8(to.as_mut_ptr(), results) },
                None => {
                    let mut bytes = [0; STEP];
                    // SAFETY: as above.
                    unsafe { vst1q_s8(bytes.as_mut_ptr(), results) };
                    to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
                }
            }
        }
    }
}
