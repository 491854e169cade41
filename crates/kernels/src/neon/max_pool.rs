//! Maximum over windows, sixteen channels at a time.

use crate::{scalar::axis::Axis, simd::STEP};
use core::arch::aarch64::{vdupq_n_s8, vld1q_s8, vmaxq_s8, vst1q_s8};
use niwaki_blob::MaxPool;

/// [`crate::scalar::max_pool`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn max_pool(op: &MaxPool, input: &[i8], output: &mut [i8]) -> bool {
    let channels = op.output.channels;
    if channels < STEP || op.input.channels != channels || op.input.elements() != input.len() {
        return false;
    }
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let (rows, columns) = (rows.covered(y), columns.covered(x));
            for first in (0..channels).step_by(STEP) {
                // The last step ends where the pixel does: some channels are computed twice.
                let first = first.min(channels - STEP);
                let mut largest = vdupq_n_s8(i8::MIN);
                for row in rows.clone() {
                    for column in columns.clone() {
                        let at = (row * op.input.width + column) * channels + first;
                        // SAFETY: row and column are inside the input, whose length was checked, and so are the
                        // `STEP` channels from `first` on.
                        largest = vmaxq_s8(largest, unsafe { vld1q_s8(input.as_ptr().add(at)) });
                    }
                }
                // SAFETY: `pixel` has `STEP` channels from `first` on.
                unsafe { vst1q_s8(pixel.as_mut_ptr().add(first), largest) };
            }
        }
    }
    true
}
