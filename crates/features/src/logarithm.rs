//! Logarithm to base 2 of an integer.

/// Fraction bits of a logarithm.
pub(crate) const LOG_BITS: u32 = 16;

/// `floor(log2(value) * 2^16)`, at most 2^-15 below; 0 for 0.
///
/// One bit per squaring: the square of a number between 1 and 2 is above 2 where its logarithm's next bit is set.
pub(crate) fn log2(value: u64) -> i32 {
    let Some(whole) = value.checked_ilog2() else { return 0 };
    // Between 1 and 2, with 31 fraction bits.
    let mut mantissa = if whole >= 31 { value >> (whole - 31) } else { value << (31 - whole) };
    let mut log = whole;
    for _ in 0..LOG_BITS {
        mantissa = (mantissa * mantissa) >> 31;
        let bit = (mantissa >> 32) as u32;
        mantissa >>= bit;
        log = 2 * log + bit;
    }
    log as i32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn it_is_close_to_the_logarithm() {
        for value in (1..2000u64).chain((0..64).map(|bit| 1 << bit)).chain([u64::MAX, u64::MAX / 3]) {
            let exact = (value as f64).log2() * 65536.0;
            let off = exact - f64::from(log2(value));
            assert!((-0.01..2.0).contains(&off), "{value}: {off}");
        }
        assert_eq!((log2(0), log2(1), log2(8)), (0, 0, 3 << 16));
    }
}
