//! Depthwise convolution with 3x3 taps: two rows of outputs and four channels at a time.
//!
//! First the columns of four input rows are brought into the scratch: for every column and channel a word with rows 0
//! and 1 and one with rows 2 and 3. Then every channel goes through them: three columns make two outputs, one above the
//! other, with four multiply instructions per column. Where rows are not neighbours (vertical stride), only the upper
//! output is computed.

use super::{
    memory::{clamp, words},
    word::{self, high_halves, low_halves, sxtb16, sxtb16_odd},
};
use crate::isa::dsp_columns;
use core::arch::global_asm;
use niwaki_blob::PackedConv2d;

/// What the loop reads; the first five words become its stack frame.
#[repr(C)]
struct Frame {
    multiplier: i32,
    zero_point: i32,
    /// From the upper to the lower output; 0 where there is no lower one.
    below: usize,
    /// Behind the last column that starts a window.
    columns_end: *const u32,
    /// From window to window, in bytes.
    step: usize,
    bias: i32,
    columns: *const u32,
    output: *mut i8,
    /// From pixel to pixel, in bytes.
    pitch: usize,
    /// The filter's three words.
    weights: *const i8,
}

unsafe extern "C" {
    /// A pair of rows of outputs of one channel.
    ///
    /// # Safety
    /// Columns lie 32 bytes apart on word boundaries, two more than `columns_end` says; outputs `pitch` bytes apart,
    /// and as many `below`; there are twelve bytes of weights.
    fn niwaki_dsp_depthwise_pair(frame: *const Frame);

    /// One row of outputs of one channel.
    ///
    /// # Safety
    /// As [`niwaki_dsp_depthwise_pair`], with nothing below.
    fn niwaki_dsp_depthwise_row(frame: *const Frame);
}

