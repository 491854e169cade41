//! Depthwise convolution with 3x3 taps: two rows of outputs and four channels at a time.
//!
//! First the columns of four input rows are brought into the scratch: for every column and channel a word with rows 0
//! and 1 and one with rows 2 and 3. Then every channel goes through them: three columns make two outputs, one above the
//! other, with four multiply instructions per column. Where windows are two rows apart, a column has five rows; with other
//! strides only the upper output is computed.

use super::memory::{clamp, words};
use crate::isa::{dsp_column_words, dsp_columns};
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

    /// A pair of rows of outputs whose windows are two rows apart, of some channels.
    ///
    /// # Safety
    /// As [`niwaki_dsp_depthwise_pair`], with columns of 48 bytes, twelve for a channel.
    fn niwaki_dsp_depthwise_strided(frame: *const Frame);

    /// Columns of five rows and four channels.
    ///
    /// # Safety
    /// As [`niwaki_dsp_columns`], with five rows and 48 bytes.
    fn niwaki_dsp_columns_5(rows: *const [*const i8; 5], to: *mut u32, bytes: usize, pitch: usize);

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
    cpu!(),
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
    .macro nw_next bytes
    ldr r6, [sp, #12]
    ldr r7, [sp, #20]
    ldr r8, [sp, #24]
    ldr r9, [sp, #36]
    adds r6, #\bytes
    adds r7, #\bytes
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
    nw_next 8
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
    nw_next 8
    .size niwaki_dsp_depthwise_row, . - niwaki_dsp_depthwise_row

    .section .text.niwaki_dsp_depthwise_strided, "ax", %progbits
    .global niwaki_dsp_depthwise_strided
    .type niwaki_dsp_depthwise_strided, %function
    .thumb_func
    .balign 4
niwaki_dsp_depthwise_strided:
    nw_enter
1:
    nw_channel
    .balign 4
2:
    ldr.w r8, [r11]
    ldr.w r9, [r11, #4]
    smlad r6, r8, r0, r10
    smlabt r6, r9, r1, r6
    smlad r7, r9, r0, r10
    ldr.w r8, [r11, #8]
    ldr.w r9, [r11, #48]
    smlabt r7, r8, r1, r7
    smlad r6, r9, r2, r6
    ldr.w r8, [r11, #52]
    ldr.w r9, [r11, #56]
    smlabt r6, r8, r3, r6
    smlad r7, r8, r2, r7
    smlabt r7, r9, r3, r7
    ldr.w r8, [r11, #96]
    ldr.w r9, [r11, #100]
    smlad r6, r8, r4, r6
    smlabt r6, r9, r5, r6
    smlad r7, r9, r4, r7
    ldr.w r8, [r11, #104]
    ldr.w r9, [sp]
    smlabt r7, r8, r5, r7
    ldr.w r8, [sp, #4]
    smmlar r6, r6, r9, r8
    smmlar r7, r7, r9, r8
    ldr.w r8, [sp, #8]
    ldr.w r9, [sp, #16]
    ssat r7, #8, r7
    ssat r6, #8, r6
    add r11, r9
    ldr.w r9, [sp, #12]
    strb.w r7, [r12, r8]
    strb.w r6, [r12]
    add r12, lr
    cmp r11, r9
    bne 2b
    nw_next 12
    .size niwaki_dsp_depthwise_strided, . - niwaki_dsp_depthwise_strided

    @ Rows a and b of channels 0 and 2, or 1 and 3.
    .macro nw_pair a, b, to, rotation, apart
    sxtb16 r9, \a, ror #\rotation
    sxtb16 r10, \b, ror #\rotation
    pkhbt r11, r9, r10, lsl #16
    str.w r11, [r8, #\to]
    pkhtb r11, r10, r9, asr #16
    str.w r11, [r8, #\to + \apart]
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
    nw_pair r4, r5, 0, 0, 16
    nw_pair r6, r7, 4, 0, 16
    nw_pair r4, r5, 8, 8, 16
    nw_pair r6, r7, 12, 8, 16
    add r8, #32
    adds.w r12, r12, lr
    bne 1b
    pop {{r4-r11, pc}}
    .size niwaki_dsp_columns, . - niwaki_dsp_columns

    @ The row below two pairs, of channels 0 and 2, or 1 and 3.
    .macro nw_last row, to, rotation
    sxtb16 r9, \row, ror #\rotation
    str.w r9, [r8, #\to]
    lsr.w r9, r9, #16
    str.w r9, [r8, #\to + 24]
    .endm

    .section .text.niwaki_dsp_columns_5, "ax", %progbits
    .global niwaki_dsp_columns_5
    .type niwaki_dsp_columns_5, %function
    .thumb_func
    .balign 4
niwaki_dsp_columns_5:
    push {{r4-r11, lr}}
    mov lr, r3
    mov r8, r1
    rsb r12, r2, #0
    ldm r0, {{r0-r4}}
    .balign 4
1:
    ldr.w r5, [r0, r12]
    ldr.w r6, [r1, r12]
    nw_pair r5, r6, 0, 0, 24
    nw_pair r5, r6, 12, 8, 24
    ldr.w r5, [r2, r12]
    ldr.w r6, [r3, r12]
    ldr.w r7, [r4, r12]
    nw_pair r5, r6, 4, 0, 24
    nw_pair r5, r6, 16, 8, 24
    nw_last r7, 8, 0
    nw_last r7, 20, 8
    add r8, #48
    adds.w r12, r12, lr
    bne 1b
    pop {{r4-r11, pc}}
    .size niwaki_dsp_columns_5, . - niwaki_dsp_columns_5
    .text

    .purgem nw_enter
    .purgem nw_channel
    .purgem nw_next
    .purgem nw_pair
    .purgem nw_last
"#
);

/// Channels whose columns are prepared together: those of a word.
const LANES: usize = 4;

/// Rows of the input whose pairs are in a column, and what computes outputs from it.
struct Plan {
    /// Rows of the input in a column: four, or five.
    rows: usize,
    /// Rows of outputs at a time.
    outputs: usize,
    kernel: unsafe extern "C" fn(*const Frame),
}

impl Plan {
    fn new([vertical, horizontal]: [usize; 2]) -> Self {
        match (vertical, horizontal) {
            (1, 1) => Self { rows: 4, outputs: 2, kernel: niwaki_dsp_depthwise_pair },
            (2, _) => Self { rows: 5, outputs: 2, kernel: niwaki_dsp_depthwise_strided },
            _ => Self { rows: 4, outputs: 1, kernel: niwaki_dsp_depthwise_row },
        }
    }
}

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
    if !complete || available < dsp_columns(op) * 4 * dsp_column_words(op) {
        return;
    }
    let plan = Plan::new(op.window.stride);
    // Columns beside the input stay as they are for all rows and channels.
    beside(op, columns);
    let mut y = 0;
    while y < op.output.height {
        let source = Source::new(op, &plan, input, y);
        let mut first = 0;
        while first < channels {
            source.prepare(first, columns);
            // SAFETY: the columns were just prepared; lengths were checked above.
            unsafe { rows(op, &plan, output, [y, first], columns) };
            first += LANES;
        }
        y += plan.outputs;
    }
    clamp(op.packed.activation, output);
}

/// The outputs of a row, or of two, of up to four channels.
///
/// # Safety
/// `columns` are those of the channels; `output`, filters and rules are complete.
unsafe fn rows(op: &PackedConv2d<'_>, plan: &Plan, output: &mut [i8], [y, first]: [usize; 2], columns: *const u32) {
    let channels = op.output.channels;
    let pitch = op.output.width * channels;
    let step = 4 * dsp_column_words(op) * op.window.stride[1];
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
    unsafe { (plan.kernel)(&frame) };
}

/// Columns of the input, with those beside it, and how many of them lie inside: from `left` on.
fn inner(op: &PackedConv2d<'_>) -> (usize, usize, usize) {
    let (count, left) = (dsp_columns(op), op.window.padding[1]);
    (count, left.min(count), op.input.width.min(count.saturating_sub(left)))
}

/// Fills the columns to the left and to the right of the input.
fn beside(op: &PackedConv2d<'_>, columns: *mut u32) {
    let words = dsp_column_words(op);
    let (count, left, copied) = inner(op);
    let zero = u32::from(i16::from(op.input_zero_point) as u16) * 0x0001_0001;
    for column in (0..left).chain(left + copied..count) {
        for word in 0..words {
            // SAFETY: the scratch has `count` columns.
            unsafe { columns.add(words * column + word).write(zero) };
        }
    }
}

/// The rows of the input that are in the columns.
struct Source<'a> {
    op: &'a PackedConv2d<'a>,
    input: &'a [i8],
    /// Rows in a column.
    count: usize,
    /// Of every row, what is behind its last pixel that is needed. Rows in the padding are read from the nearest one
    /// inside, and written over afterwards.
    ends: [usize; 5],
    /// A bit for every row in the padding.
    outside: usize,
    left: usize,
    copied: usize,
}

impl<'a> Source<'a> {
    fn new(op: &'a PackedConv2d<'a>, plan: &Plan, input: &'a [i8], y: usize) -> Self {
        let (_, left, copied) = inner(op);
        let (width, channels) = (op.input.width, op.input.channels);
        let (mut ends, mut outside) = ([0; 5], 0);
        for (row, end) in ends.iter_mut().enumerate() {
            let place = y * op.window.stride[0] + row;
            let nearest = place.saturating_sub(op.window.padding[0]).min(op.input.height - 1);
            *end = (nearest * width + copied) * channels;
            if place != nearest + op.window.padding[0] && row < plan.rows {
                outside |= 1 << row;
            }
        }
        Self { op, input, count: plan.rows, ends, outside, left, copied }
    }

    /// Brings the columns of four channels into the scratch.
    #[inline(always)]
    fn prepare(&self, first: usize, columns: *mut u32) {
        let (channels, words) = (self.op.input.channels, dsp_column_words(self.op));
        let columns = columns.wrapping_add(words * self.left);
        if channels - first >= LANES && self.copied > 0 {
            let ends = self.ends.map(|end| self.input.as_ptr().wrapping_add(end + first));
            let bytes = self.copied * channels;
            // SAFETY: `copied` pixels before each end lie inside the input, and as many columns inside the scratch. Four
            // rows are the first of five.
            unsafe {
                match self.count {
                    5 => niwaki_dsp_columns_5(&ends, columns, bytes, channels),
                    _ => niwaki_dsp_columns((&raw const ends).cast(), columns, bytes, channels),
                }
            }
        } else {
            self.prepare_lanes(first, columns);
        }
        if self.outside != 0 {
            self.pad(columns);
        }
    }

    /// The half word of a column, a channel and a row: pairs of rows lie together, a channel's pairs behind each other.
    fn half(&self, columns: *mut u32, column: usize, lane: usize, row: usize) -> *mut i16 {
        let words = dsp_column_words(self.op);
        columns.cast::<i16>().wrapping_add(column * words * 2 + lane * (words / 2) + row)
    }

    /// The channels of the last, incomplete word.
    #[cold]
    fn prepare_lanes(&self, first: usize, columns: *mut u32) {
        let channels = self.op.input.channels;
        for column in 0..self.copied {
            for lane in 0..(channels - first).min(LANES) {
                for (row, end) in self.ends.iter().take(self.count).enumerate() {
                    let at = end + column * channels + first + lane - self.copied * channels;
                    let element = self.input.get(at).copied().unwrap_or(0);
                    // SAFETY: a half of one of the columns.
                    unsafe { self.half(columns, column, lane, row).write(i16::from(element)) };
                }
            }
        }
    }

    /// Rows above and below the input.
    fn pad(&self, columns: *mut u32) {
        let zero = i16::from(self.op.input_zero_point);
        let words = dsp_column_words(self.op);
        for row in (0..self.count).filter(|row| self.outside >> row & 1 == 1) {
            let mut place = self.half(columns, 0, 0, row);
            for _ in 0..self.copied * LANES {
                // SAFETY: a half of one of the columns; channels lie at the same distance within them and across.
                unsafe { place.write(zero) };
                place = place.wrapping_add(words / 2);
            }
        }
    }
}
