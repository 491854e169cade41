//! Words in scratch memory.

/// The aligned words of some memory.
pub(crate) fn words(bytes: &mut [i8]) -> &mut [i32] {
    // SAFETY: any four initialised bytes are an i32.
    unsafe { bytes.align_to_mut().1 }
}

/// Copies as much as the shorter of the two.
pub(crate) fn copy(to: &mut [i8], from: &[i8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
