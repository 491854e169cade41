//! Problems of packed and sparse kernels: the plain ones' shapes and some more, in every layout.

use super::window::{connected, convolutions, windows};
use crate::problem::{Form, Geometry, Problem, Variant};
use alloc::vec::Vec;

/// All blocks, none, and some.
const FORMS: [Form; 4] = [
    Form::Dense,
    Form::Sparse { rows: 1, kept: 50 },
    Form::Sparse { rows: 2, kept: 100 },
    Form::Sparse { rows: 2, kept: 30 },
];

const LAYER_FORMS: [Form; 5] = [
    Form::Dense,
    Form::Sparse { rows: 1, kept: 50 },
    Form::Sparse { rows: 2, kept: 30 },
    Form::Sparse { rows: 4, kept: 100 },
    Form::Sparse { rows: 4, kept: 0 },
];

pub(super) fn all(variant: Variant, seed: u64) -> impl Iterator<Item = Problem> {
    let convolutions = shapes().into_iter().filter_map(move |(at, geometry)| {
        // Every shape in one layout, and every layout with shapes of every kind.
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
    convolutions.chain(depthwise).chain(connected)
}

fn shapes() -> Vec<(usize, Geometry)> {
    let mut list = convolutions();
    list.extend([
        Geometry::new([5, 5, 8], 6, [3, 3], 1).padded([1, 1], [1, 1]),
        Geometry::new([6, 7, 12], 8, [3, 3], 2).padded([0, 1], [1, 0]),
        Geometry::new([3, 3, 36], 7, [1, 1], 1),
        Geometry::new([4, 3, 64], 16, [1, 1], 1),
        Geometry::new([7, 9, 3], 8, [3, 3], 2).padded([1, 1], [1, 1]),
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
