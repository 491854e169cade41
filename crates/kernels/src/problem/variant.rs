//! Numbers that problems are filled with: ordinary ones and the ends of every range.

use super::Random;
use alloc::vec::Vec;
use niwaki_blob::Activation;

/// Contents of activations and weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Any int8.
    Random,
    /// Activations -128 or 127, weights 127: the largest sums.
    Extreme,
    /// Everything -128: the largest product.
    Lowest,
    /// Nine in ten zero, as after a ReLU or pruning.
    Sparse,
}

/// Size of the multipliers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// Outputs spread over int8.
    Fitting,
    /// The largest that there are: nearly every output saturates.
    Largest,
    /// 0 and 2: no output leaves the zero point by much.
    Smallest,
}

/// How a problem is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// Activations and weights.
    pub fill: Fill,
    /// Multipliers.
    pub level: Level,
    /// Zero points: first operand, second operand, output.
    pub zero_points: [i8; 3],
    /// Left shift before the multiplier.
    pub shift: u32,
    /// Output range.
    pub activation: Activation,
}

impl Variant {
    /// Those that [`super::all`] goes through.
    pub const ALL: [Self; 7] = {
        use Fill::{Extreme, Lowest, Random, Sparse};
        use Level::{Fitting, Largest, Smallest};
        [
            Self::new(Random, Fitting, [-128, 127, -128], 0, [-128, 127]),
            Self::new(Random, Fitting, [127, -128, 127], 0, [-128, 127]),
            Self::new(Sparse, Fitting, [-128, -128, 3], 1, [3, 90]),
            Self::new(Extreme, Fitting, [5, -7, -5], 0, [-128, 127]),
            Self::new(Extreme, Largest, [127, 127, -128], 30, [-128, 127]),
            Self::new(Lowest, Largest, [-128, 127, 127], 7, [-100, 100]),
            Self::new(Random, Smallest, [0, 0, 0], 0, [0, 0]),
        ]
    };

    const fn new(fill: Fill, level: Level, zero_points: [i8; 3], shift: u32, range: [i8; 2]) -> Self {
        Self { fill, level, zero_points, shift, activation: Activation { min: range[0], max: range[1] } }
    }

    pub(super) fn activations(&self, count: usize, random: &mut Random) -> Vec<i8> {
        let value = |random: &mut Random| match self.fill {
            Fill::Random => random.int8(),
            Fill::Extreme => [i8::MIN, i8::MAX, i8::MAX, i8::MAX][random.between(0, 3) as usize],
            Fill::Lowest => i8::MIN,
            Fill::Sparse if random.between(0, 9) > 0 => self.zero_points[0],
            Fill::Sparse => random.int8(),
        };
        (0..count).map(|_| value(random)).collect()
    }

    pub(super) fn weights(&self, count: usize, random: &mut Random) -> Vec<i8> {
        let value = |random: &mut Random| match self.fill {
            Fill::Random => random.int8(),
            Fill::Extreme => i8::MAX,
            Fill::Lowest => i8::MIN,
            Fill::Sparse if random.between(0, 9) > 0 => 0,
            Fill::Sparse => random.int8(),
        };
        (0..count).map(|_| value(random)).collect()
    }

    /// Biases: ordinary ones, or ones that make accumulators wrap.
    pub(super) fn biases(&self, count: usize, random: &mut Random) -> Vec<i32> {
        let value = |random: &mut Random| match self.level {
            Level::Largest => [i32::MIN, i32::MAX, random.bits() as i32][random.between(0, 2) as usize],
            _ => random.between(-30_000, 30_000) as i32,
        };
        (0..count).map(|_| value(random)).collect()
    }

    /// Multipliers for accumulators that sum `terms` products.
    pub(super) fn multipliers(&self, count: usize, terms: usize, random: &mut Random) -> Vec<i32> {
        // The deviation of a product of two random int8 is near 2^12.4; this puts the sum's near 2^6.
        let fitting = ((1i64 << 26) / (terms as u64).isqrt().max(1) as i64) >> self.shift;
        let value = |random: &mut Random| match self.level {
            Level::Fitting => random.between(fitting / 2, fitting * 2) as i32 & !1,
            Level::Largest => [i32::MAX - 1, 1 << 30, 0][random.between(0, 2) as usize],
            Level::Smallest => random.between(0, 1) as i32 * 2,
        };
        (0..count).map(|_| value(random)).collect()
    }
}
