//! Fully connected layer: groups of rows against the input, which is widened on the way.

use super::memory::{clamp, words};
use core::arch::global_asm;
use niwaki_blob::{PackedFullyConnected, STREAM_SLACK};

/// What the loops read; the first eight words become their stack frame.
#[repr(C)]
struct Frame {
    input: *const i8,
    /// Behind the last quad (dense).
    input_end: *const i8,
    rules: *const i32,
    output: *mut i8,
    /// Groups of rows, at least one.
    groups: usize,
    zero_point: i32,
    /// Quads that the first round leaves out (dense).
    skipped: usize,
    /// For the kernel's use.
    spare: usize,
    weights: *const i8,
}

/// Computes groups of rows and returns where the weights of the next one are.
type Kernel = unsafe extern "C" fn(*const Frame) -> *const i8;

unsafe extern "C" {
    /// Dense groups of four rows.
    ///
    /// # Safety
    /// The frame's pointers lead to as much as its counts say: `4 * quads` bytes of input at any address, `32 * groups`
    /// of rules and `16 * quads * groups` of weights on word boundaries, `4 * groups` bytes of output.
    fn niwaki_dsp_connect_4(frame: *const Frame) -> *const i8;

    /// Streams of groups of four rows.
    ///
    /// # Safety
    /// As [`niwaki_dsp_connect_4`], with one checked stream per group and the slack behind them; the input lies in RAM.
    fn niwaki_dsp_connect_sparse_4(frame: *const Frame) -> *const i8;

    /// Streams of groups of two rows.
    ///
    /// # Safety
    /// As [`niwaki_dsp_connect_sparse_4`], with half as many rules and outputs.
    fn niwaki_dsp_connect_sparse_2(frame: *const Frame) -> *const i8;

    /// Streams of single rows.
    ///
    /// # Safety
    /// As [`niwaki_dsp_connect_sparse_4`], with a quarter of the rules and outputs.
    fn niwaki_dsp_connect_sparse_1(frame: *const Frame) -> *const i8;
}

