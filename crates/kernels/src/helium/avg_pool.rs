//! Average over windows, four channels at a time.

use crate::scalar::axis::Axis;
use core::arch::global_asm;
use niwaki_blob::{AvgPool, requantise};

/// What the assembly reads, at these offsets.
#[repr(C)]
struct Arguments {
    /// 0
    input: *const i8,
    /// 4: from a pixel to the next
    channels: usize,
    /// 8: from the end of a row of the window to its next row
    row_step: usize,
    /// 12
    rows: usize,
    /// 16
    columns: usize,
    /// 20: at most 4
    lanes: usize,
    /// 24: four
    sums: *mut i32,
}

global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_sum",
    ".type niwaki_helium_sum, %function",
    ".thumb_func",
    "niwaki_helium_sum:",
    "push {{r4-r7, lr}}",
    "ldrd r1, r2, [r0]",
    "ldrd r3, r4, [r0, #8]",
    "ldrd r5, r6, [r0, #16]",
    "ldr r7, [r0, #24]",
    "vctp.32 r6",
    "vmov.i32 q0, #0",
    "1:",
    "dls lr, r5",
    "2:",
    "vpst",
    "vldrbt.s32 q1, [r1]",
    "add r1, r2",
    "vadd.i32 q0, q0, q1",
    "le lr, 2b",
    "add r1, r3",
    "subs r4, #1",
    "bne 1b",
    "vstrw.32 q0, [r7]",
    "pop {{r4-r7, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_sum(arguments: *const Arguments);
}

/// See [`crate::scalar::avg_pool`].
pub(crate) fn avg_pool(op: &AvgPool<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let width = op.input.width;
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let (rows, columns) = (rows.covered(y), columns.covered(x));
            let count = rows.len() * columns.len();
            let rule = if op.requantise.multipliers.len() == 1 { 0 } else { count.saturating_sub(1) };
            let offset = (count as i32).wrapping_mul(i32::from(op.input_zero_point));
            // What the window covers, from its first element to its last.
            let last = (rows.end.wrapping_sub(1) * width + columns.end.wrapping_sub(1)) * channels;
            let window = input.get((rows.start * width + columns.start) * channels..last + channels);
            let Some(window) = window.filter(|_| count > 0) else { continue };
            for (group, out) in pixel.chunks_mut(4).enumerate() {
                let mut sums = [0; 4];
                let arguments = Arguments {
                    input: window.as_ptr().wrapping_add(group * 4),
                    channels,
                    row_step: width.saturating_sub(columns.len()) * channels,
                    rows: rows.len(),
                    columns: columns.len(),
                    lanes: out.len(),
                    sums: sums.as_mut_ptr(),
                };
                // SAFETY: of every pixel under the window, `lanes` bytes are read, under a predicate; all of them lie
                // between the first and the last, which `window` holds. The window covers at least one pixel.
                unsafe { niwaki_helium_sum(&raw const arguments) }
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = requantise(sum.wrapping_sub(offset), rule, &op.requantise);
                }
            }
        }
    }
}
