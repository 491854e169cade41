//! Depthwise convolution with dot products: 3x3 windows, two rows of outputs at once, eight channels at a time.
//!
//! Rows under a window are interleaved, so that the four bytes of a channel are a column of taps: one dot product adds three.

use super::{Rule, depthwise_conv2d::Neon, load::reload, outputs, sdot::dot};
use crate::simd::{Run, STEP, Scalars, Slice, Slices, Taps};
use core::arch::{
    aarch64::{
        int8x16_t, int32x4_t, vcombine_s8, vdupq_n_s8, vld1_s8, vld1q_s8, vld1q_s32, vreinterpretq_s8_s16,
        vreinterpretq_s16_s8, vst1q_s8, vzip1q_s8, vzip1q_s16, vzip2q_s16,
    },
    asm,
};

/// Channels at a time.
const LANES: usize = 8;

/// Vectors of weights of so many channels: for every column of taps those of a window that starts with the first of four
/// rows, and those of one that starts with the second.
const VECTORS: usize = 3 * 2 * 2;

/// A column of four rows: the bytes of each of eight channels.
type Quads = [int8x16_t; 2];

/// The inner loops; what they do not fit is left to those without dot products.
pub(super) struct Dot;

impl Taps for Dot {
    const TWO_ROWS: bool = true;
    const PACKED: usize = STEP / LANES * VECTORS * STEP;

    #[inline]
    unsafe fn pack(weights: *const i8, to: *mut i8) {
        // SAFETY: the caller vouches for weights and room.
        unsafe { pack(weights, to) };
    }

    #[inline]
    unsafe fn run(run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
        // SAFETY: the caller vouches for what is asked for.
        unsafe { Neon::run(run, slice, scalars) };
    }

    #[inline]
    unsafe fn all(run: &Run<'_>, slices: &Slices, scalars: &Scalars) {
        // Some pixels of eight channels may make one slice.
        let last = slices.get(slices.count - 1).lanes[1];
        let fitting = run.width == 3 && last.is_multiple_of(LANES) && (!run.joined || run.tap_pitch == LANES);
        let right = if run.joined { LANES } else { run.step };
        // SAFETY: the caller vouches for what the loops ask for.
        unsafe {
            match (run.rows, run.below) {
                ([a, b, c, d], Some((1, _))) if fitting && right == run.tap_pitch => {
                    eights::<4, 1>([*a, *b, *c, *d], last, run, slices, scalars);
                }
                ([a, b, c, d, e], Some((2, _))) if fitting && right == 2 * run.tap_pitch => {
                    eights::<5, 2>([*a, *b, *c, *d, *e], last, run, slices, scalars);
                }
                _ => Neon::all(run, slices, scalars),
            }
        }
    }
}

/// # Safety
/// As [`Taps::pack`].
#[target_feature(enable = "neon")]
unsafe fn pack(weights: *const i8, mut to: *mut i8) {
    let zeros = vdupq_n_s8(0);
    for part in 0..STEP / LANES {
        for column in 0..3 {
            // SAFETY: the caller vouches for the weights of nine taps.
            let [a, b, c] = [0, 1, 2].map(|row| unsafe {
                let eight = vld1_s8(weights.add((3 * row + column) * STEP + part * LANES));
                vcombine_s8(eight, eight)
            });
            let (first, second) = (quads([a, b, c, zeros]), quads([zeros, a, b, c]));
            for vector in [first[0], first[1], second[0], second[1]] {
                // SAFETY: the caller vouches for the room.
                unsafe {
                    vst1q_s8(to, vector);
                    to = to.add(STEP);
                }
            }
        }
    }
}

/// Four bytes of each of eight channels.
#[inline]
#[target_feature(enable = "neon")]
fn quads([a, b, c, d]: [int8x16_t; 4]) -> Quads {
    let (first, second) = (vreinterpretq_s16_s8(vzip1q_s8(a, b)), vreinterpretq_s16_s8(vzip1q_s8(c, d)));
    [vreinterpretq_s8_s16(vzip1q_s16(first, second)), vreinterpretq_s8_s16(vzip2q_s16(first, second))]
}

/// The rows under two rows of outputs, column by column.
struct Columns<const ROWS: usize> {
    rows: [*const i8; ROWS],
    pitch: usize,
}

impl<const ROWS: usize> Columns<ROWS> {
    /// What the windows of both rows of outputs cover of the next column.
    ///
    /// # Safety
    /// The CPU has NEON, and eight bytes of the column can be read.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn next(&mut self) -> [Quads; 2] {
        let mut x = [vdupq_n_s8(0); ROWS];
        for (x, row) in x.iter_mut().zip(&mut self.rows) {
            // SAFETY: the caller vouches for the bytes.
            unsafe {
                asm!("ld1 {{{0:v}.8b}}, [{1}], {2}", out(vreg) *x, inout(reg) *row, in(reg) self.pitch,
                    options(readonly, nostack, preserves_flags));
            }
        }
        let first = quads([x[0], x[1], x[2], x[3]]);
        // With a stride of two the last byte has a weight of zero.
        let second = if ROWS == 5 { quads([x[2], x[3], x[4 % ROWS], x[4 % ROWS]]) } else { first };
        [first, second]
    }
}

