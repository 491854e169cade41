//! Groups of one, two or four rows against one vector of terms: the inner loops of fully connected layers.

use core::arch::global_asm;

/// What the loops read; the first eight words become their stack frame.
#[repr(C)]
pub(super) struct Frame {
    pub(super) input: *const i8,
    /// Behind the last quad (dense).
    pub(super) input_end: *const i8,
    pub(super) rules: *const i32,
    pub(super) output: *mut i8,
    /// Groups of rows, at least one.
    pub(super) groups: usize,
    pub(super) zero_point: i32,
    /// Quads that the first round leaves out (dense).
    pub(super) skipped: usize,
    /// Whether two more streams follow each, of pairs of rows (sparse, four rows); else for the kernel's use.
    pub(super) pairs: usize,
    pub(super) weights: *const i8,
}

/// Computes groups of rows and returns where the weights of the next one are.
pub(super) type Kernel = unsafe extern "C" fn(*const Frame) -> *const i8;

unsafe extern "C" {
    /// Dense groups of four rows.
    ///
    /// # Safety
    /// The frame's pointers lead to as much as its counts say: `4 * quads` bytes of input at any address, `32 * groups`
    /// of rules and `16 * quads * groups` of weights on word boundaries, `4 * groups` bytes of output.
    pub(super) fn niwaki_dsp_connect_4(frame: *const Frame) -> *const i8;

    /// Streams of groups of four rows, and of the pairs of each.
    ///
    /// # Safety
    /// As [`niwaki_dsp_connect_4`], with the checked streams of every group and the slack behind them; the input lies in
    /// RAM.
    pub(super) fn niwaki_dsp_connect_sparse_4(frame: *const Frame) -> *const i8;

    /// Streams of single rows.
    ///
    /// # Safety
    /// As [`niwaki_dsp_connect_sparse_4`], with a quarter of the rules and outputs.
    pub(super) fn niwaki_dsp_connect_sparse_1(frame: *const Frame) -> *const i8;
}

