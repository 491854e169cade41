//! What a kernel's loops run over, as numbers that its cost is a sum of.

use super::{Job, vectors, wide};
use niwaki_blob::OpKind;
use std::ops::Range;

/// Sizes of a kernel's tiles, which are not known and found by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Pixels.
    pub(crate) pixels: usize,
    /// Whether a tile of pixels ends with its row.
    pub(crate) by_row: bool,
    /// Outputs, or channels.
    pub(crate) outputs: usize,
    /// Terms; of depthwise convolutions rows of pixels.
    pub(crate) terms: usize,
}

/// Where a search starts: without tiles, and with those of small and of large register files.
pub(crate) const STARTS: [Tile; 3] = [
    Tile { pixels: 1, by_row: false, outputs: 1, terms: 1 },
    Tile { pixels: 4, by_row: false, outputs: 2, terms: 4 },
    Tile { pixels: 8, by_row: false, outputs: 8, terms: 16 },
];

/// Changes one size of a tile.
type Change = fn(Tile) -> Tile;

/// What a search tries, size by size.
pub(crate) fn directions() -> Vec<Vec<Change>> {
    vec![
        vec![
            |t| Tile { pixels: 1, by_row: false, ..t },
            |t| Tile { pixels: 2, by_row: false, ..t },
            |t| Tile { pixels: 4, by_row: false, ..t },
            |t| Tile { pixels: 8, by_row: false, ..t },
            |t| Tile { pixels: 3, by_row: false, ..t },
            |t| Tile { pixels: 6, by_row: false, ..t },
            |t| Tile { pixels: 2, by_row: true, ..t },
            |t| Tile { pixels: 3, by_row: true, ..t },
            |t| Tile { pixels: 6, by_row: true, ..t },
            |t| Tile { pixels: 4, by_row: true, ..t },
            |t| Tile { pixels: 8, by_row: true, ..t },
        ],
        vec![
            |t| Tile { outputs: 1, ..t },
            |t| Tile { outputs: 2, ..t },
            |t| Tile { outputs: 4, ..t },
            |t| Tile { outputs: 8, ..t },
            |t| Tile { outputs: 16, ..t },
        ],
        vec![
            |t| Tile { terms: 1, ..t },
            |t| Tile { terms: 2, ..t },
            |t| Tile { terms: 4, ..t },
            |t| Tile { terms: 8, ..t },
            |t| Tile { terms: 16, ..t },
        ],
    ]
}

/// The numbers of a job, none negative. The first is 1.
pub(crate) type Features = fn(&Job, Tile) -> Vec<f64>;

/// Those that tell what a core's kernels take.
pub(crate) fn of(core: &str) -> Features {
    match core {
        "cortex-m55" => |job, tile| vectors::features(job).map_or_else(|| features(job, tile), numbers),
        "cortex-a53" | "cortex-a72" => {
            |job, tile| wide::features(job, false).map_or_else(|| features(job, tile), numbers)
        }
        "cortex-a76" => |job, tile| wide::features(job, true).map_or_else(|| features(job, tile), numbers),
        _ => features,
    }
}

fn numbers(list: Vec<usize>) -> Vec<f64> {
    list.into_iter().map(|value| value as f64).collect()
}

fn features(job: &Job, tile: Tile) -> Vec<f64> {
    let list = match job.kind {
        OpKind::Conv2d | OpKind::PackedConv2d | OpKind::SparseConv2d | OpKind::BlockConv2d | OpKind::CompactConv2d => {
            convolution(job, tile)
        }
        OpKind::DepthwiseConv2d | OpKind::PackedDepthwiseConv2d => depthwise(job, tile),
        OpKind::FullyConnected
        | OpKind::PackedFullyConnected
        | OpKind::SparseFullyConnected
        | OpKind::InterleavedFullyConnected
        | OpKind::SparseInterleavedFullyConnected
        | OpKind::WinogradFullyConnected
        | OpKind::BlockFullyConnected
        | OpKind::CompactFullyConnected => connected(job, tile),
        OpKind::AvgPool | OpKind::MaxPool => pool(job, tile),
        OpKind::Add | OpKind::Mul | OpKind::Lut | OpKind::Constant => element(job, tile),
        OpKind::MatMul => product(job),
        OpKind::Softmax | OpKind::LayerNorm => vec![1, job.output[0] * job.output[1], job.output.iter().product()],
        OpKind::Concat | OpKind::Pad | OpKind::Transpose | OpKind::Embedding => copy(job),
    };
    numbers(list)
}

/// Tiles of pixels.
fn tiles(job: &Job, tile: Tile) -> usize {
    let [height, width, _] = job.output;
    if tile.by_row { height * width.div_ceil(tile.pixels) } else { (height * width).div_ceil(tile.pixels) }
}

fn ones(number: usize) -> usize {
    number.count_ones() as usize
}

/// Along an axis the outputs whose windows lie inside the input.
pub(super) fn inside(job: &Job, axis: usize) -> Range<usize> {
    let (kernel, stride, dilation, before) =
        (job.window[axis], job.window[2 + axis], job.window[4 + axis], job.window[6 + axis]);
    let extent = dilation * (kernel - 1) + 1;
    let first = before.div_ceil(stride).min(job.output[axis]);
    let behind = (job.input[axis] + before).checked_sub(extent).map_or(0, |last| last / stride + 1);
    first..behind.clamp(first, job.output[axis])
}

