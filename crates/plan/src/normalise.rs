//! Layer normalisation in the fixed point of the format.

use crate::{Kernel, PlanError};
use niwaki_quantise::Quantisation;

/// Fraction bits of factors and addends; SPEC.md has the formula.
const GAMMA_BITS: i32 = 12;
const BETA_BITS: i32 = 16;

/// A layer normalisation's kernel.
pub(crate) fn layer_norm(
    name: &str,
    gamma: &[f32],
    beta: Option<&[f32]>,
    epsilon: f64,
    [input, output]: [Quantisation; 2],
) -> Result<Kernel, PlanError> {
    let fixed = |real: f64, bits: i32| {
        let value = (real * f64::from(bits).exp2()).round();
        let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
        fits.then_some(value as i32).ok_or_else(|| PlanError::Range(name.to_string()))
    };
    let steps = |real: f32| f64::from(real) / f64::from(output.scale);
    let offset = |at: usize| beta.map_or(0.0, |beta| steps(beta[at])) + f64::from(output.zero_point);
    let factors = gamma.iter().map(|x| fixed(steps(*x), GAMMA_BITS)).collect::<Result<_, _>>()?;
    let addends = (0..gamma.len()).map(|at| fixed(offset(at), BETA_BITS)).collect::<Result<_, _>>()?;
    let count = gamma.len() as f64;
    let real = epsilon * count * count / f64::from(input.scale).powi(2);
    let shift = (0..32).find(|shift| real / f64::from(*shift).exp2() < f64::from(i32::MAX));
    let shift = shift.ok_or_else(|| PlanError::Range(name.to_string()))?;
    let mantissa = (real / f64::from(shift).exp2()).round() as i32;
    Ok(Kernel::LayerNorm { gamma: factors, beta: addends, epsilon: [mantissa, shift] })
}
