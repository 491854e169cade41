//! Fully connected layer with Winograd weights: one product for two terms of four rows.
//!
//! A word has weights plus 128 of four rows in its bytes, `w = a + 2^8 b + 2^16 c + 2^24 d`. To the words *u* and *v* of two
//! terms their inputs are added, crosswise: `p = u + y1` and `q = v + y0` with `y = (x - 127) * (1 + 2^16)`. No half of p or
//! q leaves 16 bits: a half of a word is between `1 + 2^8` and `2^16 - 1`, and `x - 127` between -255 and 0. So three products
//! tell of two terms, as Winograd's algorithm for inner products does of numbers: of p and q, of their upper halves, and of
//! u and v with the bytes of each half swapped, plus y. What they have too much depends on the weights alone or on the
//! inputs alone, and all sums start without it. Modulo 2^32 there is then
//! - `s = (1 + 2^16) * (A + 2^8 B + 2^16 C + 2^24 D)` of the four rows' sums A to D,
//! - `t = C + 2^8 D`,
//! - `u = (1 + 2^16) * (B + 2^8 A + 2^16 D + 2^24 C)`.
//!
//! `1 - 2^16` undoes the factor. With `2^16 t` taken off s, there is `A + 2^8 B`: its low byte is A's, which taken off u gives
//! 16 bits of B, and these 24 of A. The rest of `A + 2^8 B` is B. Without both, u gives 16 bits of D in the same way, and t
//! all of C and D.
//!
//! 512 terms never leave 24 bits: `512 * 128 * 127 < 2^23`. Longer rows are taken in chunks.

use crate::isa::winograd_words;
use crate::lanes::{Arguments, each_group, words};
use crate::scalar;
use core::arch::global_asm;
use niwaki_blob::{PackedFullyConnected, WINOGRAD_QUADS, WINOGRAD_ROWS, winograd_bytes};

