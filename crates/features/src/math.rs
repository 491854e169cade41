//! Functions that the core library has not at compile time, for tables: series in `f64`, exact to some 1e-15.

/// Circumference of a circle of radius 1.
pub(crate) const TAU: f64 = core::f64::consts::TAU;

/// Cosine of an angle in radians.
pub(crate) const fn cos(angle: f64) -> f64 {
    // Into -pi to pi, where the series converges fast.
    let turns = angle / TAU;
    let x = (turns - round(turns)) * TAU;
    let (mut sum, mut term, mut n) = (1.0, 1.0, 0.0);
    while n < 40.0 {
        term *= -x * x / ((n + 1.0) * (n + 2.0));
        sum += term;
        n += 2.0;
    }
    sum
}

/// Natural logarithm of a positive number.
pub(crate) const fn ln(value: f64) -> f64 {
    // Into 1 to 2, then ln(x) = 2 artanh((x - 1) / (x + 1)).
    let (mut x, mut halvings) = (value, 0.0);
    while x >= 2.0 {
        x /= 2.0;
        halvings += 1.0;
    }
    while x < 1.0 {
        x *= 2.0;
        halvings -= 1.0;
    }
    let ratio = (x - 1.0) / (x + 1.0);
    let (mut sum, mut power, mut n) = (0.0, ratio, 1.0);
    while n < 60.0 {
        sum += power / n;
        power *= ratio * ratio;
        n += 2.0;
    }
    2.0 * sum + halvings * core::f64::consts::LN_2
}

/// The exponential function.
pub(crate) const fn exp(value: f64) -> f64 {
    // e^x = (e^(x/1024))^1024.
    let x = value / 1024.0;
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while n < 16.0 {
        term *= x / n;
        sum += term;
        n += 1.0;
    }
    let mut doublings = 0;
    while doublings < 10 {
        sum *= sum;
        doublings += 1;
    }
    sum
}

/// The nearest whole number, halves away from zero.
pub(crate) const fn round(value: f64) -> f64 {
    (if value < 0.0 { value - 0.5 } else { value + 0.5 }) as i64 as f64
}

/// The nearest multiple of `2^-bits`, as a count of them.
pub(crate) const fn fixed(value: f64, bits: u32) -> i32 {
    round(value * (1u64 << bits) as f64) as i32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn series_agree_with_the_library() {
        for step in -2000..2000 {
            let x = f64::from(step) / 100.0;
            assert!((cos(x) - x.cos()).abs() < 1e-12, "cos {x}");
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-11, "exp {x}");
        }
        for step in 1..5000 {
            let x = f64::from(step) * 1.7;
            assert!((ln(x) - x.ln()).abs() < 1e-12, "ln {x}");
            assert!((ln(1.0 / x) + x.ln()).abs() < 1e-12, "ln 1/{x}");
        }
    }
}
