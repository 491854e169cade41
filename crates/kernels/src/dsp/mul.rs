//! Element-wise product, four elements at a time.

use super::{memory::clamp, word};
use crate::scalar;
use niwaki_blob::{Activation, Binary};

/// As [`crate::scalar::mul`].
pub(crate) fn mul(op: &Binary, a: &[i8], b: &[i8], output: &mut [i8]) {
    let len = output.len().min(a.len()).min(b.len());
    let words = len / 4;
    for word in 0..words {
        // SAFETY: four elements from `4 * word` on lie inside all three slices.
        unsafe {
            let product = products(op, word::load(a.as_ptr().add(4 * word)), word::load(b.as_ptr().add(4 * word)));
            output.as_mut_ptr().add(4 * word).cast::<u32>().write_unaligned(product);
        }
    }
    let tail = |of| <[i8]>::get(of, 4 * words..len).unwrap_or_default();
    scalar::mul(&saturated(op), tail(a), tail(b), output.get_mut(4 * words..len).unwrap_or_default());
    clamp(op.activation, output);
}

/// As [`crate::scalar::mul_in_place`].
pub(crate) fn mul_in_place(op: &Binary, b: &[i8], output: &mut [i8]) {
    let len = output.len().min(b.len());
    let words = len / 4;
    for word in 0..words {
        // SAFETY: four elements from `4 * word` on lie inside both slices.
        unsafe {
            let place = output.as_mut_ptr().add(4 * word);
            let product = products(op, word::load(place), word::load(b.as_ptr().add(4 * word)));
            place.cast::<u32>().write_unaligned(product);
        }
    }
    let tail = b.get(4 * words..len).unwrap_or_default();
    scalar::mul_in_place(&saturated(op), tail, output.get_mut(4 * words..len).unwrap_or_default());
    clamp(op.activation, output);
}

/// The operation without its activation.
fn saturated(op: &Binary) -> Binary {
    Binary { activation: Activation { min: i8::MIN, max: i8::MAX }, ..*op }
}

/// Four products, saturated to int8.
#[inline(always)]
fn products(op: &Binary, a: u32, b: u32) -> u32 {
    let [less_a, less_b] = op.input_zero_points.map(|zero| word::both_halves(-i16::from(zero)));
    let (a, odd_a) = (word::sxtab16(less_a, a), word::sxtab16_odd(less_a, a));
    let (b, odd_b) = (word::sxtab16(less_b, b), word::sxtab16_odd(less_b, b));
    let rule = |product: u32| word::requantised(product << op.shift, op.q[0] as u32, i32::from(op.zero_point) as u32);
    word::bytes([
        rule(word::low_product(a, b)),
        rule(word::low_product(odd_a, odd_b)),
        rule(word::high_product(a, b)),
        rule(word::high_product(odd_a, odd_b)),
    ])
}
