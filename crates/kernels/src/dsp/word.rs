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
                asm!(cpu!(), $text, result = lateout(reg) result, $($argument = in(reg) $argument),*,
                    options(pure, nomem, nostack, preserves_flags));
            }
            result
        }
    };
}

instruction!(
    /// Sums of halves with bytes 0 and 2.
    sxtab16(sum, x), "sxtab16 {result}, {sum}, {x}"
);
instruction!(
    /// Sums of halves with bytes 1 and 3.
    sxtab16_odd(sum, x), "sxtab16 {result}, {sum}, {x}, ror #8"
);
instruction!(
    /// Shifted right by 16 and saturated to int8.
    narrow16(x), "ssat {result}, #8, {x}, asr #16"
);

/// The larger of each pair of signed bytes.
#[inline(always)]
pub(super) fn max8(a: u32, b: u32) -> u32 {
    let result: u32;
    // SAFETY: both instructions read and write the named registers and the GE flags only, which no Rust code keeps.
    unsafe {
        asm!(cpu!(), "ssub8 {result}, {a}, {b}", "sel {result}, {a}, {b}",
            result = out(reg) result, a = in(reg) a, b = in(reg) b, options(pure, nomem, nostack));
    }
    result
}

/// Four bytes from anywhere.
///
/// # Safety
/// They can be read.
#[inline(always)]
pub(super) unsafe fn load(at: *const i8) -> u32 {
    // SAFETY: the caller's.
    unsafe { at.cast::<u32>().read_unaligned() }
}