// r0 to r5 pairs of taps (top, middle) and (middle, bottom) of three columns, r6 and r7 sums, r8 and r9 pairs of rows,
// r10 bias, r11 columns, r12 output, lr from pixel to pixel.
global_asm!(
    r#"
    .macro nw_enter
    push {{r4-r11, lr}}
    ldm r0!, {{r4-r8}}
    ldm r0, {{r10, r11, r12, lr}}
    ldr r0, [r0, #16]
    push {{r4-r8}}
    ldr r4, [r0, #8]
    ldr r2, [r0, #4]
    ldr r0, [r0]
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    sxtb16 r3, r2, ror #8
    sxtb16 r2, r2
    sxtb16 r1, r0, ror #8
    sxtb16 r0, r0
    .endm

    .macro nw_leave
    add sp, #20
    pop {{r4-r11, pc}}
    .endm

    .section .text.niwaki_dsp_depthwise_pair, "ax", %progbits
    .global niwaki_dsp_depthwise_pair
    .type niwaki_dsp_depthwise_pair, %function
    .thumb_func
    .balign 4
niwaki_dsp_depthwise_pair:
    nw_enter
    .balign 4
1:
    ldr.w r8, [r11]
    ldr.w r9, [r11, #4]
    smlad r6, r8, r0, r10
    smlad r7, r9, r1, r10
    smlabt r6, r9, r1, r6
    smlatb r7, r8, r0, r7
    ldr.w r8, [r11, #32]
    ldr.w r9, [r11, #36]
    smlad r6, r8, r2, r6
    smlad r7, r9, r3, r7
    smlabt r6, r9, r3, r6
    smlatb r7, r8, r2, r7
    ldr.w r8, [r11, #64]
    ldr.w r9, [r11, #68]
    smlad r6, r8, r4, r6
    smlad r7, r9, r5, r7
    smlabt r6, r9, r5, r6
    smlatb r7, r8, r4, r7
    ldr.w r8, [sp]
    ldr.w r9, [sp, #4]
    smmlar r6, r6, r8, r9
    smmlar r7, r7, r8, r9
    ldr.w r8, [sp, #8]
    ldr.w r9, [sp, #12]
    ssat r7, #8, r7
    strb.w r7, [r12, r8]
    ldr.w r8, [sp, #16]
    ssat r6, #8, r6
    strb.w r6, [r12]
    add r11, r8
    add r12, lr
    cmp r11, r9
    bne 1b
    nw_leave
    .size niwaki_dsp_depthwise_pair, . - niwaki_dsp_depthwise_pair

    .section .text.niwaki_dsp_depthwise_row, "ax", %progbits
    .global niwaki_dsp_depthwise_row
    .type niwaki_dsp_depthwise_row, %function
    .thumb_func
    .balign 4
niwaki_dsp_depthwise_row:
    nw_enter
    .balign 4
1:
    ldr.w r8, [r11]
    ldr.w r9, [r11, #4]
    ldr.w r7, [r11, #32]
    smlad r6, r8, r0, r10
    smlabt r6, r9, r1, r6
    smlad r6, r7, r2, r6
    ldr.w r9, [r11, #36]
    ldr.w r8, [r11, #64]
    ldr.w r7, [r11, #68]
    smlabt r6, r9, r3, r6
    smlad r6, r8, r4, r6
    smlabt r6, r7, r5, r6
    ldr.w r8, [sp]
    ldr.w r9, [sp, #4]
    ldr.w r7, [sp, #16]
    smmlar r6, r6, r8, r9
    ldr.w r9, [sp, #12]
    ssat r6, #8, r6
    strb.w r6, [r12]
    add r11, r7
    add r12, lr
    cmp r11, r9
    bne 1b
    nw_leave
    .size niwaki_dsp_depthwise_row, . - niwaki_dsp_depthwise_row
    .text

    .purgem nw_enter
    .purgem nw_leave
"#
);

/// Channels whose columns are prepared together: those of a word.
const LANES: usize = 4;

/// As [`crate::scalar::packed_depthwise_conv2d`].
pub(crate) fn packed_depthwise_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let (columns, available) = words(scratch);
    let channels = op.output.channels;
    let complete = output.len() == op.output.elements()
        && input.len() == op.input.elements()
        && op.input.channels == channels
        && op.window.kernel == [3, 3]
        && op.packed.weights.len() == channels * 12
        && op.packed.rules.len() == channels * 2;
    if !complete || available < dsp_columns(op) * 32 {
        return;
    }
    let pair = op.window.stride[0] == 1;
    for y in (0..op.output.height).step_by(if pair { 2 } else { 1 }) {
        for first in (0..channels).step_by(LANES) {
            prepare(op, input, y, first, columns);
            for channel in first..(first + LANES).min(channels) {
                // SAFETY: the columns were just prepared; the channel exists.
                unsafe { row(op, output, [y, channel], columns.add(2 * (channel - first)), pair) };
            }
        }
    }
    clamp(op.packed.activation, output);
}

/// # Safety
/// `columns` are those of the channel, and `output` has all of its elements.
unsafe fn row(op: &PackedConv2d<'_>, output: &mut [i8], [y, channel]: [usize; 2], columns: *const u32, pair: bool) {
    let channels = op.output.channels;
    let pitch = op.output.width * channels;
    let [bias, multiplier] = op.packed.rules.as_chunks::<2>().0.get(channel).copied().unwrap_or_default();
    let step = 32 * op.window.stride[1];
    let frame = Frame {
        multiplier,
        zero_point: i32::from(op.packed.zero_point),
        below: if y + 1 < op.output.height { pitch } else { 0 },
        columns_end: columns.wrapping_byte_add(step * op.output.width),
        step,
        bias,
        columns,
        output: output.as_mut_ptr().wrapping_add(y * pitch + channel),
        pitch: channels,
        weights: op.packed.weights.as_ptr().wrapping_add(12 * channel),
    };
    // SAFETY: the caller's; the lower row is left out where there is none, by writing the upper one over it.
    unsafe {
        match pair {
            true => niwaki_dsp_depthwise_pair(&frame),
            false => niwaki_dsp_depthwise_row(&frame),
        }
    }
}

/// Brings the columns of four rows and four channels into the scratch.
fn prepare(op: &PackedConv2d<'_>, input: &[i8], y: usize, first: usize, columns: *mut u32) {
    let channels = op.input.channels;
    let width = op.input.width;
    let lanes = (channels - first).min(LANES);
    let zero = u32::from(op.input_zero_point as u8) * 0x0101_0101;
    let rows: [Option<usize>; 4] = core::array::from_fn(|row| {
        let at = (y * op.window.stride[0] + row).checked_sub(op.window.padding[0])?;
        (at < op.input.height).then_some((at * width) * channels + first)
    });
    for column in 0..dsp_columns(op) {
        let place = column.checked_sub(op.window.padding[1]).filter(|column| *column < width);
        let read = |row: Option<usize>| match row.zip(place) {
            // SAFETY: row, column and the lanes' channels lie inside the input, which has all of its elements.
            Some((row, column)) => unsafe { lanes_at(input.as_ptr().add(row + column * channels), lanes) },
            None => zero,
        };
        let [a, b, c, d] = rows.map(read);
        // SAFETY: the scratch has as many columns, 32 bytes each.
        unsafe { write(columns.add(8 * column), [a, b, c, d]) };
    }
}

/// The pairs of rows of four channels.
///
/// # Safety
/// There is room for eight words.
#[inline(always)]
unsafe fn write(to: *mut u32, rows: [u32; 4]) {
    let [a, b, c, d] = rows.map(sxtb16);
    let [e, f, g, h] = rows.map(sxtb16_odd);
    let words = [
        low_halves(a, b),
        low_halves(c, d),
        low_halves(e, f),
        low_halves(g, h),
        high_halves(a, b),
        high_halves(c, d),
        high_halves(e, f),
        high_halves(g, h),
    ];
    // SAFETY: the caller's.
    unsafe { to.cast::<[u32; 8]>().write(words) };
}

/// Up to four bytes.
///
/// # Safety
/// They can be read.
#[inline(always)]
unsafe fn lanes_at(at: *const i8, lanes: usize) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        if lanes == LANES {
            return word::load(at);
        }
        (0..lanes).fold(0, |word, lane| word | u32::from(at.add(lane).read() as u8) << (8 * lane))
    }
}
