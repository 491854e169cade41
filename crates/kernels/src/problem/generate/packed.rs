//! Problems of packed and sparse kernels: the plain ones' shapes and some more, in every layout.

use super::window::{connected, convolutions, windows};
use crate::problem::{Form, Geometry, Problem, Variant};
use alloc::{boxed::Box, vec::Vec};

/// All blocks, none, and some.
const FORMS: [Form; 4] = [
    Form::Dense,
    Form::Sparse { rows: 1, kept: 50 },
    Form::Sparse { rows: 2, kept: 100 },
    Form::Sparse { rows: 2, kept: 30 },
];

const LAYER_FORMS: [Form; 8] = [
    Form::Dense,
    Form::Sparse { rows: 1, kept: 50 },
    Form::Sparse { rows: 1, kept: 100 },
    Form::Sparse { rows: 2, kept: 0 },
    Form::Sparse { rows: 2, kept: 30 },
    Form::Sparse { rows: 2, kept: 100 },
    Form::Sparse { rows: 4, kept: 100 },
    Form::Sparse { rows: 4, kept: 0 },
];

pub(super) fn all(variant: Variant, seed: u64) -> impl Iterator<Item = Problem> {
    let convolutions = shapes().into_iter().filter_map(move |(at, geometry)| {
        // Every shape in one layout, which differs from variant to variant.
        let form = FORMS[(at + seed as usize) % FORMS.len()];
        Problem::conv2d(geometry, variant, seed)?.packed(form, seed)
    });
    let depthwise = windows()
        .into_iter()
        .chain(depthwise_windows())
        .filter_map(move |geometry| Problem::depthwise_conv2d(geometry, variant, seed)?.packed(Form::Dense, seed));
    let connected = connected().into_iter().flat_map(move |(inputs, outputs)| {
        let plain = Problem::fully_connected(inputs, outputs, variant, seed);
        LAYER_FORMS.into_iter().filter_map(move |form| plain.clone().packed(form, seed))
    });
    let words = connected_words().into_iter().flat_map(move |(inputs, outputs)| {
        let plain = Problem::fully_connected(inputs, outputs, variant, seed);
        let forms = INTERLEAVED.map(|kept| Form::Interleaved { kept }).into_iter().chain([Form::Winograd]);
        forms.filter_map(move |form| plain.clone().packed(form, seed))
    });
    let compact = shapes().into_iter().filter_map(move |(at, geometry)| {
        let kept = COMPACT[(at + seed as usize) % COMPACT.len()];
        Problem::conv2d(geometry, variant, seed)?.packed(Form::Compact { kept }, seed)
    });
    let compact_layers = super::window::connected().into_iter().flat_map(move |(inputs, outputs)| {
        let plain = Problem::fully_connected(inputs, outputs, variant, seed);
        COMPACT.into_iter().filter_map(move |kept| plain.clone().packed(Form::Compact { kept }, seed))
    });
    // Each on the heap: iterators that hold problems are much for the stack of a small core.
    let parts: [Box<dyn Iterator<Item = Problem>>; 6] = [
        Box::new(convolutions),
        Box::new(depthwise),
        Box::new(connected),
        Box::new(words),
        Box::new(compact),
        Box::new(compact_layers),
    ];
    parts.into_iter().flatten()
}

/// Some weights, all and none.
const COMPACT: [u8; 3] = [40, 100, 0];

/// Dense; and sparse with some blocks, all and none.
const INTERLEAVED: [Option<u8>; 4] = [None, Some(40), Some(100), Some(0)];

/// Also as many terms as are added up at a time, and more.
fn connected_words() -> impl IntoIterator<Item = (usize, usize)> {
    connected().into_iter().chain([(24, 36), (508, 5), (509, 4), (512, 9), (513, 8), (1100, 8)])
}

/// Every size of block and of unit; all blocks, none, and some.
const BLOCKS: [Form; 7] = [
    blocks(4, 2, Some(30)),
    blocks(1, 2, Some(50)),
    blocks(2, 2, Some(40)),
    blocks(4, 2, None),
    blocks(4, 4, Some(40)),
    blocks(2, 4, Some(30)),
    blocks(1, 4, Some(60)),
];

/// What few problems are enough for.
const RARE_BLOCKS: [Form; 6] = [
    blocks(4, 2, Some(0)),
    blocks(1, 2, Some(100)),
    blocks(2, 2, None),
    blocks(1, 2, None),
    blocks(4, 4, None),
    blocks(1, 4, Some(0)),
];

const fn blocks(rows: usize, unit: usize, kept: Option<u8>) -> Form {
    Form::Blocks { rows, unit, kept }
}