/// Two rows of outputs, whose windows start `ROWS - 3` rows and `RIGHT` columns apart; the last slice, or its last output,
/// has `last` lanes.
///
/// # Safety
/// As [`Taps::all`] with dot products.
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn eights<const ROWS: usize, const RIGHT: usize>(
    rows: [*const i8; ROWS],
    last: usize,
    run: &Run<'_>,
    slices: &Slices,
    scalars: &Scalars,
) {
    let rule = Rule::new(scalars);
    let below = run.below.map_or(0, |(_, below)| below);
    let (count, parts) = match run.joined {
        true => (2 * (run.count - 1) + last / LANES, 1),
        false => (run.count, 2 * (slices.count - 1) + last / LANES),
    };
    for part in 0..parts {
        let slice = slices.get(part / 2);
        // SAFETY: the caller vouches for the slice, the rows and the places of all outputs.
        unsafe {
            let (first, half) = (part * LANES, part % 2 * LANES);
            let start = run.place.add(first);
            let mut pair = Pair {
                weights: core::array::from_fn(|at| vld1q_s8(slice.packed.add((part % 2 * VECTORS + at) * STEP))),
                bias: slice.bias.add(half),
                half: [0, 4].map(|at| vld1q_s32(slice.half_multipliers.add(half + at))),
                places: [start, start.add(below)],
                pitch: run.tap_pitch,
                rule: &rule,
            };
            let mut columns = Columns { rows: rows.map(|row| row.wrapping_add(first)), pitch: run.tap_pitch };
            let mut a = columns.next();
            let mut left = count;
            if RIGHT == 2 {
                while left > 1 {
                    let b = columns.next();
                    let c = columns.next();
                    pair.next::<ROWS>([a, b, c]);
                    let d = columns.next();
                    a = columns.next();
                    pair.next::<ROWS>([c, d, a]);
                    left -= 2;
                }
                if left > 0 {
                    let b = columns.next();
                    pair.next::<ROWS>([a, b, columns.next()]);
                }
                continue;
            }
            let mut b = columns.next();
            while left > 2 {
                let c = columns.next();
                pair.next::<ROWS>([a, b, c]);
                a = columns.next();
                pair.next::<ROWS>([b, c, a]);
                b = columns.next();
                pair.next::<ROWS>([c, a, b]);
                left -= 3;
            }
            if left > 0 {
                let c = columns.next();
                pair.next::<ROWS>([a, b, c]);
                if left > 1 {
                    pair.next::<ROWS>([b, c, columns.next()]);
                }
            }
        }
    }
}

/// What an output and the one below are computed with, and where the next two go.
struct Pair<'a> {
    weights: [int8x16_t; VECTORS],
    bias: *const i32,
    half: [int32x4_t; 2],
    places: [*mut i8; 2],
    pitch: usize,
    rule: &'a Rule,
}

impl Pair<'_> {
    /// Computes and stores eight channels of an output and of the one below.
    ///
    /// # Safety
    /// The CPU has dot products; biases can be read, and the outputs be written.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn next<const ROWS: usize>(&mut self, columns: [[Quads; 2]; 3]) {
        // Instead of two copies, for which there are not enough registers either.
        // SAFETY: the caller vouches for eight biases.
        let ([a, b], [c, d]) = unsafe { (reload(self.bias), reload(self.bias)) };
        let mut acc = [a, b, c, d];
        for (column, quads) in columns.into_iter().enumerate() {
            for (row, quads) in quads.into_iter().enumerate() {
                // Where rows of outputs read other quads, windows start with the first row of each.
                let weights = column * 4 + if ROWS == 4 { 2 * row } else { 0 };
                for (four, quads) in quads.into_iter().enumerate() {
                    acc[2 * row + four] = dot(acc[2 * row + four], quads, self.weights[weights + four]);
                }
            }
        }
        let [low, high] = self.half;
        let results = outputs(acc, [low, high, low, high], self.rule);
        let [first, second] = &mut self.places;
        // SAFETY: the caller vouches for the outputs; addresses of vector instructions need no alignment.
        unsafe {
            asm!(
                "st1 {{{results:v}.d}}[0], [{first}], {pitch}",
                "st1 {{{results:v}.d}}[1], [{second}], {pitch}",
                results = in(vreg) results, first = inout(reg) *first, second = inout(reg) *second,
                pitch = in(reg) self.pitch,
                options(nostack, preserves_flags)
            );
        }
    }
}
