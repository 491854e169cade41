//! Convolution: each window's elements as one vector, times the filters.

use super::copy::{copy, copy_rows, fill};
use super::rows::Rows;
use crate::isa::single_pixels;
use crate::scalar::{self, axis::Axis};
use niwaki_blob::Conv2d;

/// See [`crate::scalar::conv2d`]. Groups take the scalar way.
pub(crate) fn conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let channels = op.input.channels;
    let terms = op.window.kernel[0] * op.window.kernel[1] * channels;
    let direct = single_pixels(op);
    let Some(patch) = scratch.get_mut(..if direct { 0 } else { terms }).filter(|_| op.groups == 1) else {
        return scalar::conv2d(op, input, output);
    };
    let rows = Rows::new(terms, op.weights, op.bias, &op.requantise);
    each_window(op, input, output, patch, direct, |window, pixel| rows.times(window, pixel));
}

/// Calls `run` with the elements of every window and its pixel: the input from a pixel on, where windows are single
/// pixels that can be read where they lie, or `patch`, which starts with them.
#[inline(always)]
pub(super) fn each_window(
    op: &Conv2d<'_>,
    input: &[i8],
    output: &mut [i8],
    patch: &mut [i8],
    direct: bool,
    run: impl Fn(&[i8], &mut [i8]),
) {
    let channels = op.input.channels;
    let terms = op.window.kernel[0] * op.window.kernel[1] * channels;
    let gather = Gather { rows: Axis::rows(&op.window, op.input), columns: Axis::columns(&op.window, op.input), op };
    let width = op.output.width.max(1);
    let pitch = op.input.width * channels;
    // Outputs whose windows have no tap in the padding.
    let adjacent = op.window.dilation[1] == 1;
    let rows_inside = gather.rows.all_inside(if adjacent { op.output.height } else { 0 });
    let columns_inside = gather.columns.all_inside(width);
    for (y, line) in output.chunks_exact_mut((width * op.output.channels).max(1)).enumerate() {
        let top = (y * op.window.stride[0]).wrapping_sub(op.window.padding[0]).wrapping_mul(pitch);
        for (x, pixel) in line.chunks_exact_mut(op.output.channels.max(1)).enumerate() {
            let left = (x * op.window.stride[1]).wrapping_sub(op.window.padding[1]);
            let at = top.wrapping_add(left.wrapping_mul(channels));
            if direct {
                run(input.get(at..).unwrap_or_default(), pixel);
                continue;
            }
            let Some(window) = patch.get_mut(..terms) else { return };
            if rows_inside.contains(&y) && columns_inside.contains(&x) {
                let step = op.window.dilation[0] * pitch;
                copy_rows(window, input.get(at..).unwrap_or_default(), op.window.kernel[1] * channels, step);
            } else {
                gather.window([y, x], input, window);
            }
            run(patch, pixel);
        }
    }
}

/// Copies windows at the border out of an input.
struct Gather<'a> {
    rows: Axis,
    columns: Axis,
    op: &'a Conv2d<'a>,
}

impl Gather<'_> {
    /// The elements under a window, in the order of the weights; the zero point where they are outside.
    fn window(&self, [y, x]: [usize; 2], input: &[i8], patch: &mut [i8]) {
        let (channels, kernel) = (self.op.input.channels, self.op.window.kernel);
        let pitch = self.op.input.width * channels;
        let inside = self.columns.inside(x);
        for (tap, line) in patch.chunks_exact_mut((kernel[1] * channels).max(1)).enumerate() {
            let row = self.rows.position(y, tap).and_then(|row| input.get(row * pitch..(row + 1) * pitch));
            match (row, inside) {
                (None, _) => fill(line, self.op.input_zero_point),
                (Some(row), Some(column)) => copy(line, row.get(column * channels..).unwrap_or_default()),
                (Some(row), None) => {
                    for (tap, pixel) in line.chunks_exact_mut(channels.max(1)).enumerate() {
                        let column = self.columns.position(x, tap);
                        match column.and_then(|column| row.get(column * channels..(column + 1) * channels)) {
                            Some(elements) => copy(pixel, elements),
                            None => fill(pixel, self.op.input_zero_point),
                        }
                    }
                }
            }
        }
    }
}
