//! Real numbers to int8 and back, at the ends of a network.

/// What int8 values stand for: `real = (value - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Quantisation {
    /// Real value of one step; positive and finite.
    pub scale: f32,
    /// The int8 value that stands for zero.
    pub zero_point: i8,
}

impl Quantisation {
    /// The nearest int8 value, ties upwards; the nearest end of the range for what lies outside it, and the zero point
    /// for NaN. Only a division, a subtraction and comparisons of f32: the same everywhere.
    pub fn quantise(self, real: f32) -> i8 {
        // Beyond +-256 steps everything saturates, whatever the zero point. `as` truncates towards zero.
        let steps = (real / self.scale).clamp(-256.0, 256.0);
        let whole = steps as i32;
        let rest = steps - whole as f32;
        let rounded = whole + i32::from(rest >= 0.5) - i32::from(rest < -0.5);
        (rounded + i32::from(self.zero_point)).clamp(-128, 127) as i8
    }

    /// The real number that an int8 value stands for.
    pub fn dequantise(self, value: i8) -> f32 {
        (i32::from(value) - i32::from(self.zero_point)) as f32 * self.scale
    }

    /// Quantises pairwise, as far as the shorter slice goes.
    pub fn quantise_into(self, reals: &[f32], values: &mut [i8]) {
        for (value, real) in values.iter_mut().zip(reals) {
            *value = self.quantise(*real);
        }
    }

    /// Dequantises pairwise, as far as the shorter slice goes.
    pub fn dequantise_into(self, values: &[i8], reals: &mut [f32]) {
        for (real, value) in reals.iter_mut().zip(values) {
            *real = self.dequantise(*value);
        }
    }
}
