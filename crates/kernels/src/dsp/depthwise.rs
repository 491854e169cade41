//! Depthwise convolution with 3x3 taps: two rows of outputs and four channels at a time.
//!
//! First the columns of four input rows are brought into the scratch: for every column and channel a word with rows 0
//! and 1 and one with rows 2 and 3. Then every channel goes through them: three columns make two outputs, one above the
//! other, with four multiply instructions per column. Where rows are not neighbours (vertical stride), only the upper
//! output is computed.

use super::{
    memory::{clamp, words},
    word::{high_halves, low_halves, sxtb16, sxtb16_odd},
};
use crate::isa::dsp_columns;
use core::arch::global_asm;
use niwaki_blob::PackedConv2d;

/// What the loops read; the first ten words become their stack frame.
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
    columns: *const u32,
    output: *mut i8,
    /// The filters, three words for a channel.
    weights: *const i8,
    /// Bias and multiplier of every channel.
    rules: *const i32,
    /// Channels to do, at least one.
    channels: usize,
    /// From pixel to pixel, in bytes.
    pitch: usize,
}

unsafe extern "C" {
    /// A pair of rows of outputs of some channels.
    ///
    /// # Safety
    /// Columns lie 32 bytes apart on word boundaries, two more than `columns_end` says, eight bytes for a channel;
    /// outputs `pitch` bytes apart, and as many `below`; there are filters and rules of every channel.
    fn niwaki_dsp_depthwise_pair(frame: *const Frame);

    /// One row of outputs of some channels.
    ///
    /// # Safety
    /// As [`niwaki_dsp_depthwise_pair`], with nothing below.
    fn niwaki_dsp_depthwise_row(frame: *const Frame);

    /// Columns of four rows and four channels: pairs of rows.
    ///
    /// # Safety
    /// `rows` are the ends of four rows whose last `bytes` can be read, a multiple of `pitch` and not 0; there is room
    /// for 32 bytes at `to`, on a word boundary, for every `pitch` of them.
    fn niwaki_dsp_columns(rows: *const [*const i8; 4], to: *mut u32, bytes: usize, pitch: usize);
}

