//! Single instructions of the DSP extension, as functions of words.

use core::arch::asm;

macro_rules! instruction {
    ($(#[$doc:meta])* $name:ident($($argument:ident),*), $text:literal) => {
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name($($argument: u32),*) -> u32 {
            let result: u32;
            // SAFETY: the instruction reads and writes the named registers only, and every core of this module has it.
            unsafe {
                asm!($text, result = lateout(reg) result, $($argument = in(reg) $argument),*,
                    options(pure, nomem, nostack, preserves_flags));
            }
            result
        }
    };
}

instruction!(
    /// Bytes 0 and 2, sign-extended.
    sxtb16(x), "sxtb16 {result}, {x}"
);
instruction!(
    /// Bytes 1 and 3, sign-extended.
    sxtb16_odd(x), "sxtb16 {result}, {x}, ror #8"
);
instruction!(
    /// Sums of halves with bytes 0 and 2.
    sxtab16(sum, x), "sxtab16 {result}, {sum}, {x}"
);
instruction!(
    /// Sums of halves with bytes 1 and 3.
    sxtab16_odd(sum, x), "sxtab16 {result}, {sum}, {x}, ror #8"
);
instruction!(
    /// The low half of `low` and, above it, the low half of `high`.
    low_halves(low, high), "pkhbt {result}, {low}, {high}, lsl #16"
);
instruction!(
    /// The high half of `low` and, above it, the high half of `high`.
    high_halves(low, high), "pkhtb {result}, {high}, {low}, asr #16"
);
instruction!(
    /// Shifted right by 16 and saturated to int8.
    narrow16(x), "ssat {result}, #8, {x}, asr #16"
);

/// Four bytes from anywhere.
///
/// # Safety
/// They can be read.
#[inline(always)]
pub(super) unsafe fn load(at: *const i8) -> u32 {
    // SAFETY: the caller's.
    unsafe { at.cast::<u32>().read_unaligned() }
}
