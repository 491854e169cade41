//! Memory for activations and scratch.

/// `BYTES` bytes on a 16-byte boundary: what a [`crate::Session`] works in. Size it with [`crate::arena_bytes`].
///
/// [`Arena::new`] is constant, so that it can be a static (in a `StaticCell`, say) and costs no flash.
#[derive(Clone, Debug)]
#[repr(C, align(16))]
pub struct Arena<const BYTES: usize>([i8; BYTES]);

impl<const BYTES: usize> Arena<BYTES> {
    /// An arena of zeros.
    pub const fn new() -> Self {
        Self([0; BYTES])
    }

    /// Its bytes.
    pub const fn as_mut_slice(&mut self) -> &mut [i8] {
        &mut self.0
    }
}

impl<const BYTES: usize> Default for Arena<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}