// r0 to r5 pairs of taps (top, middle) and (middle, bottom) of three columns, r6 and r7 sums, r8 and r9 pairs of rows,
// r10 bias, r11 columns, r12 output, lr from pixel to pixel.
global_asm!(
    r#"
    .macro nw_enter
    push {{r4-r11, lr}}
    ldm r0!, {{r3-r12}}
    ldr lr, [r0]
    push {{r3-r12}}
    .endm

    .macro nw_channel
    ldr r6, [sp, #28]
    ldr r7, [sp, #32]
    ldr r11, [sp, #20]
    ldr r12, [sp, #24]
    ldr r10, [r7], #4
    ldr r8, [r7], #4
    ldr r0, [r6], #4
    ldr r2, [r6], #4
    ldr r4, [r6], #4
    str r6, [sp, #28]
    str r7, [sp, #32]
    str r8, [sp]
    sxtb16 r1, r0, ror #8
    sxtb16 r0, r0
    sxtb16 r3, r2, ror #8
    sxtb16 r2, r2
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    .endm

    @ On to the next channel at label 1, unless it was the last.
    .macro nw_next
    ldr r6, [sp, #12]
    ldr r7, [sp, #20]
    ldr r8, [sp, #24]
    ldr r9, [sp, #36]
    adds r6, #8
    adds r7, #8
    add r8, #1
    str r6, [sp, #12]
    str r7, [sp, #20]
    str.w r8, [sp, #24]
    subs.w r9, r9, #1
    str.w r9, [sp, #36]
    bne 1b
    add sp, #40
    pop {{r4-r11, pc}}
    .endm

    .section .text.niwaki_dsp_depthwise_pair, "ax", %progbits
    .global niwaki_dsp_depthwise_pair
    .type niwaki_dsp_depthwise_pair, %function
    .thumb_func
    .balign 4
niwaki_dsp_depthwise_pair:
    nw_enter
1:
    nw_channel
    .balign 4
2:
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
    add r11, #32
    smlad r6, r8, r4, r6
    smlad r7, r9, r5, r7
    smlabt r6, r9, r5, r6
    smlatb r7, r8, r4, r7
    ldr.w r8, [sp]
    ldr.w r9, [sp, #4]
    smmlar r7, r7, r8, r9
    smmlar r6, r6, r8, r9
    ldr.w r8, [sp, #8]
    ldr.w r9, [sp, #12]
    ssat r7, #8, r7
    ssat r6, #8, r6
    strb.w r7, [r12, r8]
    strb.w r6, [r12]
    add r12, lr
    cmp r11, r9
    bne 2b
    nw_next
    .size niwaki_dsp_depthwise_pair, . - niwaki_dsp_depthwise_pair

    .section .text.niwaki_dsp_depthwise_row, "ax", %progbits
    .global niwaki_dsp_depthwise_row
    .type niwaki_dsp_depthwise_row, %function
    .thumb_func
    .balign 4
niwaki_dsp_depthwise_row:
    nw_enter
1:
    nw_channel
    .balign 4
2:
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
    add r11, r7
    strb.w r6, [r12]
    add r12, lr
    cmp r11, r9
    bne 2b
    nw_next
    .size niwaki_dsp_depthwise_row, . - niwaki_dsp_depthwise_row

    @ Rows a and b of channels 0 and 2, or 1 and 3.
    .macro nw_pair a, b, to, rotation
    sxtb16 r9, \a, ror #\rotation
    sxtb16 r10, \b, ror #\rotation
    pkhbt r11, r9, r10, lsl #16
    str.w r11, [r8, #\to]
    pkhtb r11, r10, r9, asr #16
    str.w r11, [r8, #\to + 16]
    .endm

    .section .text.niwaki_dsp_columns, "ax", %progbits
    .global niwaki_dsp_columns
    .type niwaki_dsp_columns, %function
    .thumb_func
    .balign 4
niwaki_dsp_columns:
    push {{r4-r11, lr}}
    mov lr, r3
    mov r8, r1
    rsb r12, r2, #0
    ldm r0, {{r0-r3}}
    .balign 4
1:
    ldr.w r4, [r0, r12]
    ldr.w r5, [r1, r12]
    ldr.w r6, [r2, r12]
    ldr.w r7, [r3, r12]
    nw_pair r4, r5, 0, 0
    nw_pair r6, r7, 4, 0
    nw_pair r4, r5, 8, 8
    nw_pair r6, r7, 12, 8
    add r8, #32
    adds.w r12, r12, lr
    bne 1b
    pop {{r4-r11, pc}}
    .size niwaki_dsp_columns, . - niwaki_dsp_columns
    .text

    .purgem nw_enter
    .purgem nw_channel
    .purgem nw_next
    .purgem nw_pair
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
    let pair = op.window.stride == [1, 1];
    for y in (0..op.output.height).step_by(if pair { 2 } else { 1 }) {
        for first in (0..channels).step_by(LANES) {
            prepare(op, input, y, first, columns);
            // SAFETY: the columns were just prepared; lengths were checked above.
            unsafe { rows(op, output, [y, first], columns, pair) };
        }
    }
    clamp(op.packed.activation, output);
}

/// The outputs of a row, or of two, of up to four channels.
///
/// # Safety
/// `columns` are those of the channels; `output`, filters and rules are complete.
unsafe fn rows(op: &PackedConv2d<'_>, output: &mut [i8], [y, first]: [usize; 2], columns: *const u32, pair: bool) {
    let channels = op.output.channels;
    let pitch = op.output.width * channels;
    let step = 32 * op.window.stride[1];
    let frame = Frame {
        multiplier: 0,
        zero_point: i32::from(op.packed.zero_point),
        below: if y + 1 < op.output.height { pitch } else { 0 },
        columns_end: columns.wrapping_byte_add(step * op.output.width),
        step,
        columns,
        output: output.as_mut_ptr().wrapping_add(y * pitch + first),
        weights: op.packed.weights.as_ptr().wrapping_add(12 * first),
        rules: op.packed.rules.as_ptr().wrapping_add(2 * first),
        channels: (channels - first).min(LANES),
        pitch: channels,
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
    let (channels, width) = (op.input.channels, op.input.width);
    let top = y * op.window.stride[0];
    // Rows in the padding are read from the nearest one inside, and written over afterwards.
    let inside = |row: usize| (top + row).checked_sub(op.window.padding[0]).filter(|row| *row < op.input.height);
    let nearest = |row: usize| (top + row).saturating_sub(op.window.padding[0]).min(op.input.height - 1);
    let left = op.window.padding[1];
    let count = dsp_columns(op);
    // Columns inside the input: from `left` on.
    let copied = width.min(count.saturating_sub(left));
    if channels - first >= LANES && copied > 0 {
        let end = |row: usize| (nearest(row) * width + copied) * channels + first;
        let ends = [0, 1, 2, 3].map(|row| input.as_ptr().wrapping_add(end(row)));
        // SAFETY: `copied` pixels before each end lie inside the input, and as many columns inside the scratch.
        unsafe { niwaki_dsp_columns(&ends, columns.add(8 * left), copied * channels, channels) };
    } else {
        for column in 0..copied {
            let read = |row: usize| (nearest(row) * width + column) * channels + first;
            // SAFETY: row, column and the lanes' channels lie inside the input, which has all of its elements; columns
            // inside the scratch.
            unsafe {
                let rows = [0, 1, 2, 3].map(|row| lanes_at(input.as_ptr().add(read(row)), channels - first));
                write(columns.add(8 * (left + column)), rows);
            }
        }
    }
    let zero = op.input_zero_point as u16;
    for row in (0..4).filter(|row| inside(*row).is_none()) {
        for lane in 0..LANES * copied {
            // SAFETY: a half of one of the words that were just written.
            unsafe { columns.add(8 * left).cast::<u16>().add(4 * lane + row).write(zero) };
        }
    }
    let zero = u32::from(zero) * 0x0001_0001;
    for column in (0..left.min(count)).chain(left + copied..count) {
        for word in 0..8 {
            // SAFETY: inside the scratch.
            unsafe { columns.add(8 * column + word).write(zero) };
        }
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

/// Up to three bytes.
///
/// # Safety
/// They can be read.
#[inline(always)]
unsafe fn lanes_at(at: *const i8, lanes: usize) -> u32 {
    // SAFETY: the caller's.
    unsafe { (0..lanes.min(LANES)).fold(0, |word, lane| word | u32::from(at.add(lane).read() as u8) << (8 * lane)) }
}
