//! Windows as products of long rows.
//!
//! The images of a task lie one behind the other in one row per channel, each padded once between neighbours: what a
//! window reads beyond a line is the padding before the next. So the output at position `i` of a row is the sum of
//! `weight * row[i + offset]` over channels and taps, whatever the size of images, and nothing is unfolded. With strides
//! a row is split by phase (lines and columns modulo the stride), in each of which windows move by one.
//! Positions between lines are computed as well and left out.

use super::Geometry;
use super::products::{LANES, correlate, dots};

/// Where things lie in rows.
struct Layout {
    /// Columns and lines of one phase of an image, padding included.
    pitch: usize,
    lines: usize,
    /// Positions from the first output to behind the last of all images.
    positions: usize,
    /// Elements of a row: positions, and what windows reach beyond.
    row: usize,
    /// The largest offset of a tap.
    margin: usize,
    /// For each tap its phase, counted among those in use, and its offset in the row.
    taps: Vec<(usize, usize)>,
    /// Phases that taps are in: of lines and columns.
    phases: Vec<[usize; 2]>,
}

impl Layout {
    fn new(geometry: &Geometry, images: usize) -> Self {
        // The least pitch with which what a window reads behind an image is the padding before the next.
        let size = |axis: usize| {
            let Geometry { stride, padding, dilation, .. } = geometry;
            let last = (geometry.output[axis] - 1) * stride[axis] + dilation[axis] * (geometry.kernel[axis] - 1);
            let least = (last + 1).saturating_sub(padding[axis]).max(padding[axis] + geometry.input[axis]);
            least.div_ceil(stride[axis])
        };
        let (lines, pitch) = (size(0), size(1));
        let mut phases = Vec::new();
        let mut taps = Vec::new();
        for y in (0..geometry.kernel[0]).map(|y| y * geometry.dilation[0]) {
            for x in (0..geometry.kernel[1]).map(|x| x * geometry.dilation[1]) {
                let phase = [y % geometry.stride[0], x % geometry.stride[1]];
                let known = phases.iter().position(|known| *known == phase);
                let index = known.unwrap_or_else(|| {
                    phases.push(phase);
                    phases.len() - 1
                });
                taps.push((index, y / geometry.stride[0] * pitch + x / geometry.stride[1]));
            }
        }
        let margin = taps.iter().map(|tap| tap.1).max().unwrap_or(0);
        let positions = (images - 1) * lines * pitch + (geometry.output[0] - 1) * pitch + geometry.output[1];
        let row = ((images * lines * pitch).max(positions) + margin + LANES).next_multiple_of(LANES);
        Self { pitch, lines, positions, row, margin, taps, phases }
    }

    /// The positions of an image's outputs, line by line.
    fn line(&self, image: usize, y: usize) -> usize {
        (image * self.lines + y) * self.pitch
    }

    /// For each line of an image: the image's line, and where its elements of a phase go: their first column in the
    /// image, and the place in the row.
    fn image_lines(&self, geometry: &Geometry, image: usize, phase: [usize; 2]) -> impl Iterator<Item = [usize; 3]> {
        let Geometry { stride, padding, input, .. } = *geometry;
        let first = |axis: usize| (phase[axis] + stride[axis] - padding[axis] % stride[axis]) % stride[axis];
        let column = first(1);
        (first(0)..input[0]).step_by(stride[0]).map(move |y| {
            [y, column, self.line(image, (y + padding[0]) / stride[0]) + (column + padding[1]) / stride[1]]
        })
    }
}

/// `output` (N, O, oh, ow) from `x` (N, C, H, W), the images of a task. `scratch` is kept between tasks.
pub(super) fn forward(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let images = x.len() / geometry.input_len();
    let layout = Layout::new(geometry, images);
    let rows = geometry.channels * layout.phases.len() * layout.row;
    let [source, sums] = split(scratch, [rows, geometry.filters * layout.positions]);
    lay_out(geometry, &layout, x, source);
    let offsets = offsets(geometry, &layout);
    correlate(source, &offsets, weight, geometry.filters, sums);
    for (image, output) in output.chunks_mut(geometry.output_len()).enumerate() {
        for ((output, sums), bias) in output.chunks_mut(geometry.plane()).zip(sums.chunks(layout.positions)).zip(bias) {
            for (y, line) in output.chunks_mut(geometry.output[1]).enumerate() {
                let sums = &sums[layout.line(image, y)..];
                line.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum + bias);
            }
        }
    }
}

