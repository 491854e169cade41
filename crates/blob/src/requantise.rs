//! The one rounding rule by which 32-bit accumulators become int8 (SPEC.md, "Requantisation").

use crate::Requantise;

/// Fraction bits of the multipliers of [`crate::Op::Add`].
pub const ADD_SHIFT: u32 = 16;

/// Largest magnitude of a multiplier of [`crate::Op::Add`]: with it and [`MAX_ADD_OFFSET`] no sum leaves 32 bits.
pub const MAX_ADD_MULTIPLIER: i32 = 1 << 21;

/// Largest magnitude of the offset of [`crate::Op::Add`].
pub const MAX_ADD_OFFSET: i32 = 1 << 30;

/// `(acc * multiplier + 2^31) >> 32`: the high word of a 64-bit product, rounded half up.
///
/// One SMMULR on ARMv7E-M. Multipliers are even, so that the doubling `SQRDMULH` of NEON and `VQRDMULH` of Helium
/// give the same with half of them.
#[inline(always)]
pub const fn multiply_round(acc: i32, multiplier: i32) -> i32 {
    ((acc as i64 * multiplier as i64 + (1 << 31)) >> 32) as i32
}

/// An accumulator of channel `channel` as int8: `clamp(zero_point + multiply_round(acc << shift, multiplier))`.
#[inline(always)]
pub fn requantise(acc: i32, channel: usize, rule: &Requantise<'_>) -> i8 {
    let multiplier = rule.multipliers.get(channel).copied().unwrap_or(0);
    let scaled = multiply_round(acc.wrapping_shl(rule.shift), multiplier);
    rule.activation.clamp(scaled + i32::from(rule.zero_point))
}

/// The even multiplier that stands for `scale / 2^shift`, where that is in `[0, 0.5)`; `None` elsewhere.
pub fn round_multiplier(scale: f64, shift: u32) -> Option<i32> {
    let halved = scale / f64::from(1u32 << shift.min(31)) * 2147483648.0;
    // `+ 0.5` and truncation round half up; `f64::round` is not in core.
    let half = (halved + 0.5) as i64;
    ((0..1 << 30).contains(&half) && scale >= 0.0).then_some((half * 2) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_up() {
        assert_eq!(multiply_round(1, 1 << 30), 0);
        assert_eq!(multiply_round(2, 1 << 30), 1);
        assert_eq!(multiply_round(-2, 1 << 30), 0);
        assert_eq!(multiply_round(-3, 1 << 30), -1);
        assert_eq!(multiply_round(i32::MAX, i32::MAX - 1), 1_073_741_823);
        assert_eq!(multiply_round(i32::MIN, i32::MAX - 1), -1_073_741_823);
    }

    #[test]
    fn multipliers_are_even_and_bounded() {
        assert_eq!(round_multiplier(0.25, 0), Some(1 << 30));
        assert_eq!(round_multiplier(0.5, 0), None);
        assert_eq!(round_multiplier(0.5, 1), Some(1 << 30));
        assert_eq!(round_multiplier(-0.1, 0), None);
        assert_eq!(round_multiplier(f64::NAN, 0), None);
        for k in 1..1000 {
            let scale = f64::from(k) / 2001.0;
            let multiplier = round_multiplier(scale, 0).unwrap();
            assert_eq!(multiplier % 2, 0);
            assert!((f64::from(multiplier) / 4294967296.0 - scale).abs() <= 1.0 / 4294967296.0);
        }
    }
}
