//! Room on the stack of which only what is used is ever written.

use core::mem::MaybeUninit;

/// `BYTES` bytes, at an address that any vector may lie at.
#[repr(align(64))]
pub(super) struct Stack<const BYTES: usize>(MaybeUninit<[i8; BYTES]>);

impl<const BYTES: usize> Stack<BYTES> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// The first `len` bytes, as zeros; `None` where there are not as many.
    #[inline(always)]
    pub(super) fn zeroed(&mut self, len: usize) -> Option<&mut [i8]> {
        self.filled(len, 0)
    }

    /// The first `len` bytes, all of this value; `None` where there are not as many.
    #[inline(always)]
    pub(super) fn filled(&mut self, len: usize, value: i8) -> Option<&mut [i8]> {
        if len > BYTES {
            return None;
        }
        let start = self.0.as_mut_ptr().cast::<i8>();
        // SAFETY: `start` is the first of `BYTES >= len` bytes that this borrow of `self` owns; they are written before
        // they are read, and any byte is an i8.
        unsafe {
            start.write_bytes(value as u8, len);
            Some(core::slice::from_raw_parts_mut(start, len))
        }
    }
}
