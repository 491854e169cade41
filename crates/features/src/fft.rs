//! Discrete Fourier transform of real samples in 32-bit integers, in place.

use crate::math::{TAU, cos};

/// Samples of the longest transform.
const LONGEST: usize = 1024;

/// Entries of a quarter of a cosine.
const QUARTER: usize = LONGEST / 4;

/// Fraction bits of [`COSINE`].
const BITS: u32 = 30;

/// `cos(2 pi k / LONGEST)` for the first quarter.
static COSINE: [i32; QUARTER] = {
    let mut table = [0; QUARTER];
    let mut k = 0;
    while k < QUARTER {
        table[k] = crate::math::fixed(cos(TAU * k as f64 / LONGEST as f64), BITS);
        k += 1;
    }
    table
};

/// Cosine and sine of `2 pi k / LONGEST`, for `k` below half of `LONGEST`.
fn turn(k: usize) -> [i32; 2] {
    let rising = COSINE[k % QUARTER];
    // A quarter less the angle; its cosine at 0 is the sine at a quarter.
    let falling = if k.is_multiple_of(QUARTER) { 0 } else { COSINE[(QUARTER - k % QUARTER) % QUARTER] };
    if k < QUARTER { [rising, falling] } else { [-falling, rising] }
}

/// `[re, im]` times `e^(-i 2 pi k / LONGEST)`, rounded.
fn rotated([re, im]: [i32; 2], k: usize) -> [i32; 2] {
    let [cos, sin] = turn(k).map(i64::from);
    let (re, im) = (i64::from(re), i64::from(im));
    let round = |x: i64| ((x + (1 << (BITS - 1))) >> BITS) as i32;
    [round(re * cos + im * sin), round(im * cos - re * sin)]
}

/// Replaces `N` real samples by their transform, `X[k] = sum of x[n] e^(-i 2 pi n k / N)`: pairs of real and imaginary
/// part for `k` from 0 to `N/2 - 1`, but that the first pair's second element is `X[N/2]`, which is real as `X[0]` is.
///
/// `N` is a power of two from 8 to 1024, and the sum of all `|x[n]|` has to be below 2^30.
pub(crate) fn real<const N: usize>(samples: &mut [i32; N]) {
    const { assert!(N.is_power_of_two() && N >= 8 && N <= LONGEST) }
    // Even samples as real, odd ones as imaginary parts of half as many points.
    let points = samples.as_chunks_mut::<2>().0;
    complex(points);
    untangle(points);
}

/// Radix 2, decimation in time.
fn complex(points: &mut [[i32; 2]]) {
    let count = points.len();
    let bits = count.trailing_zeros();
    for index in 0..count {
        let mirrored = index.reverse_bits() >> (usize::BITS - bits);
        if index < mirrored
            && let Ok([a, b]) = points.get_disjoint_mut([index, mirrored])
        {
            core::mem::swap(a, b);
        }
    }
    let mut half = 1;
    while half < count {
        for block in points.chunks_exact_mut(2 * half) {
            let Some((low, high)) = block.split_at_mut_checked(half) else { return };
            for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let turned = rotated(*b, k * (LONGEST / 2 / half));
                *b = [a[0] - turned[0], a[1] - turned[1]];
                *a = [a[0] + turned[0], a[1] + turned[1]];
            }
        }
        half *= 2;
    }
}

/// From the transform of pairs to that of the samples.
fn untangle(points: &mut [[i32; 2]]) {
    let count = points.len();
    let Some((first, rest)) = points.split_first_mut() else { return };
    *first = [first[0] + first[1], first[0] - first[1]];
    let step = LONGEST / 2 / count;
    for k in 1..count / 2 {
        let mirrored = count - k;
        let Ok([a, b]) = rest.get_disjoint_mut([k - 1, mirrored - 1]) else { return };
        // The even samples' part, twice, and the odd ones', turned.
        let even = [a[0] + b[0], a[1] - b[1]];
        let odd = rotated([a[1] + b[1], b[0] - a[0]], k * step);
        *a = [(even[0] + odd[0]) >> 1, (even[1] + odd[1]) >> 1];
        *b = [(even[0] - odd[0]) >> 1, (odd[1] - even[1]) >> 1];
    }
    if let Some(middle) = rest.get_mut(count / 2 - 1) {
        middle[1] = -middle[1];
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn check<const N: usize>(samples: [i32; N], bound: f64) {
        let mut buffer = samples;
        real(&mut buffer);
        for k in 0..=N / 2 {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, x) in samples.iter().enumerate() {
                let angle = TAU * (n * k % N) as f64 / N as f64;
                re += f64::from(*x) * angle.cos();
                im -= f64::from(*x) * angle.sin();
            }
            let found = match k {
                0 => [buffer[0], 0],
                k if k == N / 2 => [buffer[1], 0],
                k => [buffer[2 * k], buffer[2 * k + 1]],
            };
            let off = (f64::from(found[0]) - re).abs().max((f64::from(found[1]) - im).abs());
            assert!(off < bound, "bin {k} of {N}: {found:?}, not {re} {im}");
        }
    }

    #[test]
    fn it_is_the_transform() {
        let noise = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 12) as i32 - (1 << 19);
        check::<8>(core::array::from_fn(noise), 4.0);
        check::<512>(core::array::from_fn(noise), 16.0);
        check::<1024>(core::array::from_fn(noise), 16.0);
        check::<512>(core::array::from_fn(|n| if n == 3 { 1 << 29 } else { 0 }), 16.0);
        // Every sample at the bound: the sum of absolutes is 2^30 less 512.
        check::<512>(core::array::from_fn(|n| if n % 2 == 0 { (1 << 21) - 1 } else { 1 - (1 << 21) }), 16.0);
    }

    #[test]
    fn silence_stays_silence() {
        let mut buffer = [0; 512];
        real(&mut buffer);
        assert!(buffer.iter().all(|x| *x == 0));
    }

    #[test]
    fn turns_are_cosine_and_sine() {
        let all: Vec<[i32; 2]> = (0..LONGEST / 2).map(turn).collect();
        for (k, [cos, sin]) in all.into_iter().enumerate() {
            let angle = TAU * k as f64 / LONGEST as f64;
            let scale = f64::from(1 << BITS);
            assert!((f64::from(cos) - angle.cos() * scale).abs() <= 0.51, "cos {k}");
            assert!((f64::from(sin) - angle.sin() * scale).abs() <= 0.51, "sin {k}");
        }
    }
}
