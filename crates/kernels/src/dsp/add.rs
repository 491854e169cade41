//! Element-wise sum, four elements at a time.

use super::{memory::clamp, word};
use crate::scalar;
use niwaki_blob::{Activation, Binary};

/// As [`crate::scalar::add`].
pub(crate) fn add(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) {
    let len = output.len().min(a.len()).min(b.len());
    let words = len / 4;
    for word in 0..words {
        // SAFETY: four elements from `4 * word` on lie inside all three slices.
        unsafe {
            let sum = sums(op, word::load(a.as_ptr().add(4 * word)), word::load(b.as_ptr().add(4 * word)));
            output.as_mut_ptr().add(4 * word).cast::<u32>().write_unaligned(sum);
        }
    }
    let saturated = Binary { activation: Activation { min: i8::MIN, max: i8::MAX }, ..*op };
    let tail = |of| <[i8]>::get(of, 4 * words..len).unwrap_or_default();
    scalar::add(&saturated, tail(a), tail(b), output.get_mut(4 * words..len).unwrap_or_default());
    clamp(op.activation, output);
}

/// As [`crate::scalar::add_in_place`].
pub(crate) fn add_in_place(op: &Binary, b: &[i8], output: &mut [i8]) {
    let len = output.len().min(b.len());
    let words = len / 4;
    for word in 0..words {
        // SAFETY: four elements from `4 * word` on lie inside both slices.
        unsafe {
            let place = output.as_mut_ptr().add(4 * word);
            let sum = sums(op, word::load(place), word::load(b.as_ptr().add(4 * word)));
            place.cast::<u32>().write_unaligned(sum);
        }
    }
    let saturated = Binary { activation: Activation { min: i8::MIN, max: i8::MAX }, ..*op };
    let tail = b.get(4 * words..len).unwrap_or_default();
    scalar::add_in_place(&saturated, tail, output.get_mut(4 * words..len).unwrap_or_default());
    clamp(op.activation, output);
}

/// Four sums, saturated to int8.
#[inline(always)]
fn sums(op: &Binary, a: u32, b: u32) -> u32 {
    let [qa, qb, offset] = op.q;
    let sum = |byte: u32| -> u32 {
        let (a, b) = ((a >> (8 * byte)) as i8, (b >> (8 * byte)) as i8);
        let sum = i32::from(a).wrapping_mul(qa).wrapping_add(offset).wrapping_add(i32::from(b).wrapping_mul(qb));
        word::narrow16(sum as u32)
    };
    word::bytes([sum(0), sum(1), sum(2), sum(3)])
}
