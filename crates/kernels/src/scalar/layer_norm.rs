//! Layer normalisation over the channels of every pixel.

use super::pieces;
use niwaki_blob::LayerNorm;

/// With `n` channels, `d = n * x - sum(x)` and `s = n * sum(x^2) - sum(x)^2 + epsilon`: `output = clamp(d / sqrt(s) *
/// gamma + beta)`, in the fixed point that SPEC.md describes.
pub fn layer_norm(op: &LayerNorm<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.shape.channels.max(1);
    // At most 2^16 channels: `sum` stays within 24 bits, `squares` within 30, `d` within 25.
    let count = channels as i32;
    for (out, x) in output.chunks_exact_mut(channels).zip(pieces(input, channels)) {
        let (mut sum, mut squares) = (0i32, 0u32);
        for x in x {
            let x = i32::from(*x);
            sum = sum.wrapping_add(x);
            squares = squares.wrapping_add((x * x) as u32);
        }
        let total = u64::from(sum.unsigned_abs());
        let deviation = (channels as u64).wrapping_mul(squares.into()).wrapping_sub(total * total);
        let (inverse, exponent) = inverse_root(deviation.saturating_add(op.epsilon));
        let rules = op.gamma.iter().zip(op.beta);
        let elements = out.iter_mut().zip(x).zip(rules);
        let finish = |normal: i32, gamma: i32, beta: i32| {
            let scaled = i64::from(normal) * i64::from(gamma) + (i64::from(beta) << 16);
            op.activation.clamp((scaled.wrapping_add(1 << 31) >> 32) as i32)
        };
        // The normalised element is what lies above the lower 32 bits of `d * inverse << left`. Shared between both
        // factors, so that each fits 32 bits, the shift costs nothing: |d| is at most 255 * count.
        let left = exponent + 5;
        let (ahead, behind) = (left.saturating_sub(MOST), left.min(MOST));
        if i64::from(count) << ahead <= i64::from(i32::MAX) / 255 {
            let (count, sum, inverse) = (count << ahead, sum << ahead, (inverse << behind) as i32);
            for ((out, x), (gamma, beta)) in elements {
                let d = count.wrapping_mul(i32::from(*x)).wrapping_sub(sum);
                let normal = ((i64::from(d) * i64::from(inverse)) >> 32) as i32;
                *out = finish(normal, *gamma, *beta);
            }
            continue;
        }
        for ((out, x), (gamma, beta)) in elements {
            let d = count.wrapping_mul(i32::from(*x)).wrapping_sub(sum);
            let normal = (((i64::from(d) * i64::from(inverse)) << 4) >> (31 - exponent)) as i32;
            *out = finish(normal, *gamma, *beta);
        }
    }
}

/// Bits that an inverse root, at most 2^16, can be shifted by in 31.
const MOST: u32 = 14;

/// `1 / sqrt(s)` as `inverse * 2^(exponent - 47)`, with `inverse` in `2^15..=2^16` and `exponent` in `0..=31`. 0 counts
/// as 1.
#[inline(always)]
fn inverse_root(s: u64) -> (u32, u32) {
    let s = s.max(1);
    let exponent = s.leading_zeros() / 2;
    let mantissa = ((s << (2 * exponent)) >> 32) as u32;
    (((1 << 31) / mantissa.isqrt().max(1)), exponent.min(31))
}

#[cfg(test)]
mod tests {
    use super::inverse_root;

    #[test]
    fn inverse_roots_are_near() {
        let mut state = 1u64;
        for step in 0..200_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let s = if step < 1000 { step + 1 } else { (state >> (step % 63)).max(1) };
            let (inverse, exponent) = inverse_root(s);
            assert!((1 << 15..=1 << 16).contains(&inverse) && exponent < 32);
            let found = f64::from(inverse) * (f64::from(exponent) - 47.0).exp2();
            let off = found * (s as f64).sqrt() - 1.0;
            assert!(off.abs() < 6.5e-5, "{s}: {found} is off by {off}");
        }
        assert_eq!(inverse_root(0), inverse_root(1));
    }
}
