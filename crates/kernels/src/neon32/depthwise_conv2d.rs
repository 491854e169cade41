//! Depthwise convolution, sixteen channels at a time.

use super::Rule;
use crate::simd::{Run, STEP, Scalars, Slice, Taps};
use core::arch::global_asm;

/// The inner loop, for all windows.
pub(super) struct Neon;

/// Most taps of a window.
pub(super) const MOST_TAPS: usize = 128;

// Of sixteen lanes the sums are in q0 to q3.
global_asm!(
    ".arm",
    ".fpu neon",
    ".global niwaki_neon32_taps",
    ".type niwaki_neon32_taps, %function",
    ".balign 4",
    "niwaki_neon32_taps:",
    "push {{r4-r11, lr}}",
    "ldmia r0, {{r1-r10}}",
    // r1 input, r2 offsets, r3 pairs of taps, r4 a single tap, r5 slice, r6 outputs, r7 step, r8 to, r9 pitch, r10 rule.
    "1:",
    "mov r0, r5",
    "vld1.8 {{d0-d3}}, [r0]!",
    "vld1.8 {{d4-d7}}, [r0]!",
    "add r0, r0, #64",
    "mov r11, r2",
    "movs lr, r3",
    "beq 3f",
    "2:",
    "ldr r12, [r11], #4",
    "add r12, r12, r1",
    "vld1.8 {{d16, d17}}, [r12]",
    "ldr r12, [r11], #4",
    "add r12, r12, r1",
    "vld1.8 {{d18, d19}}, [r12]",
    "vld1.8 {{d20-d23}}, [r0]!",
    "vmull.s8 q12, d16, d20",
    "vmull.s8 q13, d17, d21",
    "subs lr, lr, #1",
    "vmlal.s8 q12, d18, d22",
    "vmlal.s8 q13, d19, d23",
    "vaddw.s16 q0, q0, d24",
    "vaddw.s16 q1, q1, d25",
    "vaddw.s16 q2, q2, d26",
    "vaddw.s16 q3, q3, d27",
    "bne 2b",
    "3:",
    "cmp r4, #0",
    "beq 4f",
    "ldr r12, [r11]",
    "add r12, r12, r1",
    "vld1.8 {{d16, d17}}, [r12]",
    "vld1.8 {{d20, d21}}, [r0]",
    "vmull.s8 q12, d16, d20",
    "vmull.s8 q13, d17, d21",
    "vaddw.s16 q0, q0, d24",
    "vaddw.s16 q1, q1, d25",
    "vaddw.s16 q2, q2, d26",
    "vaddw.s16 q3, q3, d27",
    "4:",
    // Halves of multipliers; the rule.
    "add r0, r5, #64",
    "vld1.8 {{d16-d19}}, [r0]!",
    "vld1.8 {{d20-d23}}, [r0]",
    "vldmia r10, {{d24-d29}}",
    "vshl.s32 q0, q0, q12",
    "vshl.s32 q1, q1, q12",
    "vshl.s32 q2, q2, q12",
    "vshl.s32 q3, q3, q12",
    "vqrdmulh.s32 q0, q0, q8",
    "vqrdmulh.s32 q1, q1, q9",
    "vqrdmulh.s32 q2, q2, q10",
    "vqrdmulh.s32 q3, q3, q11",
    "vqmovn.s32 d0, q0",
    "vqmovn.s32 d1, q1",
    "vqmovn.s32 d2, q2",
    "vqmovn.s32 d3, q3",
    "vqadd.s16 q0, q0, q13",
    "vqadd.s16 q1, q1, q13",
    "vqmovn.s16 d0, q0",
    "vqmovn.s16 d1, q1",
    "vmax.s8 d0, d0, d28",
    "vmax.s8 d1, d1, d28",
    "vmin.s8 d0, d0, d29",
    "vmin.s8 d1, d1, d29",
    "vst1.8 {{d0, d1}}, [r8]",
    "add r1, r1, r7",
    "add r8, r8, r9",
    "subs r6, r6, #1",
    "bne 1b",
    "pop {{r4-r11, pc}}",
    ".size niwaki_neon32_taps, . - niwaki_neon32_taps",
);

/// What the assembly reads, in its order.
#[repr(C)]
struct Arguments<'a> {
    input: *const i8,
    /// Of each tap, from the input.
    offsets: *const isize,
    pairs: usize,
    single: usize,
    /// Biases, halves of multipliers, weights.
    slice: *const i32,
    /// At least one.
    outputs: usize,
    step: usize,
    to: *mut i8,
    pitch: usize,
    rule: &'a Rule,
}

unsafe extern "C" {
    /// Computes sixteen lanes of some outputs.
    ///
    /// # Safety
    /// The CPU has NEON. Sixteen bytes can be read at every tap of every output and of the slice, and be written for every
    /// output.
    fn niwaki_neon32_taps(arguments: &Arguments<'_>);
}

impl Taps for Neon {
    const TWO_ROWS: bool = false;

    #[inline]
    unsafe fn run(run: &Run<'_>, slice: &Slice, scalars: &Scalars) {
        let Some(first_row) = run.rows.first().copied() else { return };
        let (input, place) = (first_row.wrapping_add(slice.first), run.place.wrapping_add(slice.first));
        let rule = Rule::new(scalars);
        let mut offsets = [0isize; MOST_TAPS];
        let taps = run.rows.iter().flat_map(|row| (0..run.width).map(move |tap| (*row, tap)));
        for (to, (row, tap)) in offsets.iter_mut().zip(taps) {
            *to = (row as isize).wrapping_sub(first_row as isize).wrapping_add((tap * run.tap_pitch) as isize);
        }
        let count = run.rows.len() * run.width;
        let arguments = |first: usize, outputs: usize, to: *mut i8| Arguments {
            input: input.wrapping_add(first * run.step),
            offsets: offsets.as_ptr(),
            pairs: count / 2,
            single: count % 2,
            slice: slice.bias,
            outputs,
            step: run.step,
            to,
            pitch: run.pitch,
            rule: &rule,
        };
        // All but perhaps the last have whole lanes; where none has, all are left.
        let whole = match slice.lanes {
            [STEP, last] => run.count - usize::from(last < STEP),
            _ => 0,
        };
        // SAFETY: the caller vouches for every tap and for the place of every output's lanes, which are at most `STEP`.
        unsafe {
            if whole > 0 {
                niwaki_neon32_taps(&arguments(0, whole, place));
            }
            for output in whole..run.count {
                let mut bytes = [0i8; STEP];
                niwaki_neon32_taps(&arguments(output, 1, bytes.as_mut_ptr()));
                let lanes = slice.lanes[usize::from(output + 1 == run.count)];
                bytes.as_ptr().copy_to_nonoverlapping(place.add(output * run.pitch), lanes.min(STEP));
            }
        }
    }
}
