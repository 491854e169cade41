//! Depthwise convolution with any window: the taps of four channels of one pixel at a time.
//!
//! The weights of four channels are widened into the scratch once, and all pixels go through them. What the zero point
//! adds is taken from the elements and put into the bias, so that a tap in the padding adds nothing and is left out.

use super::{
    memory::{clamp, words},
    word,
};
use crate::scalar::{self, axis::Axis};
use core::{arch::global_asm, ops::Range};
use niwaki_blob::Conv2d;

/// What the loop reads, at these offsets.
#[repr(C)]
struct Taps {
    /// 0: sums of four channels, which products are added to.
    sums: [u32; 4],
    /// 16: less the zero point, in both halves.
    less: u32,
    /// 20: from tap to tap of a row, in bytes.
    step: usize,
    /// 24: the first element.
    input: *const i8,
    /// 28: its weights.
    weights: *const u32,
    /// 32: taps in a row, at least one.
    columns: usize,
    /// 36: from the end of a row of taps to the start of the next one.
    input_skip: usize,
    /// 40: the same for weights.
    weights_skip: usize,
    /// 44: rows of taps, at least one.
    rows: usize,
}

unsafe extern "C" {
    /// Adds the products of some rows of taps to the sums.
    ///
    /// # Safety
    /// Four elements can be read at every tap, and two words of weights, on word boundaries.
    fn niwaki_dsp_taps(taps: *mut Taps);
}

