//! Convolution with packed weights, dense and sparse.

use super::{
    axis::Axis,
    packed::{Blocks, MAX_ROWS, add_block, finish},
};
use niwaki_blob::{CONV_STEP, PackedConv2d, Shape};

/// As [`super::conv2d`], with dense packed weights.
pub fn packed_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8]) {
    each_pixel(op, input, output, Blocks::dense);
}

/// As [`super::conv2d`], with streams of the blocks that are not zero.
pub fn sparse_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8]) {
    each_pixel(op, input, output, |packed, _| Blocks::sparse(packed, CONV_STEP));
}

#[inline(always)]
fn each_pixel<'a>(
    op: &PackedConv2d<'a>,
    input: &[i8],
    output: &mut [i8],
    blocks: impl Fn(&niwaki_blob::PackedWeights<'a>, usize) -> Blocks<'a>,
) {
    let channels = op.output.channels.max(1);
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    let (shape, kernel, zero_point) = (op.input, op.window.kernel, op.input_zero_point);
    let patch = Patch { rows, columns, input, shape, kernel, zero_point };
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let mut blocks = blocks(&op.packed, op.quads());
            for (group, out) in pixel.chunks_mut(op.packed.rows.max(1)).enumerate() {
                let mut sums = [0; MAX_ROWS];
                blocks.group(|quad, block| {
                    let terms = core::array::from_fn(|k| patch.term([y, x], quad * 4 + k));
                    add_block(&mut sums, op.packed.rows, block, terms);
                });
                finish(&op.packed, group, sums, out);
            }
        }
    }
}

/// The input as the windows see it.
pub(super) struct Patch<'a> {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    pub(super) input: &'a [i8],
    pub(super) shape: Shape,
    pub(super) kernel: [usize; 2],
    /// What padding reads.
    pub(super) zero_point: i8,
}

impl Patch<'_> {
    /// What a term of one output multiplies; 0 where the terms are filled up, for their weights are 0.
    #[inline(always)]
    pub(super) fn term(&self, [y, x]: [usize; 2], term: usize) -> i8 {
        let (channels, width) = (self.shape.channels.max(1), self.kernel[1].max(1));
        let (tap, channel) = (term / channels, term % channels);
        if tap / width >= self.kernel[0] {
            return 0;
        }
        let place = self.rows.position(y, tap / width).zip(self.columns.position(x, tap % width));
        let at = place.map(|(row, column)| (row * self.shape.width + column) * channels + channel);
        at.and_then(|at| self.input.get(at)).copied().unwrap_or(self.zero_point)
    }
}