// r0: words of inputs, r1: weights, r8 to r10 and r11, r12, lr: s, t and u of four rows each.
// On the stack: 0: the arguments, 4: the chunk's end, then the words, 8: what the sums are added to, 12: quads left,
// 16: corrections, 20: weights, 24: eight sums.
global_asm!(
    ".thumb",
    // Two terms of four rows, with inputs in r2 and r3.
    ".macro niwaki_v6m_half_pair s, t, u",
    "ldmia r1!, {{r4, r5}}",
    "rev16 r6, r4",
    "rev16 r7, r5",
    "adds r6, r6, r3",
    "adds r7, r7, r2",
    "muls r6, r7, r6",
    "add \\u, r6",
    "adds r4, r4, r3",
    "adds r5, r5, r2",
    "lsrs r6, r4, #16",
    "lsrs r7, r5, #16",
    "muls r6, r7, r6",
    "add \\t, r6",
    "muls r4, r5, r4",
    "add \\s, r4",
    ".endm",
    ".macro niwaki_v6m_quad",
    ".rept 2",
    "ldmia r0!, {{r2, r3}}",
    "niwaki_v6m_half_pair r8, r9, r10",
    "niwaki_v6m_half_pair r11, r12, lr",
    ".endr",
    ".endm",
    // What s, t and u of four rows start with: corrections in r2 and r3, and constants.
    ".macro niwaki_v6m_start s, t, u",
    "ldmia r1!, {{r4, r5, r6}}",
    "adds r4, r4, r2",
    "adds r5, r5, r3",
    "adds r6, r6, r2",
    "mov \\s, r4",
    "mov \\t, r5",
    "mov \\u, r6",
    ".endm",
    // Four sums, added to those at r0, which moves behind them; in memory at sp + `at`.
    ".macro niwaki_v6m_finish s, t, u, at",
    "mov r1, \\s",
    "mov r2, \\t",
    "mov r3, \\u",
    "lsls r4, r2, #16",
    "subs r1, r1, r4",
    "lsls r4, r1, #16",
    "subs r1, r1, r4",
    "lsls r4, r3, #16",
    "subs r3, r3, r4",
    "lsls r4, r1, #8",
    "subs r5, r3, r4",
    "lsls r5, r5, #16",
    "subs r4, r4, r5",
    "asrs r5, r4, #8",
    "subs r1, r1, r5",
    "asrs r1, r1, #8",
    "subs r3, r3, r1",
    "subs r3, r3, r4",
    "ldmia r0!, {{r4, r6}}",
    "adds r4, r4, r5",
    "adds r5, r6, r1",
    "lsls r1, r2, #24",
    "subs r3, r3, r1",
    "lsls r6, r2, #8",
    "subs r6, r6, r3",
    "asrs r6, r6, #8",
    "subs r2, r2, r6",
    "asrs r2, r2, #8",
    "ldmia r0!, {{r1, r3}}",
    "adds r6, r6, r1",
    "adds r7, r2, r3",
    "add r1, sp, #\\at",
    "stmia r1!, {{r4-r7}}",
    ".endm",
    ".global niwaki_v6m_winograd",
    ".type niwaki_v6m_winograd, %function",
    ".thumb_func",
    "niwaki_v6m_winograd:",
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "sub sp, #56",
    "str r0, [sp]",
    // A group, whose arguments are in r0. Biases are what its sums are added to at first.
    "1:",
    "ldr r2, [r0, #20]",
    "str r2, [sp, #8]",
    "ldr r4, [r0, #24]",
    "ldr r7, [r0, #8]",
    "ldr r1, [r0, #4]",
    "ldr r0, [r0]",
    // A chunk: r4: its corrections, r7: quads left.
    "2:",
    "ldmia r4!, {{r2, r3}}",
    "str r4, [sp, #16]",
    "niwaki_v6m_start r8, r9, r10",
    "niwaki_v6m_start r11, r12, lr",
    "movs r2, #128",
    "movs r3, #0",
    "cmp r7, r2",
    "bls 3f",
    "subs r3, r7, r2",
    "movs r7, r2",
    "3:",
    "str r3, [sp, #12]",
    "lsls r2, r7, #4",
    "adds r2, r2, r0",
    "str r2, [sp, #4]",
    // Rounds have four quads, the first what is too much for them.
    "lsls r7, r7, #30",
    "beq 4f",
    "lsls r3, r7, #1",
    "beq 6f",
    "cmp r7, #0",
    "bmi 5f",
    "b 8f",
    "6:",
    "b 7f",
    ".balign 4",
    "4:",
    "niwaki_v6m_quad",
    "5:",
    "niwaki_v6m_quad",
    "7:",
    "niwaki_v6m_quad",
    "8:",
    "niwaki_v6m_quad",
    "ldr r7, [sp, #4]",
    "cmp r0, r7",
    "beq 9f",
    "b 4b",
    "9:",
    "str r0, [sp, #4]",
    "str r1, [sp, #20]",
    "ldr r0, [sp, #8]",
    "niwaki_v6m_finish r8, r9, r10, 24",
    "niwaki_v6m_finish r11, r12, lr, 40",
    "ldr r7, [sp, #12]",
    "cmp r7, #0",
    "beq 6f",
    "add r0, sp, #24",
    "str r0, [sp, #8]",
    "ldr r0, [sp, #4]",
    "ldr r1, [sp, #20]",
    "ldr r4, [sp, #16]",
    "b 2b",
    "6:",
    "ldr r2, [sp]",
    "ldr r1, [sp, #20]",
    "str r1, [r2, #4]",
    "ldr r4, [r2, #20]",
    "adds r4, #32",
    "add r0, sp, #24",
    "bl niwaki_v6m_row_outputs",
    "bl niwaki_v6m_next_row_outputs",
    "str r4, [r2, #20]",
    "ldr r3, [r2, #16]",
    "subs r3, #1",
    "str r3, [r2, #16]",
    "beq 7f",
    "mov r0, r2",
    "b 1b",
    "7:",
    "add sp, #56",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4-r7, pc}}",
    // Two inputs as words; products of them plus 0x8080 are added to r3.
    ".macro niwaki_v6m_inputs",
    "ldrsb r4, [r0, r2]",
    "adds r2, r2, #1",
    "ldrsb r5, [r0, r2]",
    "subs r4, #127",
    "subs r5, #127",
    "lsls r6, r4, #16",
    "lsls r7, r5, #16",
    "adds r6, r6, r4",
    "adds r7, r7, r5",
    "stmia r1!, {{r6, r7}}",
    "add r4, r12",
    "add r5, r12",
    "muls r4, r5, r4",
    "adds r3, r3, r4",
    "adds r2, r2, #1",
    ".endm",
    ".global niwaki_v6m_widen",
    ".type niwaki_v6m_widen, %function",
    ".thumb_func",
    "niwaki_v6m_widen:",
    "push {{r4-r7, lr}}",
    "movs r4, #128",
    "lsls r5, r4, #8",
    "adds r4, r4, r5",
    "mov r12, r4",
    "lsls r2, r2, #2",
    "adds r0, r0, r2",
    "rsbs r2, r2, #0",
    "1:",
    "niwaki_v6m_inputs",
    "niwaki_v6m_inputs",
    "bne 1b",
    "movs r0, r3",
    "pop {{r4-r7, pc}}",
    ".purgem niwaki_v6m_inputs",
    ".purgem niwaki_v6m_half_pair",
    ".purgem niwaki_v6m_quad",
    ".purgem niwaki_v6m_start",
    ".purgem niwaki_v6m_finish",
);

