//! Groups of output rows over some pixels: the inner loops of all convolutions.
//!
//! Sparse: one or two rows and four pixels. Registers: r0 to r3 sums of row a for four pixels, r4 to r7 of row b, r8 and r9
//! weights, r10 and r11 terms, r12 terms' address, lr weights' address.
//!
//! Dense: two groups of two rows and two pixels, which need half of the terms. r0 and r1 sums of row a for both pixels, r2
//! and r3 of row c, r4 and r5 of row b, r6 and r7 of row d, r8 weights, r9 and lr their addresses, r10 to r12 as above.
//!
//! What does not fit lies on the stack.

use core::arch::global_asm;

/// What the loops read; the first ten words become their stack frame.
#[repr(C)]
pub(super) struct Frame {
    /// Widened terms of all pixels.
    pub(super) terms: *const u32,
    /// Behind them (dense).
    pub(super) terms_end: *const u32,
    /// Biases and multipliers.
    pub(super) rules: *const i32,
    /// First output of the first pixel.
    pub(super) output: *mut i8,
    /// From pixel to pixel, in bytes.
    pub(super) pitch: usize,
    /// Groups of rows, or pairs of groups (dense); at least one.
    pub(super) groups: usize,
    /// The outputs' zero point.
    pub(super) zero_point: i32,
    /// Bytes of a group's weights that the first round leaves out (dense): it has eight quads, and their number need not be
    /// a multiple. Addresses of terms and weights are as if it had them.
    pub(super) skipped: usize,
    /// Bytes of code that it leaves out, plus 1.
    pub(super) entry: usize,
    /// From the weights of a group to those of the next, in bytes (dense).
    pub(super) apart: usize,
    /// Blocks or streams.
    pub(super) weights: *const i8,
}

unsafe extern "C" {
    /// Dense pairs of groups of two rows. Returns, as all of these, where the weights go on.
    ///
    /// # Safety
    /// The frame's pointers lead to as much as its counts say: `16 * quads` bytes of terms on a word boundary, `32 *
    /// groups` of rules, weights of twice as many groups as `groups` that are `apart`, on word boundaries; and `4 * groups`
    /// bytes of output for each of two pixels.
    pub(super) fn niwaki_dsp_dense_2(frame: *const Frame) -> *const i8;

    /// Streams of groups of two rows.
    ///
    /// # Safety
    /// As [`niwaki_dsp_dense_2`], but for `32 * quads` bytes of terms, `16 * groups` of rules and `2 * groups` of output for
    /// each of four pixels; with one checked stream per group and the slack behind them; terms lie in RAM.
    pub(super) fn niwaki_dsp_sparse_2(frame: *const Frame) -> *const i8;

    /// Streams of single rows.
    ///
    /// # Safety
    /// As [`niwaki_dsp_sparse_2`], with `8 * groups` bytes of rules and `groups` bytes of output for each pixel.
    pub(super) fn niwaki_dsp_sparse_1(frame: *const Frame) -> *const i8;
}

