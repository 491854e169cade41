//! Steps whose parameters follow from scales alone: tables, sums, products.

use crate::{Kernel, PlanError, Requantise};
use niwaki_graph::{Binary, Unary};
use niwaki_quantise::Quantisation;

/// A table of 256 outputs for any function of one element.
pub(crate) fn lut(input: Quantisation, output: Quantisation, f: impl Fn(f32) -> f32) -> Kernel {
    Kernel::Lut { table: (-128..=127).map(|q| output.quantise(f(input.dequantise(q as i8)))).collect() }
}

/// Exponentials of 0 to 255 steps below the maximum.
pub(crate) fn softmax(input: Quantisation) -> Kernel {
    let entry = |d: u32| (32768.0 * (-f64::from(d) * f64::from(input.scale)).exp()).round() as u16;
    Kernel::Softmax { table: (0..256).map(entry).collect() }
}

/// A sum, difference or product of two tensors.
pub(crate) fn binary(
    name: &str,
    op: Binary,
    [a, b]: [Quantisation; 2],
    output: Quantisation,
) -> Result<Kernel, PlanError> {
    let (sa, sb, so) = (f64::from(a.scale), f64::from(b.scale), f64::from(output.scale));
    if op == Binary::Mul {
        // |a - za| and |b - zb| are at most 255.
        return Ok(Kernel::Mul { requantise: requantise(name, vec![sa * sb / so], 255.0 * 255.0)? });
    }
    let sign = if op == Binary::Sub { -1.0 } else { 1.0 };
    // Quantisation keeps sums from being much finer than their terms, so that these fit MAX_ADD_MULTIPLIER.
    let qa = (sa / so * 65536.0).round() as i32;
    let qb = (sign * sb / so * 65536.0).round() as i32;
    let offset = (i32::from(output.zero_point) << 16) + (1 << 15);
    Ok(Kernel::Add { q: [qa, qb, offset - i32::from(a.zero_point) * qa - i32::from(b.zero_point) * qb] })
}

/// The output rule for scales of any size: the smallest shift that brings all below 0.5.
///
/// `largest` is the largest magnitude that an accumulator can have; shifted, it has to fit 32 bits.
pub(crate) fn requantise(name: &str, scales: Vec<f64>, largest: f64) -> Result<Requantise, PlanError> {
    // The multiplier rounds to a 31-bit number: what would round up to 0.5 counts as 0.5.
    let limit = 0.5 - 1.0 / f64::from(1u32 << 31);
    let top = scales.iter().copied().fold(0.0, f64::max);
    let shift = (0..31).find(|shift| top / f64::from(1u32 << shift) < limit);
    let shift = shift.filter(|shift| largest * f64::from(1u32 << shift) <= f64::from(i32::MAX));
    let shift = shift.ok_or_else(|| PlanError::Range(name.to_string()))?;
    Ok(Requantise { scales: scales.iter().map(|scale| scale / f64::from(1u32 << shift)).collect(), shift })
}

/// The int8 range that a ReLU or clamp leaves at a quantisation.
pub(crate) fn clamp_range(unary: Unary, output: Quantisation) -> [i8; 2] {
    match unary {
        Unary::Relu => [output.zero_point, i8::MAX],
        Unary::Clamp { min, max } => [output.quantise(min), output.quantise(max)],
        _ => [i8::MIN, i8::MAX],
    }
}
