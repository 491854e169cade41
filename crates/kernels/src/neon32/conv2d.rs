//! Convolution: two pixels meet four channels, every accumulator is four partial sums of one pixel and one channel.

use super::Rule;
use crate::simd::{Panels, Pixels, Place, STEP, Scalars, Tile};
use core::arch::global_asm;

/// The tile: two pixels and four channels.
pub(super) struct Neon;

const CHANNELS: usize = 4;

// A panel's products go to q0 to q3 for the first pixel and to q4 to q7 for the second.
global_asm!(
    ".arm",
    ".fpu neon",
    ".macro niwaki_neon32_channel w0, w1, first, second",
    "vmull.s8 q12, d16, \\w0",
    "vmull.s8 q13, d18, \\w0",
    "vmlal.s8 q12, d17, \\w1",
    "vmlal.s8 q13, d19, \\w1",
    "vpadal.s16 \\first, q12",
    "vpadal.s16 \\second, q13",
    ".endm",
    ".global niwaki_neon32_tile",
    ".type niwaki_neon32_tile, %function",
    ".balign 4",
    "niwaki_neon32_tile:",
    "push {{r4-r11, lr}}",
    "vpush {{d8-d15}}",
    "ldmia r0, {{r1-r8}}",
    "1:",
    "mov r9, r1",
    "mov r10, r2",
    "mov r11, r4",
    "mov lr, r3",
    "add r3, r3, #32",
    "vmov.i32 q0, #0",
    "vmov.i32 q1, #0",
    "vmov.i32 q2, #0",
    "vmov.i32 q3, #0",
    "vmov.i32 q4, #0",
    "vmov.i32 q5, #0",
    "vmov.i32 q6, #0",
    "vmov.i32 q7, #0",
    "2:",
    "vld1.8 {{d16, d17}}, [r9]!",
    "vld1.8 {{d18, d19}}, [r10]!",
    "vld1.8 {{d20-d23}}, [r3]!",
    "subs r11, r11, #1",
    "niwaki_neon32_channel d20, d21, q0, q4",
    "niwaki_neon32_channel d22, d23, q1, q5",
    "vld1.8 {{d20-d23}}, [r3]!",
    "niwaki_neon32_channel d20, d21, q2, q6",
    "niwaki_neon32_channel d22, d23, q3, q7",
    "bne 2b",
    "vpadd.i32 d0, d0, d1",
    "vpadd.i32 d2, d2, d3",
    "vpadd.i32 d4, d4, d5",
    "vpadd.i32 d6, d6, d7",
    "vpadd.i32 d8, d8, d9",
    "vpadd.i32 d10, d10, d11",
    "vpadd.i32 d12, d12, d13",
    "vpadd.i32 d14, d14, d15",
    "vpadd.i32 d0, d0, d2",
    "vpadd.i32 d1, d4, d6",
    "vpadd.i32 d8, d8, d10",
    "vpadd.i32 d9, d12, d14",
    // Biases and halves of multipliers; the rule.
    "vld1.8 {{d16-d19}}, [lr]",
    "vldmia r8, {{d20-d25}}",
    "vadd.i32 q0, q0, q8",
    "vadd.i32 q4, q4, q8",
    "vshl.s32 q0, q0, q10",
    "vshl.s32 q4, q4, q10",
    "vqrdmulh.s32 q0, q0, q9",
    "vqrdmulh.s32 q4, q4, q9",
    "vqmovn.s32 d0, q0",
    "vqmovn.s32 d1, q4",
    "vqadd.s16 q0, q0, q11",
    "vqmovn.s16 d0, q0",
    "vmax.s8 d0, d0, d24",
    "vmin.s8 d0, d0, d25",
    "vst1.32 {{d0[0]}}, [r6]!",
    "vst1.32 {{d0[1]}}, [r7]!",
    "subs r5, r5, #1",
    "bne 1b",
    "vpop {{d8-d15}}",
    "pop {{r4-r11, pc}}",
    ".size niwaki_neon32_tile, . - niwaki_neon32_tile",
    ".purgem niwaki_neon32_channel",
);

/// What the assembly reads, in its order.
#[repr(C)]
struct Arguments<'a> {
    pixels: [*const i8; 2],
    panel: *const i8,
    /// At least one, as is the number of panels.
    steps: usize,
    panels: usize,
    /// Where each pixel's channels go.
    to: [*mut i8; 2],
    rule: &'a Rule,
}

unsafe extern "C" {
    /// Computes all channels of some panels of two pixels.
    ///
    /// # Safety
    /// The CPU has NEON. Pixels, panels and places are as long as the numbers say.
    fn niwaki_neon32_tile(arguments: &Arguments<'_>);
}

impl Tile for Neon {
    const CHANNELS: usize = CHANNELS;
    const PAIRS: bool = false;
    const PIXELS: usize = 2;

    #[inline]
    unsafe fn pack(filters: *const i8, pitch: usize, to: *mut i8) {
        for channel in 0..CHANNELS {
            // SAFETY: the caller vouches for `STEP` bytes of each filter and `CHANNELS * STEP` bytes behind `to`.
            unsafe { filters.add(channel * pitch).copy_to_nonoverlapping(to.add(channel * STEP), STEP) };
        }
    }

    #[inline]
    unsafe fn run(count: usize, pixels: Pixels, panels: &Panels, scalars: &Scalars, place: Place) {
        let rule = Rule::new(scalars);
        let (whole, left) = (panels.channels / CHANNELS, panels.channels % CHANNELS);
        for first in (0..count).step_by(Self::PIXELS) {
            // The last pixel is computed twice where there is no second one.
            let second = (first + 1).min(count - 1);
            let at = [first, second].map(|pixel| pixels.skip(pixel).start);
            let to = [first, second].map(|pixel| place.skip(pixel).start);
            let (panel, steps, rule) = (panels.start, panels.steps, &rule);
            if whole > 0 {
                let arguments = Arguments { pixels: at, panel, steps, panels: whole, to, rule };
                // SAFETY: the caller vouches for the pixels, the panels and the place.
                unsafe { niwaki_neon32_tile(&arguments) };
            }
            if left > 0 {
                let mut some = [[0i8; CHANNELS]; 2];
                let [a, b] = &mut some;
                let panel = panel.wrapping_add(whole * panels.pitch);
                let to = [a.as_mut_ptr(), b.as_mut_ptr()];
                // SAFETY: as above, with places of a panel's channels.
                unsafe {
                    niwaki_neon32_tile(&Arguments { pixels: at, panel, steps, panels: 1, to, rule });
                    let place = place.skip(first);
                    let place = Place { start: place.start.wrapping_add(whole * CHANNELS), ..place };
                    place.store_some(&some.as_flattened()[..(second - first + 1) * CHANNELS], CHANNELS, left);
                }
            }
        }
    }
}
