//! From fixed point to int8.

use crate::math::fixed;

/// Turns a number with 16 fraction bits into int8: `zero_point + x / scale`, rounded and saturated.
#[derive(Clone, Copy, Debug)]
pub struct Quantiser {
    /// `2^16 / scale`: times 16 fraction bits gives 32.
    multiplier: i32,
    zero_point: i8,
}

impl Quantiser {
    /// For a network's input scale and zero point. Usable in constants.
    ///
    /// # Panics
    /// If the scale is not between 2^-14 and 2^15: at compile time in a constant.
    pub const fn new(scale: f64, zero_point: i8) -> Self {
        assert!(scale > 6.2e-5 && scale < 32768.0, "a scale is between 2^-14 and 2^15");
        Self { multiplier: fixed(1.0 / scale, 16), zero_point }
    }

    /// Quantises a number with 16 fraction bits.
    pub fn quantise(self, value: i32) -> i8 {
        let scaled = (i64::from(value) * i64::from(self.multiplier) + (1 << 31)) >> 32;
        (scaled + i64::from(self.zero_point)).clamp(i64::from(i8::MIN), i64::from(i8::MAX)) as i8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_divides_rounds_and_saturates() {
        let quantiser = Quantiser::new(0.5, 10);
        assert_eq!([0, 1 << 16, -(1 << 16), 1 << 14].map(|x| quantiser.quantise(x)), [10, 12, 8, 11]);
        assert_eq!([i32::MAX, i32::MIN].map(|x| quantiser.quantise(x)), [127, -128]);
    }
}