// r0 to r3 sums, r4 and r5 input, r6 to r9 weights, r10 for a widened one, r11 end of input, r12 input's and lr weights'
// address.
global_asm!(
    cpu!(),
    r#"
    .macro nc_enter
    push {{r4-r11, lr}}
    ldm r0!, {{r4-r11}}
    ldr lr, [r0]
    push {{r4-r11}}
    .endm

    .macro nc_leave
    mov r0, lr
    add sp, #32
    pop {{r4-r11, pc}}
    .endm

    @ Two rows' words against the widened input.
    .macro nc_two first, second, even, odd
    sxtb16 r10, \even
    smlad \first, r10, r4, \first
    smlad \second, \even, r4, \second
    sxtb16 r10, \odd
    smlad \first, r10, r5, \first
    smlad \second, \odd, r5, \second
    .endm

    .macro nc_quad input, weight
    ldr.w r4, [r12, #\input]
    ldr.w r6, [lr, #\weight]
    ldr.w r7, [lr, #\weight + 4]
    ldr.w r8, [lr, #\weight + 8]
    ldr.w r9, [lr, #\weight + 12]
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    nc_two r0, r1, r6, r7
    nc_two r2, r3, r8, r9
    .endm

    @ One output from its sum.
    .macro nc_out sum, bias, multiplier, zero, place
    add \sum, \sum, \bias
    smmlar \sum, \sum, \multiplier, \zero
    ssat \sum, #8, \sum
    strb \sum, [r12, #\place]
    .endm

    .macro nc_finish_4
    ldr r12, [sp, #8]
    ldm r12!, {{r4-r7}}
    sub r1, r1, r0
    asr r1, r1, #8
    sub r3, r3, r2
    asr r3, r3, #8
    add r0, r4
    add r1, r5
    add r2, r6
    add r3, r7
    ldm r12!, {{r4-r7}}
    str r12, [sp, #8]
    ldr r12, [sp, #12]
    ldr r8, [sp, #20]
    ldr r9, [sp, #16]
    smmlar r0, r0, r4, r8
    smmlar r1, r1, r5, r8
    smmlar r2, r2, r6, r8
    smmlar r3, r3, r7, r8
    ssat r0, #8, r0
    ssat r1, #8, r1
    ssat r2, #8, r2
    ssat r3, #8, r3
    strb r0, [r12]
    strb r1, [r12, #1]
    strb r2, [r12, #2]
    strb r3, [r12, #3]
    adds r12, #4
    str r12, [sp, #12]
    subs r9, #1
    str r9, [sp, #16]
    .endm

    .section .text.niwaki_dsp_connect_4, "ax", %progbits
    .global niwaki_dsp_connect_4
    .type niwaki_dsp_connect_4, %function
    .thumb_func
    .balign 4
niwaki_dsp_connect_4:
    nc_enter
    ldr r1, [sp, #24]
    ldr r2, [sp]
    sub r2, r2, r1, lsl #2
    str r2, [sp]
    sub lr, lr, r1, lsl #4
    lsl r2, r1, #4
    str r2, [sp, #24]
    movs r2, #76
    mul r1, r1, r2
    adr.w r2, 2f
    add r1, r2
    orr r1, #1
    str r1, [sp, #28]
    ldr r11, [sp, #4]
1:
    ldr.w r12, [sp]
    ldr.w r8, [sp, #28]
    mov.w r0, #0
    mov.w r1, #0
    mov.w r2, #0
    mov.w r3, #0
    bx r8
    .balign 4
2:
    .irp quad, 0, 1, 2, 3
    nc_quad 4*\quad, 16*\quad
    .endr
    add r12, #16
    add lr, #64
    cmp r12, r11
    bne.w 2b
    nc_finish_4
    ldr.w r8, [sp, #24]
    sub lr, lr, r8
    bne.w 1b
    add lr, lr, r8
    nc_leave
    .size niwaki_dsp_connect_4, . - niwaki_dsp_connect_4

    .macro nc_block_4 offset, weight, end
    ldrsh.w r10, [lr, #\offset]
    ldr.w r6, [lr, #\weight]
    ldr.w r7, [lr, #\weight + 4]
    ldr.w r8, [lr, #\weight + 8]
    ldr.w r9, [lr, #\weight + 12]
    adds.w r12, r12, r10
    bcs \end
    ldr.w r4, [r12]
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    nc_two r0, r1, r6, r7
    nc_two r2, r3, r8, r9
    .endm

    .section .text.niwaki_dsp_connect_sparse_4, "ax", %progbits
    .global niwaki_dsp_connect_sparse_4
    .type niwaki_dsp_connect_sparse_4, %function
    .thumb_func
    .balign 4
niwaki_dsp_connect_sparse_4:
    nc_enter
1:
    ldr.w r12, [sp]
    mov.w r0, #0
    mov.w r1, #0
    mov.w r2, #0
    mov.w r3, #0
    .balign 4
2:
    nc_block_4 0, 4, 3f
    nc_block_4 2, 20, 4f
    nc_block_4 36, 40, 5f
    nc_block_4 38, 56, 6f
    add lr, #72
    b.w 2b
6:
    add lr, #16
5:
    add lr, #20
4:
    add lr, #16
3:
    add lr, #4
    nc_finish_4
    bne 1b
    nc_leave
    .size niwaki_dsp_connect_sparse_4, . - niwaki_dsp_connect_sparse_4

    .macro nc_block_2 offset, weight, end
    ldrsh.w r10, [lr, #\offset]
    ldr.w r6, [lr, #\weight]
    ldr.w r7, [lr, #\weight + 4]
    adds.w r12, r12, r10
    bcs \end
    ldr.w r4, [r12]
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    nc_two r0, r1, r6, r7
    .endm

    .section .text.niwaki_dsp_connect_sparse_2, "ax", %progbits
    .global niwaki_dsp_connect_sparse_2
    .type niwaki_dsp_connect_sparse_2, %function
    .thumb_func
    .balign 4
niwaki_dsp_connect_sparse_2:
    nc_enter
1:
    ldr.w r12, [sp]
    mov.w r0, #0
    mov.w r1, #0
    .balign 4
2:
    nc_block_2 0, 4, 3f
    nc_block_2 2, 12, 4f
    add lr, #20
    b 2b
4:
    add lr, #8
3:
    add lr, #4
    ldr r12, [sp, #8]
    ldm r12!, {{r4-r7}}
    str r12, [sp, #8]
    ldr r12, [sp, #12]
    ldr r8, [sp, #20]
    ldr r9, [sp, #16]
    sub r1, r1, r0
    asr r1, r1, #8
    nc_out r0, r4, r6, r8, 0
    nc_out r1, r5, r7, r8, 1
    adds r12, #2
    str r12, [sp, #12]
    subs r9, #1
    str r9, [sp, #16]
    bne 1b
    nc_leave
    .size niwaki_dsp_connect_sparse_2, . - niwaki_dsp_connect_sparse_2

    .macro nc_block_1 offset, weight, end
    ldrsh.w r10, [lr, #\offset]
    ldr.w r6, [lr, #\weight]
    adds.w r12, r12, r10
    bcs \end
    ldr.w r4, [r12]
    sxtb16 r7, r6, ror #8
    sxtb16 r6, r6
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    smlad r0, r6, r4, r0
    smlad r0, r7, r5, r0
    .endm

    .section .text.niwaki_dsp_connect_sparse_1, "ax", %progbits
    .global niwaki_dsp_connect_sparse_1
    .type niwaki_dsp_connect_sparse_1, %function
    .thumb_func
    .balign 4
niwaki_dsp_connect_sparse_1:
    nc_enter
1:
    ldr.w r12, [sp]
    mov.w r0, #0
    .balign 4
2:
    nc_block_1 0, 4, 3f
    nc_block_1 2, 8, 4f
    add lr, #12
    b 2b
4:
    add lr, #4
3:
    add lr, #4
    ldr r11, [sp, #8]
    ldr r12, [sp, #12]
    ldr r8, [sp, #20]
    ldr r9, [sp, #16]
    ldr r4, [r11], #4
    ldr r6, [r11], #4
    str r11, [sp, #8]
    nc_out r0, r4, r6, r8, 0
    adds r12, #1
    str r12, [sp, #12]
    subs r9, #1
    str r9, [sp, #16]
    bne 1b
    nc_leave
    .size niwaki_dsp_connect_sparse_1, . - niwaki_dsp_connect_sparse_1
    .text

    .purgem nc_enter
    .purgem nc_leave
    .purgem nc_two
    .purgem nc_quad
    .purgem nc_out
    .purgem nc_finish_4
    .purgem nc_block_4
    .purgem nc_block_2
    .purgem nc_block_1
"#
);

/// As [`crate::scalar::packed_fully_connected`].
pub(crate) fn packed_fully_connected(
    op: &PackedFullyConnected<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) {
    let complete = op.packed.weights.len() == op.quads() * 16 * op.outputs.div_ceil(4) && op.packed.rows == 4;
    if complete && op.quads() > 0 {
        connect(op, input, output, scratch, niwaki_dsp_connect_4);
    }
}

/// As [`crate::scalar::sparse_fully_connected`].
pub(crate) fn sparse_fully_connected(
    op: &PackedFullyConnected<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) {
    if op.packed.weights.len() < STREAM_SLACK {
        return;
    }
    match op.packed.rows {
        1 => connect(op, input, output, scratch, niwaki_dsp_connect_sparse_1),
        2 => connect(op, input, output, scratch, niwaki_dsp_connect_sparse_2),
        4 => connect(op, input, output, scratch, niwaki_dsp_connect_sparse_4),
        _ => (),
    }
}

#[inline(always)]
fn connect(op: &PackedFullyConnected<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8], kernel: Kernel) {
    let rows = op.packed.rows.max(1);
    let (quads, whole, rest) = (op.quads(), output.len() / rows, output.len() % rows);
    if input.len() != op.inputs || op.packed.rules.len() < output.len().div_ceil(rows) * rows * 2 {
        return;
    }
    let mut from = input.as_ptr();
    if !op.inputs.is_multiple_of(4) {
        let (copy, available) = words(scratch);
        if available < quads * 4 {
            return;
        }
        // SAFETY: both have `inputs` bytes; what follows in the scratch meets weights of zero.
        unsafe { core::ptr::copy_nonoverlapping(from, copy.cast(), op.inputs) };
        from = copy.cast_const().cast();
    }
    let mut frame = Frame {
        input: from,
        input_end: from.wrapping_add(quads * 4),
        rules: op.packed.rules.as_ptr(),
        output: output.as_mut_ptr(),
        groups: whole,
        zero_point: i32::from(op.packed.zero_point),
        // Rounds have four quads.
        skipped: quads.wrapping_neg() % 4,
        spare: 0,
        weights: op.packed.weights.as_ptr(),
    };
    if whole > 0 {
        // SAFETY: dense weights have the length that their shape says, streams were checked when the blob was read;
        // input, rules and whole groups of output are there.
        frame.weights = unsafe { kernel(&frame) };
    }
    if rest > 0 {
        let mut tile = [0i8; 4];
        frame.rules = op.packed.rules.get(whole * 2 * rows..).unwrap_or_default().as_ptr();
        frame.output = tile.as_mut_ptr();
        frame.groups = 1;
        // SAFETY: as above, for the last group.
        unsafe { kernel(&frame) };
        for (out, value) in output.iter_mut().skip(whole * rows).zip(tile) {
            *out = value;
        }
    }
    clamp(op.packed.activation, output);
}