/// Output pixels whose windows reach into the padding.
fn border(job: &Job) -> usize {
    job.output[0] * job.output[1] - inside(job, 0).len() * inside(job, 1).len()
}

/// Tiles with such a pixel, or with pixels of two rows.
fn edge_tiles(job: &Job, tile: Tile) -> usize {
    let [height, width, _] = job.output;
    let (rows, columns) = (inside(job, 0), inside(job, 1));
    if tile.by_row {
        // Whole tiles between the first column and the last that lie inside.
        let whole = (columns.end / tile.pixels).saturating_sub(columns.start.div_ceil(tile.pixels));
        return tiles(job, tile) - rows.len() * whole;
    }
    let edge = |first: &usize| {
        let last = (first + tile.pixels).min(height * width) - 1;
        let row = first / width;
        row != last / width || !rows.contains(&row) || first % width < columns.start || last % width >= columns.end
    };
    (0..height * width).step_by(tile.pixels).filter(edge).count()
}

fn convolution(job: &Job, tile: Tile) -> Vec<usize> {
    let [height, width, outputs] = job.output;
    let (pixels, tiles, terms) = (height * width, tiles(job, tile), job.terms());
    let groups = outputs.div_ceil(tile.outputs);
    let inner = job.blocks.unwrap_or(groups * terms.div_ceil(tile.terms));
    let rest = if tile.by_row { height * (width % tile.pixels) } else { pixels % tile.pixels };
    // A rest is done by halves of tiles, and halves of those.
    let pieces = if tile.by_row { height * ones(width % tile.pixels) } else { ones(pixels % tile.pixels) };
    let (border, edge) = (border(job), edge_tiles(job, tile));
    vec![
        1,
        height,
        pixels,
        pixels * outputs,
        pixels * terms,
        pixels * job.window[0],
        pixels * job.window[0] * (job.window[1] * job.input[2]).div_ceil(16),
        tiles,
        tiles * groups,
        tiles * inner,
        rest * groups,
        rest * inner,
        pieces * groups,
        pieces * inner,
        pixels * groups * (terms % tile.terms),
        pixels * (outputs % tile.outputs),
        pixels * usize::from(outputs % tile.outputs > 0),
        border,
        border * terms,
        edge,
        edge * terms,
        outputs,
        outputs * terms,
    ]
}

fn depthwise(job: &Job, tile: Tile) -> Vec<usize> {
    let [height, width, channels] = job.output;
    let taps = job.window[0] * job.window[1];
    let (down, across) = (height.div_ceil(tile.terms), width.div_ceil(tile.pixels));
    let groups = channels.div_ceil(tile.outputs);
    let line = job.input[1] * channels;
    let border = border(job);
    vec![
        1,
        height,
        groups,
        channels,
        down * groups,
        down * across,
        down * across * groups,
        down * across * groups * taps,
        height * width,
        height * width * channels,
        height * width * channels * taps,
        down * line,
        height * line,
        border * channels,
        border * groups * taps,
        (channels % tile.outputs) * height * width,
        usize::from(channels % tile.outputs > 0) * height * width,
        (channels / tile.outputs) * height * width * taps,
        ones(width % tile.pixels) * height * groups,
        height * (width * channels).div_ceil(16),
        height * (width * channels).div_ceil(16) * taps,
    ]
}

fn connected(job: &Job, tile: Tile) -> Vec<usize> {
    let (outputs, terms) = (job.output[2], job.terms());
    let groups = outputs.div_ceil(tile.outputs);
    let steps = terms.div_ceil(tile.terms);
    let odd = usize::from(!terms.is_multiple_of(4));
    vec![
        1,
        groups,
        outputs,
        job.blocks.unwrap_or(groups * steps),
        job.fours,
        outputs * steps,
        outputs % tile.outputs,
        // Rows that fill no group take a call of their own.
        usize::from(!outputs.is_multiple_of(tile.outputs)),
        usize::from(outputs >= tile.outputs),
        (outputs % tile.outputs) * steps,
        outputs * (terms % tile.terms),
        terms,
        odd,
        odd * terms,
    ]
}

fn pool(job: &Job, tile: Tile) -> Vec<usize> {
    let [height, width, channels] = job.output;
    let (pixels, taps) = (height * width, job.window[0] * job.window[1]);
    let (groups, rest) = (channels / tile.outputs, channels % tile.outputs);
    vec![
        1,
        height,
        pixels,
        pixels * groups,
        pixels * channels,
        pixels * job.window[0],
        pixels * groups * job.window[0],
        pixels * taps,
        pixels * groups * taps,
        pixels * channels * taps,
        pixels * rest,
        pixels * rest * taps,
        border(job) * channels,
    ]
}

fn product(job: &Job) -> Vec<usize> {
    let ([matrices, rows, columns], terms) = (job.output, job.input[2]);
    let outputs = matrices * rows * columns;
    vec![1, matrices, matrices * rows, outputs, outputs * terms]
}

fn element(job: &Job, tile: Tile) -> Vec<usize> {
    let elements: usize = job.output.iter().product();
    let block = tile.pixels * tile.outputs;
    vec![1, elements, elements / block, elements % block]
}

fn copy(job: &Job) -> Vec<usize> {
    let pixels = job.input[0] * job.input[1];
    vec![1, job.input[0], pixels, job.input.iter().product(), job.output[0], job.output.iter().product()]
}