// r0 to r3 sums, r4 input, r5 weights, r6 taps left, r7 step, r8 and r9 elements, r10 and r11 weights, r12 less the zero
// point, lr the structure.
global_asm!(
    cpu!(),
    r#"
    .section .text.niwaki_dsp_taps, "ax", %progbits
    .global niwaki_dsp_taps
    .type niwaki_dsp_taps, %function
    .thumb_func
    .balign 4
niwaki_dsp_taps:
    push {{r4-r11, lr}}
    mov lr, r0
    ldr r12, [lr, #16]
    ldr r7, [lr, #20]
    ldr r4, [lr, #24]
    ldr r5, [lr, #28]
    ldm r0, {{r0-r3}}
1:
    ldr.w r6, [lr, #32]
    .balign 4
2:
    ldr.w r8, [r4]
    ldr.w r10, [r5], #4
    ldr.w r11, [r5], #4
    add r4, r7
    subs r6, #1
    sxtab16 r9, r12, r8
    sxtab16 r8, r12, r8, ror #8
    smlabb r0, r9, r10, r0
    smlatt r2, r9, r10, r2
    smlabb r1, r8, r11, r1
    smlatt r3, r8, r11, r3
    bne 2b
    ldr.w r8, [lr, #36]
    ldr.w r9, [lr, #40]
    ldr.w r10, [lr, #44]
    add r4, r8
    add r5, r9
    subs.w r10, r10, #1
    str.w r10, [lr, #44]
    bne 1b
    stm.w lr, {{r0-r3}}
    pop {{r4-r11, pc}}
    .size niwaki_dsp_taps, . - niwaki_dsp_taps
    .text
"#
);

/// Channels whose taps are done together: those of a word.
const LANES: usize = 4;

/// As [`crate::scalar::depthwise_conv2d`].
pub(crate) fn depthwise_conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let (weights, available) = words(scratch);
    let channels = op.output.channels;
    let taps = op.window.kernel[0] * op.window.kernel[1];
    let complete = output.len() == op.output.elements()
        && input.len() == op.input.elements()
        && op.input.channels == channels
        && op.weights.len() == taps * channels
        && op.bias.len() == channels
        && op.requantise.multipliers.len() == channels;
    if !complete || channels < LANES || available < 8 * taps {
        return scalar::depthwise_conv2d(op, input, output);
    }
    let mut first = 0;
    while first < channels {
        // The last four channels are done together even if some were already: to the same result.
        // SAFETY: four channels from there on exist in all of the operation's slices; there are two words for a tap.
        unsafe { Tile::new(op, first.min(channels - LANES), weights).pixels(input, output) };
        first += LANES;
    }
    clamp(op.requantise.activation, output);
}

/// Four channels.
struct Tile<'a> {
    op: &'a Conv2d<'a>,
    /// The first of them.
    first: usize,
    weights: *const u32,
    /// What the sums start with.
    start: [u32; LANES],
    multipliers: [u32; LANES],
}

impl<'a> Tile<'a> {
    /// Widens the weights of four channels.
    ///
    /// # Safety
    /// The channels exist, the operation's slices are complete, and there are two words for a tap at `words`.
    unsafe fn new(op: &'a Conv2d<'a>, first: usize, words: *mut u32) -> Self {
        let mut sums = [0i32; LANES];
        for tap in 0..op.window.kernel[0] * op.window.kernel[1] {
            // SAFETY: the caller's.
            let weights = unsafe { word::load(op.weights.as_ptr().add(tap * op.output.channels + first)) };
            for (sum, weight) in sums.iter_mut().zip(weights.to_le_bytes()) {
                *sum += i32::from(weight as i8);
            }
            // SAFETY: the caller's.
            unsafe {
                words.add(2 * tap).write(word::sxtab16(0, weights));
                words.add(2 * tap + 1).write(word::sxtab16_odd(0, weights));
            }
        }
        let zero = i32::from(op.input_zero_point);
        let of = |list: &[i32], lane: usize| list.get(first + lane).copied().unwrap_or(0);
        let start = |lane: usize| of(op.bias, lane).wrapping_add(sums[lane].wrapping_mul(zero)) as u32;
        Self {
            op,
            first,
            weights: words,
            start: core::array::from_fn(start),
            multipliers: core::array::from_fn(|lane| of(op.requantise.multipliers, lane) as u32),
        }
    }

    /// The four channels of every pixel.
    ///
    /// # Safety
    /// Input and output are complete.
    unsafe fn pixels(&self, input: &[i8], output: &mut [i8]) {
        let (op, channels) = (self.op, self.op.output.channels);
        let (vertical, horizontal) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
        let inside = horizontal.all_inside(op.output.width);
        let mut at = self.first;
        for y in 0..op.output.height {
            let rows = vertical.taps(y);
            for x in 0..op.output.width {
                let columns = if inside.contains(&x) { 0..op.window.kernel[1] } else { horizontal.taps(x) };
                // SAFETY: taps inside the input, and the output's next pixel; both are complete.
                unsafe {
                    let sums = self.sums(input, [&rows, &columns], [y, x]);
                    output.as_mut_ptr().add(at).cast::<u32>().write_unaligned(self.finish(sums));
                }
                at += channels;
            }
        }
    }

    /// The sums of a pixel from its taps inside the input.
    ///
    /// # Safety
    /// Input and weights are complete; the taps are those inside.
    #[inline(always)]
    unsafe fn sums(&self, input: &[i8], [rows, columns]: [&Range<usize>; 2], [y, x]: [usize; 2]) -> [u32; LANES] {
        if rows.is_empty() || columns.is_empty() {
            return self.start;
        }
        let (window, channels) = (&self.op.window, self.op.output.channels);
        let place = |axis: usize, output: usize, tap: usize| {
            output * window.stride[axis] + tap * window.dilation[axis] - window.padding[axis]
        };
        let (row, column) = (place(0, y, rows.start), place(1, x, columns.start));
        let (step, width) = (window.dilation[1] * channels, self.op.input.width);
        let mut taps = Taps {
            sums: self.start,
            less: word::both_halves(-i16::from(self.op.input_zero_point)),
            step,
            input: input.as_ptr().wrapping_add((row * width + column) * channels + self.first),
            weights: self.weights.wrapping_add(2 * (rows.start * window.kernel[1] + columns.start)),
            columns: columns.len(),
            input_skip: (window.dilation[0] * width * channels).wrapping_sub(columns.len() * step),
            weights_skip: 8 * (window.kernel[1] - columns.len()),
            rows: rows.len(),
        };
        // SAFETY: every tap lies inside the input, and has two words of weights.
        unsafe { niwaki_dsp_taps(&mut taps) };
        taps.sums
    }

    /// Four outputs from their sums.
    #[inline(always)]
    fn finish(&self, sums: [u32; LANES]) -> u32 {
        let rule = &self.op.requantise;
        let zero = i32::from(rule.zero_point) as u32;
        let out = |lane: usize| word::requantised(sums[lane].wrapping_shl(rule.shift), self.multipliers[lane], zero);
        word::bytes([out(0), out(1), out(2), out(3)])
    }
}
