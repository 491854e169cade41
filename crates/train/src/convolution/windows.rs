//! Windows unfolded to the columns of a matrix; filters are the rows of the other.

use super::Geometry;
use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};

/// One image: `output` (O, oh, ow) from `x` (C, H, W). `scratch` is kept between images.
pub(super) fn forward(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    for (plane, bias) in output.chunks_mut(geometry.plane()).zip(bias) {
        plane.fill(*bias);
    }
    let columns = unfold(geometry, x, scratch);
    let (filters, taps, plane) = sizes(geometry);
    general_mat_mul(
        1.0,
        &matrix(weight, filters, taps),
        &matrix(columns, taps, plane),
        1.0,
        &mut matrix_mut(output, filters, plane),
    );
}

/// One image: adds to `weight_gradient` unless that is empty, and fills `x_gradient`.
pub(super) fn backward(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    above: &[f32],
    x_gradient: Option<&mut [f32]>,
    weight_gradient: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let (filters, taps, plane) = sizes(geometry);
    let above = matrix(above, filters, plane);
    if !weight_gradient.is_empty() {
        let columns = matrix(unfold(geometry, x, scratch), taps, plane);
        general_mat_mul(1.0, &above, &columns.t(), 1.0, &mut matrix_mut(weight_gradient, filters, taps));
    }
    if let Some(x_gradient) = x_gradient {
        let weight = matrix(weight, filters, taps);
        if is_pointwise(geometry) {
            general_mat_mul(1.0, &weight.t(), &above, 0.0, &mut matrix_mut(x_gradient, taps, plane));
        } else {
            scratch.resize(taps * plane, 0.0);
            general_mat_mul(1.0, &weight.t(), &above, 0.0, &mut matrix_mut(scratch, taps, plane));
            fold(geometry, scratch, x_gradient);
        }
    }
}

/// Filters, weights of each, and positions of the output.
fn sizes(geometry: &Geometry) -> (usize, usize, usize) {
    (geometry.filters, geometry.channels * geometry.kernel[0] * geometry.kernel[1], geometry.plane())
}

/// Whether the image is its own matrix of windows.
fn is_pointwise(geometry: &Geometry) -> bool {
    geometry.kernel == [1, 1] && geometry.stride == [1, 1] && geometry.input == geometry.output
}

/// The matrix of windows: a row per weight of a filter, a column per position of the output.
fn unfold<'a>(geometry: &Geometry, x: &'a [f32], scratch: &'a mut Vec<f32>) -> &'a [f32] {
    if is_pointwise(geometry) {
        return x;
    }
    let (_, taps, plane) = sizes(geometry);
    scratch.resize(taps * plane, 0.0);
    each_row(geometry, |row, source, inside| {
        let row = &mut scratch[row..][..geometry.output[1]];
        row[..inside.start].fill(0.0);
        row[inside.end..].fill(0.0);
        let Some(source) = source else { return row.fill(0.0) };
        let stride = geometry.stride[1];
        if stride == 1 {
            row[inside.clone()].copy_from_slice(&x[source..][..inside.len()]);
        } else {
            row[inside].iter_mut().zip(x[source..].iter().step_by(stride)).for_each(|(to, from)| *to = *from);
        }
    });
    scratch
}

/// The transpose of [`unfold`]: every element of an image gets the sum of the windows that it is in.
fn fold(geometry: &Geometry, columns: &[f32], x: &mut [f32]) {
    x.fill(0.0);
    each_row(geometry, |row, target, inside| {
        let Some(target) = target else { return };
        let row = &columns[row..][inside];
        let stride = geometry.stride[1];
        if stride == 1 {
            x[target..][..row.len()].iter_mut().zip(row).for_each(|(to, from)| *to += from);
        } else {
            x[target..].iter_mut().step_by(stride).zip(row).for_each(|(to, from)| *to += from);
        }
    });
}

/// Calls `act` for each row of windows: where it starts in the matrix, the image's first element it reads (none where
/// the row lies in the padding), and the columns of the output that do not read padding.
fn each_row(geometry: &Geometry, mut act: impl FnMut(usize, Option<usize>, std::ops::Range<usize>)) {
    let ([height, width], [rows, columns]) = (geometry.input, geometry.output);
    let mut start = 0;
    for channel in 0..geometry.channels {
        for ky in 0..geometry.kernel[0] {
            for kx in 0..geometry.kernel[1] {
                let shift = kx * geometry.dilation[1];
                // Of the columns ox: 0 <= ox * stride + shift - padding < width.
                let first = geometry.padding[1].saturating_sub(shift).div_ceil(geometry.stride[1]).min(columns);
                let end = (width + geometry.padding[1]).saturating_sub(shift).div_ceil(geometry.stride[1]);
                let inside = first..end.clamp(first, columns);
                for oy in 0..rows {
                    let y = (oy * geometry.stride[0] + ky * geometry.dilation[0]).checked_sub(geometry.padding[0]);
                    let source = y.filter(|y| *y < height && !inside.is_empty()).map(|y| {
                        (channel * height + y) * width + first * geometry.stride[1] + shift - geometry.padding[1]
                    });
                    act(start, source, inside.clone());
                    start += columns;
                }
            }
        }
    }
}

fn matrix(elements: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), elements).expect("as many elements as the shape has")
}

fn matrix_mut(elements: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), elements).expect("as many elements as the shape has")
}
