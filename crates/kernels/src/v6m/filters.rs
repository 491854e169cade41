//! Every filter times the packed windows of four pixels.

use crate::pairs::{CARRY, Filters, apart, requantise_all};
use crate::v6m::requantise::{Rule, requantise};
use core::arch::global_asm;
use niwaki_blob::Conv2d;

// r0: windows, r1: the filter's end, r7: minus the terms left, r8 to r11: `both` and `upper` of two pairs, r12: the carry.
global_asm!(
    ".thumb",
    ".macro niwaki_v6m_term a, b",
    "ldrsb r2, [r1, r7]",
    "ldmia r0!, {{\\a, \\b}}",
    "muls \\a, r2, \\a",
    "muls \\b, r2, \\b",
    ".endm",
    ".macro niwaki_v6m_take",
    "add r3, r12",
    "add r8, r3",
    "asrs r3, r3, #16",
    "add r9, r3",
    "add r5, r12",
    "add r10, r5",
    "asrs r5, r5, #16",
    "add r11, r5",
    ".endm",
    ".global niwaki_v6m_dot",
    ".type niwaki_v6m_dot, %function",
    ".thumb_func",
    "niwaki_v6m_dot:",
    "push {{r3-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r3-r7}}",
    "mov r12, r3",
    "adds r1, r1, r2",
    "rsbs r7, r2, #0",
    "movs r3, #0",
    "mov r8, r3",
    "mov r9, r3",
    "mov r10, r3",
    "mov r11, r3",
    "lsrs r2, r2, #1",
    "bcc 1f",
    "niwaki_v6m_term r3, r5",
    "niwaki_v6m_take",
    "adds r7, r7, #1",
    "beq 2f",
    ".balign 4",
    "1:",
    "niwaki_v6m_term r3, r5",
    "adds r7, r7, #1",
    "niwaki_v6m_term r4, r6",
    "adds r3, r3, r4",
    "adds r5, r5, r6",
    "niwaki_v6m_take",
    "adds r7, r7, #1",
    "bne 1b",
    "2:",
    "ldr r0, [sp, #44]",
    "mov r2, r8",
    "mov r3, r9",
    "mov r4, r10",
    "mov r5, r11",
    "stmia r0!, {{r2-r5}}",
    "pop {{r3-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r3-r7, pc}}",
    ".purgem niwaki_v6m_term",
    ".purgem niwaki_v6m_take",
);

unsafe extern "C" {
    fn niwaki_v6m_dot(windows: *const i32, filter: *const i8, terms: usize, carry: i32, sums: *mut [i32; 4]);
}

/// The four pixels.
pub(super) struct Four;

impl Filters<4> for Four {
    #[inline(always)]
    fn apply(op: &Conv2d<'_>, terms: usize, packed: &[i32], output: &mut [i8], places: [usize; 4]) {
        let channels = op.output.channels;
        let room = places.iter().all(|place| place + channels <= output.len());
        if terms == 0 || packed.len() < 2 * terms || op.weights.len() < channels * terms || !room {
            return;
        }
        let rule = Rule::new(&op.requantise);
        let [first, second, _, last] = places;
        // Four neighbouring pixels, and not the last one again.
        let regular = last == first + 3 * channels && second == first + channels;
        // Terms two by two, and one alone.
        let steps = (terms / 2 + terms % 2) as i32;
        let lists = op.bias.iter().zip(op.requantise.multipliers);
        for (channel, (bias, multiplier)) in lists.take(channels).enumerate() {
            let mut sums = [0; 4];
            let filter = op.weights.as_ptr().wrapping_add(channel * terms);
            // SAFETY: there are two words and one weight for each term, and the kernel reads no more.
            unsafe { niwaki_v6m_dot(packed.as_ptr(), filter, terms, CARRY, &raw mut sums) }
            let [both, upper, both_too, upper_too] = sums;
            let [a, b] = apart(both, upper, steps);
            let [c, d] = apart(both_too, upper_too, steps);
            let sums = [a, b, c, d].map(|sum| sum.wrapping_add(*bias));
            if regular {
                let outputs = output.as_mut_ptr().wrapping_add(first + channel);
                // SAFETY: the four outputs are `channels` apart, and the last is inside, as was seen.
                unsafe { requantise(&sums, *multiplier, &rule, outputs, channels) }
                continue;
            }
            for (place, value) in places.into_iter().zip(requantise_all(sums, *multiplier, &op.requantise)) {
                if let Some(out) = output.get_mut(place + channel) {
                    *out = value;
                }
            }
        }
    }
}
