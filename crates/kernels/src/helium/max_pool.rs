//! Maximum over windows, sixteen channels at a time.

use crate::scalar::axis::Axis;
use core::arch::global_asm;
use niwaki_blob::MaxPool;

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
    /// 20
    output: *mut i8,
}

global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_max",
    ".type niwaki_helium_max, %function",
    ".thumb_func",
    "niwaki_helium_max:",
    "push {{r4-r9, lr}}",
    "ldrd r1, r2, [r0]",
    "ldrd r3, r4, [r0, #8]",
    "ldrd r5, r6, [r0, #16]",
    "mov r7, r2",
    "1:",
    "vctp.8 r7",
    "mvn r9, #127",
    "vdup.8 q0, r9",
    "mov r8, r1",
    "mov r9, r4",
    "2:",
    "dls lr, r5",
    "3:",
    // Nothing here changes the predicate.
    "vpst",
    "vldrbt.u8 q1, [r8]",
    "add r8, r2",
    "vmax.s8 q0, q0, q1",
    "le lr, 3b",
    "add r8, r3",
    "subs r9, #1",
    "bne 2b",
    "vpst",
    "vstrbt.8 q0, [r6], #16",
    "add r1, #16",
    "subs r7, #16",
    "bgt 1b",
    "pop {{r4-r9, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_max(arguments: *const Arguments);
}

/// See [`crate::scalar::max_pool`].
pub(crate) fn max_pool(op: &MaxPool, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let width = op.input.width;
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        let rows = rows.covered(y);
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let columns = columns.covered(x);
            // What the window covers, from its first element to its last.
            let last = (rows.end.wrapping_sub(1) * width + columns.end.wrapping_sub(1)) * channels;
            let window = input.get((rows.start * width + columns.start) * channels..last + channels);
            let Some(window) = window.filter(|_| !rows.is_empty() && !columns.is_empty()) else {
                pixel.fill(i8::MIN);
                continue;
            };
            let arguments = Arguments {
                input: window.as_ptr(),
                channels,
                row_step: width.saturating_sub(columns.len()) * channels,
                rows: rows.len(),
                columns: columns.len(),
                output: pixel.as_mut_ptr(),
            };
            // SAFETY: of every pixel under the window `channels` bytes are read, the last under a predicate; all of
            // them lie between the first and the last, which `window` holds. The window covers at least one pixel, and
            // a pixel of the output has as many channels.
            unsafe { niwaki_helium_max(&raw const arguments) }
        }
    }
}