// r0 to r3 sums, r4 and r5 input, r6 to r9 weights, r11 end of input or next offset, r12 input's and lr weights' address.
// Loads stand together, where each after the first takes one cycle.
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

    @ Two rows' words against one quad, whose pairs are even and odd.
    .macro nc_two first, second, words, more, even, odd
    smlad \second, \words, \even, \second
    sxtb16 \words, \words
    smlad \first, \words, \even, \first
    smlad \second, \more, \odd, \second
    sxtb16 \more, \more
    smlad \first, \more, \odd, \first
    .endm

    .macro nc_quad input, weight
    ldr.w r4, [r12, #\input]
    ldr.w r6, [lr, #\weight]
    ldr.w r7, [lr, #\weight + 4]
    ldr.w r8, [lr, #\weight + 8]
    ldr.w r9, [lr, #\weight + 12]
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    nc_two r0, r1, r6, r7, r4, r5
    nc_two r2, r3, r8, r9, r4, r5
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

    @ One block of four rows, at r12: r11 is the offset of the next one, which lies at lr + next. Carry: there is none.
    .macro nc_block_4 weight, next
    ldr.w r4, [r12]
    ldr.w r6, [lr, #\weight]
    ldr.w r7, [lr, #\weight + 4]
    ldr.w r8, [lr, #\weight + 8]
    ldr.w r9, [lr, #\weight + 12]
    ldrsh.w r11, [lr, #\next]
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    nc_two r0, r1, r6, r7, r4, r5
    nc_two r2, r3, r8, r9, r4, r5
    adds.w r12, r12, r11
    .endm

    @ The same of two rows.
    .macro nc_block_2 first, second, weight, next
    ldr.w r4, [r12]
    ldr.w r6, [lr, #\weight]
    ldr.w r7, [lr, #\weight + 4]
    ldrsh.w r11, [lr, #\next]
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    nc_two \first, \second, r6, r7, r4, r5
    adds.w r12, r12, r11
    .endm

    @ A stream's first block.
    .macro nc_first
    ldr.w r12, [sp]
    ldrsh.w r11, [lr]
    adds.w r12, r12, r11
    .endm

    @ A stream of two rows.
    .macro nc_stream_2 first, second
    nc_first
    bcs 3f
    .balign 4
2:
    nc_block_2 \first, \second, 4, 2
    bcs 4f
    nc_block_2 \first, \second, 12, 20
    bcs 5f
    nc_block_2 \first, \second, 24, 22
    bcs 6f
    nc_block_2 \first, \second, 32, 40
    add.w lr, lr, #40
    bcc.w 2b
    b 3f
6:
    add lr, #8
5:
    add lr, #12
4:
    add lr, #8
3:
    add lr, #4
    .endm

    .section .text.niwaki_dsp_connect_sparse_4, "ax", %progbits
    .global niwaki_dsp_connect_sparse_4
    .type niwaki_dsp_connect_sparse_4, %function
    .thumb_func
    .balign 4
niwaki_dsp_connect_sparse_4:
    nc_enter
1:
    mov.w r0, #0
    mov.w r1, #0
    mov.w r2, #0
    mov.w r3, #0
    nc_first
    bcs 3f
    .balign 4
2:
    nc_block_4 4, 2
    bcs 4f
    nc_block_4 20, 36
    bcs 5f
    nc_block_4 40, 38
    bcs 6f
    nc_block_4 56, 72
    add.w lr, lr, #72
    bcc.w 2b
    b 3f
6:
    add lr, #16
5:
    add lr, #20
4:
    add lr, #16
3:
    add lr, #4
    ldr r4, [sp, #28]
    cmp r4, #0
    beq.w 7f
    nc_stream_2 r0, r1
    nc_stream_2 r2, r3
7:
    nc_finish_4
    bne.w 1b
    nc_leave
    .size niwaki_dsp_connect_sparse_4, . - niwaki_dsp_connect_sparse_4

    @ Two blocks: r2 holds their offsets. The first lies at r11, the second at r12.
    .macro nc_unit end
    tst.w r2, #0x80008000
    bne \end
    uxtah r11, r12, r2
    add.w r12, r11, r2, lsr #16
    ldr.w r4, [r11]
    ldr.w r5, [r12]
    .endm

    @ Two quads of input, as pairs: r4 and r10, r5 and r11.
    .macro nc_widen
    sxtb16 r10, r4, ror #8
    sxtb16 r4, r4
    sxtb16 r11, r5, ror #8
    sxtb16 r5, r5
    .endm

    .macro nc_rows_1 pair, other, weights
    sxtb16 r8, \weights
    sxtb16 r9, \weights, ror #8
    smlad r0, r8, \pair, r0
    smlad r0, r9, \other, r0
    .endm

    .macro nc_unit_1 at, end
    nc_unit \end
    ldr.w r6, [lr, #\at + 4]
    ldr.w r7, [lr, #\at + 8]
    ldr.w r2, [lr, #\at + 12]
    nc_widen
    nc_rows_1 r4, r10, r6
    nc_rows_1 r5, r11, r7
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
    ldr.w r2, [lr]
    .balign 4
2:
    nc_unit_1 0, 3f
    nc_unit_1 12, 4f
    add lr, #24
    b 2b
4:
    add lr, #12
3:
    add lr, #4
    lsls r3, r2, #16
    bmi 5f
    uxtah r12, r12, r2
    ldr.w r6, [lr], #4
    ldr.w r4, [r12]
    sxtb16 r10, r4, ror #8
    sxtb16 r4, r4
    nc_rows_1 r4, r10, r6
5:
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
    .purgem nc_first
    .purgem nc_stream_2
    .purgem nc_unit
    .purgem nc_widen
    .purgem nc_rows_1
    .purgem nc_unit_1
"#
);
