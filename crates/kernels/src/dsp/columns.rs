//! Columns of the input for depthwise convolutions: for every column and channel, words with pairs of rows.

use crate::isa::{dsp_column_words, dsp_columns};
use core::arch::global_asm;
use niwaki_blob::PackedConv2d;

unsafe extern "C" {
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

// r0 to r4 ends of rows, r5 to r7 their elements, r9 to r11 for widening, r8 column, r12 less the bytes left, lr pitch.
global_asm!(
    cpu!(),
    r#"
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

    .purgem nw_pair
    .purgem nw_last
"#
);

/// Channels whose columns are prepared together: those of a word.
pub(super) const LANES: usize = 4;

/// Columns of the input, with those beside it, and how many of them lie inside: from `left` on.
fn inner(op: &PackedConv2d<'_>) -> (usize, usize, usize) {
    let (count, left) = (dsp_columns(op), op.window.padding[1]);
    (count, left.min(count), op.input.width.min(count.saturating_sub(left)))
}

/// Fills the columns to the left and to the right of the input.
pub(super) fn beside(op: &PackedConv2d<'_>, columns: *mut u32) {
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
pub(super) struct Source<'a> {
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
    /// For the pair of rows of outputs from `y` on, with `count` rows of the input in a column.
    pub(super) fn new(op: &'a PackedConv2d<'a>, count: usize, input: &'a [i8], y: usize) -> Self {
        let (_, left, copied) = inner(op);
        let (width, channels) = (op.input.width, op.input.channels);
        let (mut ends, mut outside) = ([0; 5], 0);
        for (row, end) in ends.iter_mut().enumerate() {
            let place = y * op.window.stride[0] + row;
            let nearest = place.saturating_sub(op.window.padding[0]).min(op.input.height - 1);
            *end = (nearest * width + copied) * channels;
            if place != nearest + op.window.padding[0] && row < count {
                outside |= 1 << row;
            }
        }
        Self { op, input, count, ends, outside, left, copied }
    }

    /// Brings the columns of four channels into the scratch.
    #[inline(always)]
    pub(super) fn prepare(&self, first: usize, columns: *mut u32) {
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
