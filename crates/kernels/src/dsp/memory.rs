//! Scratch as words, and limits that activations bring.

use niwaki_blob::Activation;

/// The part of the scratch that starts on a word, and its number of bytes.
#[inline(always)]
pub(super) fn words(scratch: &mut [i8]) -> (*mut u32, usize) {
    let skipped = scratch.as_ptr().align_offset(4);
    let rest = scratch.get_mut(skipped..).unwrap_or_default();
    (rest.as_mut_ptr().cast(), rest.len())
}

/// Kernels saturate to int8; what a fused activation leaves of that is cut afterwards.
#[inline(always)]
pub(super) fn clamp(activation: Activation, output: &mut [i8]) {
    if activation.min != i8::MIN || activation.max != i8::MAX {
        for out in output {
            *out = activation.clamp(i32::from(*out));
        }
    }
}