pub(super) fn in_blocks(variant: Variant, seed: u64) -> impl Iterator<Item = Problem> {
    let convolutions = shapes().into_iter().chain(block_shapes()).flat_map(move |(at, geometry)| {
        // Every shape in some layouts, which differ from variant to variant.
        let turn = at + seed as usize;
        let forms = [BLOCKS[turn % BLOCKS.len()], RARE_BLOCKS[turn % RARE_BLOCKS.len()]];
        let count = if turn.is_multiple_of(4) { 2 } else { 1 };
        let problem = Problem::conv2d(geometry, variant, seed);
        forms.into_iter().take(count).filter_map(move |form| problem.clone()?.packed(form, seed))
    });
    let connected = connected().into_iter().chain([(24, 36), (130, 21), (640, 20)]);
    let connected = connected.flat_map(move |(inputs, outputs)| {
        let plain = Problem::fully_connected(inputs, outputs, variant, seed);
        BLOCKS.into_iter().chain(RARE_BLOCKS).filter_map(move |form| plain.clone().packed(form, seed))
    });
    convolutions.chain(connected)
}

/// Geometries around the tiles of block kernels: rows of pixels of every length, strides, dilation, padding.
fn block_shapes() -> Vec<(usize, Geometry)> {
    let mut list = Vec::new();
    for width in 1..=17 {
        list.push(Geometry::new([2, width, 8], 8, [1, 1], 1));
        list.push(Geometry::new([3, width, 4], 7, [3, 3], 1).padded([1, 1], [1, 1]));
        list.push(Geometry::new([3, width, 12], 4, [3, 3], 2).padded([0, 0], [1, 2]));
    }
    list.extend([
        Geometry::new([5, 9, 8], 8, [1, 1], 2),
        Geometry { stride: [1, 3], ..Geometry::new([4, 20, 4], 5, [2, 5], 1) }.padded([1, 2], [0, 3]),
        Geometry { dilation: [2, 3], ..Geometry::new([7, 19, 4], 8, [3, 3], 1) }.padded([2, 3], [2, 3]),
        Geometry { dilation: [1, 2], ..Geometry::new([4, 15, 8], 4, [2, 3], 2) }.padded([0, 3], [1, 2]),
        Geometry { dilation: [1, 2], ..Geometry::new([4, 15, 3], 9, [2, 3], 2) }.padded([0, 3], [1, 2]),
        Geometry::new([9, 9, 20], 12, [3, 3], 1).padded([1, 1], [1, 1]),
        Geometry::new([40, 21, 16], 8, [1, 1], 1),
        // Pixels that are no whole quads, but what the taps of a row read is.
        Geometry::new([11, 7, 1], 9, [5, 4], 2).padded([2, 1], [2, 2]),
        Geometry { dilation: [2, 1], ..Geometry::new([9, 23, 2], 8, [3, 6], 1) }.padded([1, 3], [2, 1]),
        Geometry { stride: [2, 3], ..Geometry::new([6, 14, 3], 4, [2, 4], 1) },
    ]);
    list.into_iter().enumerate().collect()
}

fn shapes() -> Vec<(usize, Geometry)> {
    let mut list = convolutions();
    list.extend([
        Geometry::new([5, 5, 8], 6, [3, 3], 1).padded([1, 1], [1, 1]),
        Geometry::new([6, 7, 12], 8, [3, 3], 2).padded([0, 1], [1, 0]),
        Geometry::new([3, 3, 36], 7, [1, 1], 1),
        Geometry::new([4, 3, 64], 16, [1, 1], 1),
        Geometry::new([7, 9, 3], 8, [3, 3], 2).padded([1, 1], [1, 1]),
        // Four neighbours whose windows lie inside, with runs of one word and of several, whole and not.
        Geometry::new([5, 9, 3], 4, [3, 3], 1),
        Geometry::new([4, 8, 3], 5, [3, 3], 1).padded([1, 1], [1, 1]),
        Geometry::new([4, 10, 4], 6, [3, 3], 1).padded([0, 1], [1, 1]),
        Geometry::new([3, 13, 2], 3, [2, 2], 2),
        Geometry::new([3, 9, 5], 4, [3, 2], 1),
        Geometry::new([6, 12, 1], 4, [3, 3], 1),
        Geometry::new([4, 13, 6], 4, [2, 3], 2),
        Geometry::new([3, 9, 8], 4, [1, 1], 2),
        // More quads than a round has, and not a multiple.
        Geometry::new([3, 3, 40], 6, [3, 3], 1).padded([1, 1], [1, 1]),
    ]);
    list.into_iter().enumerate().collect()
}

/// Widths and heights around pairs of rows and columns.
fn depthwise_windows() -> Vec<Geometry> {
    let sizes = [(1, 5), (2, 3), (3, 1), (4, 4), (6, 2), (7, 9)];
    let strides = [[1, 1], [2, 2], [1, 2], [2, 1], [3, 3]];
    let geometry = |(height, width), stride, channels| Geometry {
        stride,
        ..Geometry::new([height, width, channels], channels, [3, 3], 1).padded([1, 1], [1, 1])
    };
    let all = sizes.into_iter().flat_map(|size| strides.map(|stride| (size, stride)));
    all.flat_map(|(size, stride)| [4, 6].map(|channels| geometry(size, stride, channels))).collect()
}