global_asm!(
    cpu!(),
    r#"
    .macro nd_enter
    push {{r4-r11, lr}}
    ldm r0!, {{r2-r11}}
    ldr lr, [r0]
    push {{r2-r11}}
    .endm

    .macro nd_leave
    mov r0, lr
    add sp, #40
    pop {{r4-r11, pc}}
    .endm

    @ Half a quad: one word of weights of two rows, one pair of terms of four pixels.
    .macro nd_half weight, term
    ldr.w r9, [lr, #\weight]
    ldr.w r10, [r12, #\term]
    ldr.w r11, [r12, #\term + 4]
    nd_half_loaded \term
    .endm

    .macro nd_half_loaded term
    sxtb16 r8, r9
    smlad r0, r8, r10, r0
    smlad r1, r8, r11, r1
    smlad r4, r9, r10, r4
    smlad r5, r9, r11, r5
    ldr.w r10, [r12, #\term + 8]
    ldr.w r11, [r12, #\term + 12]
    smlad r2, r8, r10, r2
    smlad r3, r8, r11, r3
    smlad r6, r9, r10, r6
    smlad r7, r9, r11, r7
    .endm

    .macro nd_clear
    mov.w r0, #0
    mov.w r1, #0
    mov.w r2, #0
    mov.w r3, #0
    mov.w r4, #0
    mov.w r5, #0
    mov.w r6, #0
    mov.w r7, #0
    .endm

    @ Outputs of two rows and four pixels from their sums.
    .macro nd_finish_2
    ldr r8, [sp, #8]
    ldm r8!, {{r9-r12}}
    str r8, [sp, #8]
    ldr r8, [sp, #24]
    sub r4, r4, r0
    sub r5, r5, r1
    sub r6, r6, r2
    sub r7, r7, r3
    add r0, r0, r9
    add r1, r1, r9
    add r2, r2, r9
    add r3, r3, r9
    add r4, r10, r4, asr #8
    add r5, r10, r5, asr #8
    add r6, r10, r6, asr #8
    add r7, r10, r7, asr #8
    smmlar r0, r0, r11, r8
    smmlar r1, r1, r11, r8
    smmlar r2, r2, r11, r8
    smmlar r3, r3, r11, r8
    smmlar r4, r4, r12, r8
    smmlar r5, r5, r12, r8
    smmlar r6, r6, r12, r8
    smmlar r7, r7, r12, r8
    ldr r8, [sp, #12]
    ldr r9, [sp, #16]
    ldr r10, [sp, #20]
    ssat r0, #8, r0
    ssat r4, #8, r4
    bfi r0, r4, #8, #8
    strh r0, [r8]
    ssat r1, #8, r1
    ssat r5, #8, r5
    bfi r1, r5, #8, #8
    strh r1, [r8, r9]
    add r11, r8, r9, lsl #1
    ssat r2, #8, r2
    ssat r6, #8, r6
    bfi r2, r6, #8, #8
    strh r2, [r11]
    ssat r3, #8, r3
    ssat r7, #8, r7
    bfi r3, r7, #8, #8
    strh r3, [r11, r9]
    adds r8, #2
    str r8, [sp, #12]
    .endm

    @ Half a quad of two groups: their words of weights, one pair of terms of two pixels. Whole words give sums of row a
    @ plus 256 times those of row b.
    .macro nd_half_pair weight, term
    ldr.w r10, [r12, #\term]
    ldr.w r11, [r12, #\term + 4]
    ldr.w r8, [lr, #\weight]
    smlad r4, r8, r10, r4
    smlad r5, r8, r11, r5
    sxtb16 r8, r8
    smlad r0, r8, r10, r0
    smlad r1, r8, r11, r1
    ldr.w r8, [r9, #\weight]
    smlad r6, r8, r10, r6
    smlad r7, r8, r11, r7
    sxtb16 r8, r8
    smlad r2, r8, r10, r2
    smlad r3, r8, r11, r3
    .endm

    @ Outputs, before they are limited, of two rows and two pixels; r8 moves behind their rules.
    .macro nd_finish_pair a0, a1, b0, b1
    ldm r8!, {{r9-r12}}
    sub \b0, \b0, \a0
    sub \b1, \b1, \a1
    add \a0, \a0, r9
    add \a1, \a1, r9
    ldr r9, [sp, #24]
    add \b0, r10, \b0, asr #8
    add \b1, r10, \b1, asr #8
    smmlar \a0, \a0, r11, r9
    smmlar \a1, \a1, r11, r9
    smmlar \b0, \b0, r12, r9
    smmlar \b1, \b1, r12, r9
    .endm

    @ Four outputs of a pixel in the first register.
    .macro nd_join a, b, c, d
    ssat \a, #8, \a
    ssat \b, #8, \b
    ssat \c, #8, \c
    ssat \d, #8, \d
    bfi \a, \b, #8, #8
    bfi \c, \d, #8, #8
    pkhbt \a, \a, \c, lsl #16
    .endm

    .section .text.niwaki_dsp_dense_2, "ax", %progbits
    .global niwaki_dsp_dense_2
    .type niwaki_dsp_dense_2, %function
    .thumb_func
    .balign 4
niwaki_dsp_dense_2:
    nd_enter
    @ The first round starts behind the quads that it leaves out.
    adr.w r1, 2f
    ldr r2, [sp, #32]
    add r1, r2
    str r1, [sp, #32]
1:
    ldr.w r12, [sp]
    ldr.w r8, [sp, #32]
    ldr.w r9, [sp, #36]
    nd_clear
    add r9, lr
    bx r8
    .balign 4
2:
    .irp quad, 0, 1, 2, 3, 4, 5, 6, 7
    nd_half_pair 8*\quad, 16*\quad
    nd_half_pair 8*\quad+4, 16*\quad+8
    .endr
    ldr.w r8, [sp, #4]
    add r12, r12, #128
    add lr, #64
    add r9, #64
    cmp r12, r8
    bne.w 2b
    ldr.w r8, [sp, #28]
    sub lr, r9, r8
    ldr r8, [sp, #8]
    nd_finish_pair r0, r1, r4, r5
    nd_finish_pair r2, r3, r6, r7
    str r8, [sp, #8]
    ldr r8, [sp, #12]
    ldr r9, [sp, #16]
    ldr r10, [sp, #20]
    nd_join r0, r4, r2, r6
    nd_join r1, r5, r3, r7
    str r0, [r8]
    str r1, [r8, r9]
    adds r8, #4
    str r8, [sp, #12]
    subs r10, #1
    str.w r10, [sp, #20]
    bne.w 1b
    nd_leave
    .size niwaki_dsp_dense_2, . - niwaki_dsp_dense_2

    @ One block: its offset is at lr + offset, its weights at lr + weight.
    .macro nd_block_2 offset, weight, end
    ldrsh.w r8, [lr, #\offset]
    ldr.w r9, [lr, #\weight]
    adds.w r12, r12, r8
    bcs \end
    ldr.w r10, [r12]
    ldr.w r11, [r12, #4]
    nd_half_loaded 0
    nd_half \weight+4, 16
    .endm

    .section .text.niwaki_dsp_sparse_2, "ax", %progbits
    .global niwaki_dsp_sparse_2
    .type niwaki_dsp_sparse_2, %function
    .thumb_func
    .balign 4
niwaki_dsp_sparse_2:
    nd_enter
1:
    ldr.w r12, [sp]
    nd_clear
    .balign 4
2:
    nd_block_2 0, 4, 3f
    nd_block_2 2, 12, 4f
    nd_block_2 20, 24, 5f
    nd_block_2 22, 32, 6f
    add lr, #40
    b.w 2b
6:
    add lr, #8
5:
    add lr, #12
4:
    add lr, #8
3:
    add lr, #4
    nd_finish_2
    subs r10, #1
    str.w r10, [sp, #20]
    bne 1b
    nd_leave
    .size niwaki_dsp_sparse_2, . - niwaki_dsp_sparse_2

    @ One block: r10 holds its offset and then that of the next one, at lr + next.
    .macro nd_block_1 weight, next, end
    adds.w r12, r12, r10
    bcs \end
    ldr.w r4, [r12]
    ldr.w r5, [r12, #4]
    ldr.w r6, [r12, #8]
    ldr.w r7, [r12, #12]
    ldr.w r9, [lr, #\weight]
    ldrsh.w r10, [lr, #\next]
    sxtb16 r8, r9
    sxtb16 r9, r9, ror #8
    smlad r0, r8, r4, r0
    smlad r1, r8, r5, r1
    smlad r2, r8, r6, r2
    smlad r3, r8, r7, r3
    ldr.w r4, [r12, #16]
    ldr.w r5, [r12, #20]
    ldr.w r6, [r12, #24]
    ldr.w r7, [r12, #28]
    smlad r0, r9, r4, r0
    smlad r1, r9, r5, r1
    smlad r2, r9, r6, r2
    smlad r3, r9, r7, r3
    .endm

    .section .text.niwaki_dsp_sparse_1, "ax", %progbits
    .global niwaki_dsp_sparse_1
    .type niwaki_dsp_sparse_1, %function
    .thumb_func
    .balign 4
niwaki_dsp_sparse_1:
    nd_enter
1:
    ldr.w r12, [sp]
    ldr.w r10, [sp, #8]
    ldr.w r0, [r10], #4
    ldr.w r11, [r10], #4
    str.w r10, [sp, #8]
    mov r1, r0
    mov r2, r0
    mov r3, r0
    ldrsh.w r10, [lr]
    .balign 4
2:
    nd_block_1 4, 2, 3f
    nd_block_1 8, 12, 4f
    nd_block_1 16, 14, 5f
    nd_block_1 20, 24, 6f
    add lr, #24
    b 2b
6:
    add lr, #4
5:
    add lr, #8
4:
    add lr, #4
3:
    add lr, #4
    ldr r8, [sp, #24]
    ldr r4, [sp, #12]
    ldr r5, [sp, #16]
    ldr r6, [sp, #20]
    smmlar r0, r0, r11, r8
    smmlar r1, r1, r11, r8
    smmlar r2, r2, r11, r8
    smmlar r3, r3, r11, r8
    ssat r0, #8, r0
    ssat r1, #8, r1
    ssat r2, #8, r2
    ssat r3, #8, r3
    strb r0, [r4]
    strb r1, [r4, r5]
    add r7, r4, r5, lsl #1
    strb r2, [r7]
    strb r3, [r7, r5]
    adds r4, #1
    str r4, [sp, #12]
    subs r6, #1
    str r6, [sp, #20]
    bne 1b
    nd_leave
    .size niwaki_dsp_sparse_1, . - niwaki_dsp_sparse_1
    .text

    .purgem nd_enter
    .purgem nd_leave
    .purgem nd_half
    .purgem nd_half_pair
    .purgem nd_finish_pair
    .purgem nd_join
    .purgem nd_half_loaded
    .purgem nd_clear
    .purgem nd_finish_2
    .purgem nd_block_2
    .purgem nd_block_1
"#
);
