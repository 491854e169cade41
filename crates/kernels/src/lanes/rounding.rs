//! Requantisation where a 64-bit product is dear.

use niwaki_blob::Requantise;

/// What biases and multipliers do not pass.
#[derive(Default)]
pub(crate) struct Bound {
    bias: u32,
    multiplier: u32,
}

impl Bound {
    #[inline(always)]
    pub(crate) fn bias(&mut self, bias: i32) {
        // Without its sign, or one less than that.
        self.bias |= (bias ^ (bias >> 31)) as u32;
    }

    #[inline(always)]
    pub(crate) fn multiplier(&mut self, multiplier: i32) {
        self.multiplier |= multiplier as u32;
    }

    /// Whether no accumulator of `terms` products, with these biases and multipliers, leaves 32 bits in
    /// `((acc * m) >> 16) + 2^15`, nor with 2^16 times an output more: then `multiply_round(acc, m)` takes three 32-bit products, see `in_three` below. True of
    /// nearly every layer: it says that outputs fit 16 bits before they are limited.
    #[inline(always)]
    pub(crate) fn is_small(&self, rule: &Requantise<'_>, terms: usize) -> bool {
        let most = u64::from(self.bias) + 1 + ((terms as u64) << 14);
        let product = most.checked_mul(u64::from(self.multiplier >> 16) + 1);
        // With a 64-bit product there is nothing to win, and nothing to ask.
        cfg!(not(niwaki_v7m)) && rule.shift == 0 && product.is_some_and(|product| product < (1 << 31) - (1 << 25))
    }
}

#[cfg(test)]
mod tests {
    use super::Bound;
    use niwaki_blob::{Activation, Requantise, multiply_round};

    /// `multiply_round` by four 16-bit products, for any accumulator; as the assembly for Armv6-M has it.
    ///
    /// With `a = ah * 2^16 + al` and `m = mh * 2^16 + ml`, the product is `ah * mh * 2^32 + (ah * ml + al * mh) * 2^16 +
    /// al * ml`. Of its lower word only the upper half matters: `2^31` is a multiple of `2^16`, so what is below cannot
    /// carry.
    fn in_four(acc: i32, multiplier: i32) -> i32 {
        let (ah, al) = (acc >> 16, acc & 0xffff);
        let (mh, ml) = (multiplier >> 16, multiplier & 0xffff);
        let low = (al as u32).wrapping_mul(ml as u32) >> 16;
        // At most 32767 * 65535 + 65535, at least -32768 * 65535.
        let one = ah * ml + low as i32;
        let other = (al * mh) as u32;
        let carry = ((one & 0xffff) as u32 + other + 0x8000) >> 16;
        ah * mh + (one >> 16) + carry as i32
    }

    /// The same by three, for accumulators that are small.
    fn in_three(acc: i32, multiplier: i32) -> i32 {
        let (ah, al) = (acc >> 16, acc & 0xffff);
        let (mh, ml) = (multiplier >> 16, multiplier & 0xffff);
        let low = (al as u32).wrapping_mul(ml as u32) >> 16;
        (acc * mh + ah * ml + low as i32 + 0x8000) >> 16
    }

    fn numbers() -> [i32; 300] {
        let edges = [0, 1, 2, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_0000, i32::MAX - 1, i32::MAX];
        let mut state = 1u32;
        let random = core::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (state ^ (state >> 13)) as i32;
            number >> (state >> 27)
        });
        let mut all = [0; 300];
        let values = edges.into_iter().flat_map(|edge| [edge, -edge, !edge]).chain(random);
        all.iter_mut().zip(values).for_each(|(to, from)| *to = from);
        all
    }

    #[test]
    fn halves_give_the_same_as_64_bits() {
        let activation = Activation { min: i8::MIN, max: i8::MAX };
        let rule = Requantise { multipliers: &[], shift: 0, zero_point: 0, activation };
        let mut small = 0;
        for acc in numbers() {
            for multiplier in numbers() {
                let multiplier = multiplier & (i32::MAX - 1);
                let expected = multiply_round(acc, multiplier);
                assert_eq!(in_four(acc, multiplier), expected);
                // An accumulator without products is its bias.
                let mut bound = Bound::default();
                bound.bias(acc);
                bound.multiplier(multiplier);
                if bound.is_small(&rule, 0) {
                    assert_eq!(in_three(acc, multiplier), expected);
                    small += 1;
                }
            }
        }
        assert!(small > 10_000, "{small}");
    }
}
