//! Requantisation where a 64-bit product is dear.

use niwaki_blob::Requantise;

/// [`niwaki_blob::multiply_round`] by four 16-bit products, for cores whose multiplication gives 32 bits.
///
/// With `a = ah * 2^16 + al` and `m = mh * 2^16 + ml`, the product is `ah * mh * 2^32 + (ah * ml + al * mh) * 2^16 + al *
/// ml`. Of its lower word only the upper half matters: `2^31` is a multiple of `2^16`, so what is below cannot carry.
#[inline(always)]
#[cfg_attr(not(any(niwaki_v6m, test)), allow(dead_code, reason = "other cores have a 64-bit product"))]
pub(crate) fn multiply_round_in_halves(acc: i32, multiplier: i32) -> i32 {
    let (ah, al) = (acc >> 16, acc & 0xffff);
    let (mh, ml) = (multiplier >> 16, multiplier & 0xffff);
    let low = (al as u32).wrapping_mul(ml as u32) >> 16;
    // At most 32767 * 65535 + 65535, at least -32768 * 65535.
    let one = ah * ml + low as i32;
    let other = al * mh;
    let carry = ((one & 0xffff) + (other & 0xffff) + 0x8000) >> 16;
    ah * mh + (one >> 16) + (other >> 16) + carry
}

#[inline(always)]
fn multiply_round(acc: i32, multiplier: i32) -> i32 {
    #[cfg(niwaki_v6m)]
    return multiply_round_in_halves(acc, multiplier);
    #[cfg(not(niwaki_v6m))]
    niwaki_blob::multiply_round(acc, multiplier)
}

/// Accumulators of one channel as outputs.
#[inline(always)]
pub(crate) fn requantise_all<const N: usize>(acc: [i32; N], multiplier: i32, rule: &Requantise<'_>) -> [i8; N] {
    let zero_point = i32::from(rule.zero_point);
    acc.map(|acc| rule.activation.clamp(multiply_round(acc.wrapping_shl(rule.shift), multiplier) + zero_point))
}

#[cfg(test)]
mod tests {
    use super::multiply_round_in_halves;
    use niwaki_blob::multiply_round;

    #[test]
    fn halves_give_the_same_as_64_bits() {
        let edges = [0, 1, 2, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_0000, i32::MAX - 1, i32::MAX];
        let mut state = 1u32;
        let random = core::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state ^ (state >> 13)) as i32
        });
        let all: [i32; 300] = {
            let mut all = [0; 300];
            let values = edges.into_iter().flat_map(|edge| [edge, -edge, !edge]).chain(random);
            all.iter_mut().zip(values).for_each(|(to, from)| *to = from);
            all
        };
        for acc in all {
            for multiplier in all {
                let multiplier = multiplier & (i32::MAX - 1);
                assert_eq!(multiply_round_in_halves(acc, multiplier), multiply_round(acc, multiplier));
            }
        }
    }
}
