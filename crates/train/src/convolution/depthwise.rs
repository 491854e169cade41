//! Depthwise convolution as sums of shifted planes.
//!
//! A padded plane is taken as one long row: the output at `i` is the sum of `weight * padded[i + offset]` over the
//! filter's elements, in long loops that compilers turn into vectors however narrow the image. Results between rows
//! are of no use and left out; strides compute every position and keep some.

use super::Geometry;
use super::products::LANES;
use macerator::Simd;

/// A channel's planes. `margin` is the largest offset of a filter's element.
struct Planes {
    width: usize,
    padded: usize,
    full: usize,
    margin: usize,
    offsets: Vec<usize>,
}

impl Planes {
    fn new(geometry: &Geometry) -> Self {
        let reach = |axis: usize| geometry.dilation[axis] * (geometry.kernel[axis] - 1);
        // The least padding behind that every window of the output fits in, or the image where windows end before.
        let size = |axis: usize| {
            let windows = (geometry.output[axis] - 1) * geometry.stride[axis] + 1 + reach(axis);
            windows.max(geometry.input[axis] + geometry.padding[axis])
        };
        let (height, width) = (size(0), size(1));
        let offset = |y: usize, x: usize| y * geometry.dilation[0] * width + x * geometry.dilation[1];
        let offsets: Vec<usize> =
            (0..geometry.kernel[0]).flat_map(|y| (0..geometry.kernel[1]).map(move |x| offset(y, x))).collect();
        let margin = reach(0) * width + reach(1);
        let round = |elements: usize| elements.next_multiple_of(LANES);
        Self { width, padded: round(height * width), full: round(height * width - margin), margin, offsets }
    }

    /// Where the output's element lies among all positions.
    fn position(&self, geometry: &Geometry, y: usize, x: usize) -> usize {
        y * geometry.stride[0] * self.width + x * geometry.stride[1]
    }

    fn image_row(&self, geometry: &Geometry, y: usize) -> usize {
        (y + geometry.padding[0]) * self.width + geometry.padding[1]
    }
}

/// `output` (N, C, oh, ow) from `x` (N, C, H, W), the images of a task. `scratch` is kept between tasks.
pub(super) fn forward(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let planes = Planes::new(geometry);
    let (padded, full) = two(scratch, planes.padded + planes.margin + LANES, planes.full);
    let weights = weight.chunks(planes.offsets.len()).zip(bias).cycle();
    let channels = x.chunks(plane(geometry.input)).zip(weights);
    for (output, (x, (weight, bias))) in output.chunks_mut(geometry.plane()).zip(channels) {
        pad(geometry, &planes, x, padded);
        correlate(padded, &planes.offsets, weight, full);
        for (y, row) in output.chunks_mut(geometry.output[1]).enumerate() {
            let full = full[planes.position(geometry, y, 0)..].iter().step_by(geometry.stride[1]);
            row.iter_mut().zip(full).for_each(|(to, from)| *to = bias + from);
        }
    }
}

/// Adds to `weight_gradient` unless that is empty, and fills `x_gradient`, for the images of a task.
pub(super) fn backward(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    above: &[f32],
    mut x_gradient: Option<&mut [f32]>,
    weight_gradient: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let planes = Planes::new(geometry);
    let taps = planes.offsets.len();
    // Before and behind the positions: zeros, which offsets reach into.
    let (spread, padded) = two(scratch, planes.margin + planes.padded + LANES, planes.padded + planes.margin + LANES);
    let back: Vec<usize> = planes.offsets.iter().map(|offset| planes.margin - offset).collect();
    // Every channel of every image.
    for (at, above) in above.chunks(geometry.plane()).enumerate() {
        for (y, row) in above.chunks(geometry.output[1]).enumerate() {
            let to = &mut spread[planes.margin + planes.position(geometry, y, 0)..];
            to.iter_mut().step_by(geometry.stride[1]).zip(row).for_each(|(to, from)| *to = *from);
        }
        let (channel, size) = (at % geometry.channels, plane(geometry.input));
        let image = at * size..(at + 1) * size;
        if !weight_gradient.is_empty() {
            pad(geometry, &planes, &x[image.clone()], padded);
            let sums = &mut weight_gradient[channel * taps..][..taps];
            dot(&spread[planes.margin..][..planes.full], padded, &planes.offsets, sums);
        }
        if let Some(x_gradient) = x_gradient.as_deref_mut() {
            let weight = &weight[channel * taps..][..taps];
            correlate(spread, &back, weight, &mut padded[..planes.padded]);
            for (y, row) in x_gradient[image].chunks_mut(geometry.input[1]).enumerate() {
                row.copy_from_slice(&padded[planes.image_row(geometry, y)..][..geometry.input[1]]);
            }
            padded.fill(0.0);
        }
    }
}

/// `output[i]` = sum over the taps of `weight * input[i + offset]`.
#[macerator::with_simd]
#[allow(clippy::extra_unused_type_parameters, reason = "how the macro is told; the compiler makes the vectors")]
fn correlate<S: Simd>(input: &[f32], offsets: &[usize], weight: &[f32], output: &mut [f32]) {
    for (at, output) in output.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for (offset, weight) in offsets.iter().zip(weight) {
            let input: &[f32; LANES] =
                input[at * LANES + offset..].first_chunk().expect("planes end with a chunk more");
            for (sum, input) in sums.iter_mut().zip(input) {
                *sum += weight * input;
            }
        }
        *output = sums;
    }
}

/// `sums[tap]` += sum over `i` of `above[i] * input[i + offset]`.
#[macerator::with_simd]
#[allow(clippy::extra_unused_type_parameters, reason = "how the macro is told; the compiler makes the vectors")]
fn dot<S: Simd>(above: &[f32], input: &[f32], offsets: &[usize], sums: &mut [f32]) {
    for (offset, total) in offsets.iter().zip(sums) {
        let mut sums = [0.0; LANES];
        for (at, above) in above.as_chunks::<LANES>().0.iter().enumerate() {
            let input: &[f32; LANES] =
                input[at * LANES + offset..].first_chunk().expect("planes end with a chunk more");
            for ((sum, above), input) in sums.iter_mut().zip(above).zip(input) {
                *sum += above * input;
            }
        }
        *total += sums.iter().sum::<f32>();
    }
}

/// Copies a channel into its padded plane, whose padding is zero already.
fn pad(geometry: &Geometry, planes: &Planes, x: &[f32], padded: &mut [f32]) {
    for (y, row) in x.chunks(geometry.input[1]).enumerate() {
        padded[planes.image_row(geometry, y)..][..row.len()].copy_from_slice(row);
    }
}

/// Two planes out of one buffer, both zero.
fn two(scratch: &mut Vec<f32>, first: usize, second: usize) -> (&mut [f32], &mut [f32]) {
    scratch.clear();
    scratch.resize(first + second, 0.0);
    scratch.split_at_mut(first)
}

fn plane([height, width]: [usize; 2]) -> usize {
    height * width
}
