//! Groups of one or two output rows over four pixels: the inner loops of all convolutions.
//!
//! Registers: r0 to r3 sums of row a for four pixels, r4 to r7 of row b, r8 and r9 weights, r10 and r11 terms, r12
//! terms' address, lr weights' address. What does not fit lies on the stack.

use core::arch::global_asm;

/// What the loops read; the first nine words become their stack frame.
#[repr(C)]
pub(super) struct Frame {
    /// Widened terms of four pixels.
    pub(super) terms: *const u32,
    /// Behind them (dense).
    pub(super) terms_end: *const u32,
    /// Biases and multipliers.
    pub(super) rules: *const i32,
    /// First output of the first pixel.
    pub(super) output: *mut i8,
    /// From pixel to pixel, in bytes.
    pub(super) pitch: usize,
    /// Groups of rows, at least one.
    pub(super) groups: usize,
    /// The outputs' zero point.
    pub(super) zero_point: i32,
    /// Quads that the first round leaves out (dense): it has eight, and their number need not be a multiple.
    pub(super) skipped: usize,
    /// For the kernel's use.
    pub(super) spare: usize,
    /// Blocks or streams.
    pub(super) weights: *const i8,
}

unsafe extern "C" {
    /// Dense groups of two rows. Returns, as all of these, where the weights go on.
    ///
    /// # Safety
    /// The frame's pointers lead to as much as its counts say: `32 * quads` bytes of terms on a word boundary, `16 *
    /// groups` of rules, `8 * quads * groups` of weights, on word boundaries; and `2 * groups` bytes of output for each
    /// of four pixels.
    pub(super) fn niwaki_dsp_dense_2(frame: *const Frame) -> *const i8;

    /// Streams of groups of two rows.
    ///
    /// # Safety
    /// As [`niwaki_dsp_dense_2`], with one checked stream per group and the slack behind them; terms lie in RAM.
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
    ldm r0!, {{r3-r11}}
    ldr lr, [r0]
    push {{r3-r11}}
    .endm

    .macro nd_leave
    mov r0, lr
    add sp, #36
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

    .section .text.niwaki_dsp_dense_2, "ax", %progbits
    .global niwaki_dsp_dense_2
    .type niwaki_dsp_dense_2, %function
    .thumb_func
    .balign 4
niwaki_dsp_dense_2:
    nd_enter
    @ The first round starts behind the quads that it leaves out; addresses are as if it did not.
    ldr r1, [sp, #28]
    ldr r2, [sp]
    sub r2, r2, r1, lsl #5
    str r2, [sp]
    sub lr, lr, r1, lsl #3
    lsl r2, r1, #3
    str r2, [sp, #28]
    movs r2, #112
    mul r1, r1, r2
    adr.w r2, 2f
    add r1, r2
    orr r1, #1
    str r1, [sp, #32]
1:
    ldr.w r12, [sp]
    ldr.w r8, [sp, #32]
    nd_clear
    bx r8
    .balign 4
2:
    .irp quad, 0, 1, 2, 3, 4, 5, 6, 7
    nd_half 8*\quad, 32*\quad
    nd_half 8*\quad+4, 32*\quad+16
    .endr
    ldr.w r8, [sp, #4]
    add r12, r12, #256
    add lr, #64
    cmp r12, r8
    bne.w 2b
    nd_finish_2
    ldr.w r8, [sp, #28]
    subs r10, #1
    str.w r10, [sp, #20]
    sub lr, lr, r8
    bne.w 1b
    add lr, lr, r8
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
    .purgem nd_half_loaded
    .purgem nd_clear
    .purgem nd_finish_2
    .purgem nd_block_2
    .purgem nd_block_1
"#
);
