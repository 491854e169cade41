//! Convolutions, linear layers and pools: geometry, weights in memory order, output rules.

use crate::{Kernel, PlanError, Requantise, Window, elementwise::requantise, layout::MAX_DIM};
use niwaki_graph::{Conv, Pool};
use niwaki_quantise::{Quantisation, QuantisedWeights};

/// Two spatial dimensions out of up to two: a sequence has one row, a vector one pixel.
fn both<T: Copy>(dims: &[T], missing: T) -> [T; 2] {
    match dims {
        [height, width] => [*height, *width],
        [length] => [missing, *length],
        _ => [missing, missing],
    }
}

/// A window and the padding before and after, vertical first.
pub(crate) struct Geometry {
    pub(crate) window: Window,
    pub(crate) padding: [[usize; 2]; 2],
}

impl Geometry {
    pub(crate) fn of_conv(name: &str, conv: &Conv, kernel: &[usize]) -> Result<Self, PlanError> {
        Self::new(name, kernel, &conv.stride, &conv.dilation, &conv.padding)
    }

    pub(crate) fn of_pool(name: &str, pool: &Pool) -> Result<Self, PlanError> {
        Self::new(name, &pool.kernel, &pool.stride, &[], &pool.padding)
    }

    fn new(
        name: &str,
        kernel: &[usize],
        stride: &[usize],
        dilation: &[usize],
        padding: &[[usize; 2]],
    ) -> Result<Self, PlanError> {
        let padding = both(padding, [0, 0]);
        let window = Window {
            kernel: both(kernel, 1),
            stride: both(stride, 1),
            dilation: both(dilation, 1),
            padding: [padding[0][0], padding[1][0]],
        };
        let attributes = [
            ("the kernel size", window.kernel),
            ("the stride", window.stride),
            ("the dilation", window.dilation),
            ("the padding", window.padding),
        ];
        for (what, values) in attributes {
            if let Some(found) = values.into_iter().find(|value| *value > MAX_DIM) {
                return Err(PlanError::TooLarge { node: name.to_string(), what, found });
            }
        }
        Ok(Self { window, padding })
    }

    /// Whether every window overlaps the input, as the format demands; where not, the border is made explicit.
    pub(crate) fn overlaps(&self) -> bool {
        (0..2).all(|axis| {
            let extent = self.window.dilation[axis] * (self.window.kernel[axis] - 1) + 1;
            self.padding[axis].iter().all(|pad| *pad < extent)
        })
    }
}

/// A convolution's kernel. `channels` and `taps` are of the weights `[out][in / groups][taps]`.
pub(crate) fn conv(
    name: &str,
    conv: &Conv,
    weights: &QuantisedWeights,
    kernel: &[usize],
    window: Window,
    scales: [Quantisation; 2],
) -> Result<Kernel, PlanError> {
    let taps: usize = kernel.iter().product();
    let outputs = weights.bias.len();
    let inputs = weights.data.len() / outputs / taps;
    let requantise = output_rule(name, weights, scales)?;
    let bias = weights.bias.clone();
    let depthwise = conv.groups == outputs && inputs == 1 && outputs > 1;
    let at = |out: usize, input: usize, tap: usize| weights.data[(out * inputs + input) * taps + tap];
    if depthwise {
        let order = (0..taps).flat_map(|tap| (0..outputs).map(move |out| (out, tap)));
        let weights = order.map(|(out, tap)| at(out, 0, tap)).collect();
        return Ok(Kernel::DepthwiseConv2d { window, weights, bias, requantise });
    }
    let order =
        (0..outputs).flat_map(|out| (0..taps).flat_map(move |tap| (0..inputs).map(move |input| (out, input, tap))));
    let weights = order.map(|(out, input, tap)| at(out, input, tap)).collect();
    Ok(Kernel::Conv2d { window, groups: conv.groups, weights, bias, requantise })
}

/// A linear layer whose inputs lie in memory in `order` (see [`crate::layout::memory_order`]); C order without.
pub(crate) fn fully_connected(
    name: &str,
    weights: &QuantisedWeights,
    order: Option<&[usize]>,
    scales: [Quantisation; 2],
) -> Result<Kernel, PlanError> {
    let requantise = output_rule(name, weights, scales)?;
    let data = match order {
        None => weights.data.clone(),
        Some(order) => {
            let rows = weights.data.chunks_exact(order.len());
            rows.flat_map(|row| order.iter().map(|index| row[*index])).collect()
        }
    };
    Ok(Kernel::FullyConnected { weights: data, bias: weights.bias.clone(), requantise })
}

fn output_rule(
    name: &str,
    weights: &QuantisedWeights,
    [input, output]: [Quantisation; 2],
) -> Result<Requantise, PlanError> {
    let scale = |weight: &f64| f64::from(input.scale) * weight / f64::from(output.scale);
    let rows = weights.data.chunks_exact((weights.data.len() / weights.bias.len()).max(1));
    let largest = rows.zip(&weights.bias).map(|(row, bias)| {
        let products: f64 = row.iter().map(|w| f64::from(w.unsigned_abs()) * 128.0).sum();
        products + f64::from(bias.unsigned_abs())
    });
    requantise(name, weights.scales.iter().map(scale).collect(), largest.fold(0.0, f64::max))
}

/// The output rule of an average: one scale, or one per number of elements that a window has inside the input.
pub(crate) fn average(
    name: &str,
    geometry: &Geometry,
    count_include_pad: bool,
    [input, output]: [Quantisation; 2],
) -> Result<Requantise, PlanError> {
    let taps = geometry.window.kernel[0] * geometry.window.kernel[1];
    let ratio = f64::from(input.scale) / f64::from(output.scale);
    let padded = geometry.padding.iter().flatten().any(|pad| *pad > 0);
    let scales = match padded && !count_include_pad {
        true => (1..=taps).map(|count| ratio / count as f64).collect(),
        false => vec![ratio / taps as f64],
    };
    requantise(name, scales, taps as f64 * 255.0)
}
