//! Depthwise convolution with 3x3 taps: two rows of outputs and four channels at a time.
//!
//! First the columns of four input rows are brought into the scratch: for every column and channel a word with rows 0
//! and 1 and one with rows 2 and 3. Then every channel goes through them: three columns make two outputs, one above the
//! other, with four multiply instructions per column. Where windows are two rows apart, a column has five rows; with other
//! strides only the upper output is computed.

use super::{
    columns::{LANES, Source, beside},
    memory::{clamp, words},
};
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
    .text

    .purgem nw_enter
    .purgem nw_channel
    .purgem nw_next
"#
);

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
        let source = Source::new(op, plan.rows, input, y);
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