unsafe extern "C" {
    fn niwaki_v6m_winograd(arguments: *mut Arguments);
    /// Words of quads of inputs, and what they have too much in `t`, added to `sum`; for as many `t` as here.
    fn niwaki_v6m_widen(elements: *const i8, words: *mut i32, quads: usize, sum: i32) -> i32;
}

/// See [`crate::scalar::winograd_fully_connected`].
pub(crate) fn winograd(op: &PackedFullyConnected<'_>, x: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let quads = op.quads();
    let enough = op.packed.weights.len() as u64 >= winograd_bytes(op.outputs, quads as u64);
    let parts = words(scratch).get_mut(..winograd_words(quads)).filter(|_| enough);
    let Some((inputs, corrections)) = parts.and_then(|words| words.split_at_mut_checked(4 * quads)) else {
        return scalar::winograd_fully_connected(op, x, output);
    };
    let chunks = inputs.chunks_mut(4 * WINOGRAD_QUADS).zip(x.chunks(4 * WINOGRAD_QUADS));
    for (corrections, (words, elements)) in corrections.as_chunks_mut::<2>().0.iter_mut().zip(chunks) {
        *corrections = widen(words, elements);
    }
    // SAFETY: there are four words for each quad, corrections for each chunk of them, and words for each quad of each
    // group.
    unsafe { each_group::<WINOGRAD_ROWS>(op, inputs, corrections, output, niwaki_v6m_winograd) }
}

/// Words of elements, and of zeros behind; and what takes off all sums what depends on them alone: of `s` and `u`, and of
/// `t`.
#[inline(always)]
fn widen(words: &mut [i32], elements: &[i8]) -> [i32; 2] {
    let (whole, rest) = elements.as_chunks::<4>();
    let Some((words, last)) = words.as_chunks_mut::<4>().0.split_at_mut_checked(whole.len()) else { return [0; 2] };
    // In `t` too much is the product of both `x - 127`, and 0x8080 times both x. Of both `x - 127 + 0x8080` the product has
    // this more:
    let more = |quads: usize| (254i32 - 0x8080).wrapping_mul(2 * 0x8080).wrapping_mul(quads as i32);
    let mut sum = more(words.len() + last.len());
    if !words.is_empty() {
        // SAFETY: there are as many words as elements, in quads.
        sum = unsafe { niwaki_v6m_widen(whole.as_ptr().cast(), words.as_mut_ptr().cast(), words.len(), sum) };
    }
    if let [words, ..] = last {
        let mut elements = [0; 4];
        elements.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        // SAFETY: four elements become four words.
        sum = unsafe { niwaki_v6m_widen(elements.as_ptr(), words.as_mut_ptr(), 1, sum) };
    }
    // A factor of (1 + 2^16)^2 is in `s` and `u`.
    [sum.wrapping_add(sum << 17), sum].map(i32::wrapping_neg)
}
