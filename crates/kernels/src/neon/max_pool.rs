//! Maximum over windows.

use super::pool::{Reduce, Under, pool};
use core::arch::aarch64::{int8x16_t, vdupq_n_s8, vmaxq_s8};
use niwaki_blob::MaxPool;

/// [`crate::scalar::max_pool`]. Returns `false`, with the output as it was, where it does not fit.
///
/// # Safety
/// The CPU has NEON.
#[inline(never)]
#[target_feature(enable = "neon")]
pub(super) unsafe fn max_pool(op: &MaxPool, input: &[i8], output: &mut [i8]) -> bool {
    // SAFETY: the caller vouches for NEON.
    unsafe { pool(&op.window, [op.input, op.output], input, output, &Largest) }
}

struct Largest;

impl Reduce for Largest {
    type Pixel = ();

    #[inline]
    unsafe fn pixel(&self, _count: usize) {}

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn reduce<const FEW: bool>(&self, _pixel: (), under: &Under<'_, FEW>) -> int8x16_t {
        let mut largest = vdupq_n_s8(i8::MIN);
        for row in under.rows.clone() {
            for column in under.columns.clone() {
                // SAFETY: the row and the column are the window's.
                largest = vmaxq_s8(largest, unsafe { under.load(row, column) });
            }
        }
        largest
    }
}