/// Adds to `weight_gradient` unless that is empty, and fills `x_gradient`, for the images of a task.
pub(super) fn backward(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    above: &[f32],
    x_gradient: Option<&mut [f32]>,
    weight_gradient: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let images = x.len() / geometry.input_len();
    let layout = Layout::new(geometry, images);
    let (phases, taps) = (layout.phases.len(), layout.taps.len());
    // What is above, in rows like those of outputs, with zeros between lines, before and behind.
    let margin = layout.margin.next_multiple_of(LANES);
    let above_row = margin + layout.row;
    let plane = images * layout.lines * layout.pitch;
    let sizes = [geometry.filters * above_row, geometry.channels * phases * layout.row, geometry.channels * plane];
    let [spread, source, sums] = split(scratch, sizes);
    spread.fill(0.0);
    for (image, above) in above.chunks(geometry.output_len()).enumerate() {
        for (spread, above) in spread.chunks_mut(above_row).zip(above.chunks(geometry.plane())) {
            for (y, line) in above.chunks(geometry.output[1]).enumerate() {
                spread[margin + layout.line(image, y)..][..line.len()].copy_from_slice(line);
            }
        }
    }
    if !weight_gradient.is_empty() {
        lay_out(geometry, &layout, x, source);
        let rows: Vec<usize> = (0..geometry.filters).map(|filter| filter * above_row + margin).collect();
        dots(spread, &rows, source, &offsets(geometry, &layout), layout.positions, weight_gradient);
    }
    let Some(x_gradient) = x_gradient else { return };
    if layout.phases.len() < geometry.stride[0] * geometry.stride[1] {
        x_gradient.fill(0.0);
    }
    for (phase, place) in layout.phases.iter().enumerate() {
        let own: Vec<usize> = (0..taps).filter(|tap| layout.taps[*tap].0 == phase).collect();
        let offsets: Vec<usize> = (0..geometry.filters)
            .flat_map(|filter| own.iter().map(move |tap| (filter, tap)))
            .map(|(filter, tap)| filter * above_row + margin - layout.taps[*tap].1)
            .collect();
        // From (O, C, taps) to (C, O, the phase's taps).
        let turned: Vec<f32> = (0..geometry.channels)
            .flat_map(|channel| (0..geometry.filters).map(move |filter| (filter * geometry.channels + channel) * taps))
            .flat_map(|start| own.iter().map(move |tap| weight[start + tap]))
            .collect();
        correlate(spread, &offsets, &turned, geometry.channels, sums);
        for (image, x) in x_gradient.chunks_mut(geometry.input_len()).enumerate() {
            for (x, sums) in x.chunks_mut(geometry.input[0] * geometry.input[1]).zip(sums.chunks(plane)) {
                for [y, column, at] in layout.image_lines(geometry, image, *place) {
                    let line = &mut x[y * geometry.input[1]..][..geometry.input[1]];
                    let line = line.iter_mut().skip(column).step_by(geometry.stride[1]);
                    line.zip(&sums[at..]).for_each(|(to, sum)| *to = *sum);
                }
            }
        }
    }
}

/// Copies images (N, C, H, W) into rows (C, phases, row), padded with zeros.
fn lay_out(geometry: &Geometry, layout: &Layout, x: &[f32], source: &mut [f32]) {
    source.fill(0.0);
    let size = geometry.input[0] * geometry.input[1];
    for (image, x) in x.chunks(geometry.input_len()).enumerate() {
        for (x, rows) in x.chunks(size).zip(source.chunks_mut(layout.phases.len() * layout.row)) {
            for (phase, row) in layout.phases.iter().zip(rows.chunks_mut(layout.row)) {
                for [y, column, at] in layout.image_lines(geometry, image, *phase) {
                    let line = &x[y * geometry.input[1]..][..geometry.input[1]];
                    if geometry.stride[1] == 1 {
                        row[at..][..line.len()].copy_from_slice(line);
                    } else {
                        let line = line.iter().skip(column).step_by(geometry.stride[1]);
                        row[at..].iter_mut().zip(line).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
    }
}

/// Where the rows of all channels and taps begin, in the order of weights.
fn offsets(geometry: &Geometry, layout: &Layout) -> Vec<usize> {
    let start = |channel: usize, phase: usize| (channel * layout.phases.len() + phase) * layout.row;
    let each = |channel: usize| layout.taps.iter().map(move |(phase, offset)| start(channel, *phase) + offset);
    (0..geometry.channels).flat_map(each).collect()
}

/// Slices of these lengths out of one buffer, each from a cache line on.
fn split<const N: usize>(scratch: &mut Vec<f32>, lengths: [usize; N]) -> [&mut [f32]; N] {
    let all: usize = lengths.iter().map(|length| length.next_multiple_of(LANES)).sum();
    if scratch.len() < all + LANES {
        scratch.resize(all + LANES, 0.0);
    }
    let first = scratch.as_ptr().align_offset(LANES * size_of::<f32>()).min(LANES);
    let mut rest = &mut scratch[first..];
    lengths.map(|length| {
        let part = rest.split_off_mut(..length.next_multiple_of(LANES)).expect("as long as all together");
        &mut part[..length]
    })
}
