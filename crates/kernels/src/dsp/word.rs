//! Single instructions of the DSP extension, as functions of words.

use core::arch::asm;

macro_rules! instruction {
    ($(#[$doc:meta])* $name:ident($($argument:ident),*), $text:literal) => {
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name($($argument: u32),*) -> u32 {
            let result: u32;
            // SAFETY: the text reads and writes the named registers and flags only, and every core of this module has it.
            unsafe {
                asm!(cpu!(), $text, result = lateout(reg) result, $($argument = in(reg) $argument),*,
                    options(pure, nomem, nostack));
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
    /// Product of the low halves.
    low_product(a, b), "smulbb {result}, {a}, {b}"
);
instruction!(
    /// Product of the high halves.
    high_product(a, b), "smultt {result}, {a}, {b}"
);
instruction!(
    /// `zero + multiply_round(x, multiplier)`, saturated to int8.
    requantised(x, multiplier, zero), "smmlar {result}, {x}, {multiplier}, {zero}\nssat {result}, #8, {result}"
);
instruction!(
    /// Shifted right by 16 and saturated to int8.
    narrow16(x), "ssat {result}, #8, {x}, asr #16"
);

instruction!(
    /// A sum and the products of both halves.
    dual_product(a, b, sum), "smlad {result}, {a}, {b}, {sum}"
);
instruction!(
    /// The low half of one word below that of another.
    low_halves(low, high), "pkhbt {result}, {low}, {high}, lsl #16"
);
instruction!(
    /// The high half of one word below that of another.
    high_halves(low, high), "pkhtb {result}, {high}, {low}, asr #16"
);

instruction!(
    /// Differences of bytes, modulo 2^8.
    differences8(a, b), "usub8 {result}, {a}, {b}"
);
instruction!(
    /// No more than 255; of numbers below 2^31.
    unsigned8(x), "usat {result}, #8, {x}"
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

/// A number twice: in both halves.
#[inline(always)]
pub(super) fn both_halves(x: i16) -> u32 {
    u32::from(x as u16) * 0x0001_0001
}

/// Four bytes from the low ones of four words.
#[inline(always)]
pub(super) fn bytes([a, b, c, d]: [u32; 4]) -> u32 {
    a & 0xff | (b & 0xff) << 8 | (c & 0xff) << 16 | d << 24
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
