//! Problems of kernels with a window or a weight matrix.

use crate::problem::{Geometry, Level, Problem, Random, Variant};
use alloc::{format, vec, vec::Vec};
use niwaki_blob::{OpKind, Shape};

pub(super) fn all(variant: Variant, seed: u64) -> impl Iterator<Item = Problem> {
    let convolutions = convolutions().into_iter().filter_map(move |g| Problem::conv2d(g, variant, seed));
    let depthwise = windows().into_iter().filter_map(move |g| Problem::depthwise_conv2d(g, variant, seed));
    let max = windows().into_iter().filter_map(move |g| Problem::max_pool(g, variant, seed));
    let average = windows().into_iter().filter_map(move |g| Problem::avg_pool(g, g.kernel[0] % 2 == 1, variant, seed));
    let connected = connected().into_iter().map(move |(i, o)| Problem::fully_connected(i, o, variant, seed));
    convolutions.chain(depthwise).chain(max).chain(average).chain(connected)
}

/// Inputs and outputs of fully connected layers.
pub(super) fn connected() -> [(usize, usize); 9] {
    [(1, 1), (3, 2), (4, 4), (15, 5), (16, 8), (17, 3), (64, 12), (129, 10), (256, 2)]
}

/// Windows over one input and output depth: for depthwise convolutions and pools.
pub(super) fn windows() -> Vec<Geometry> {
    let mut list = vec![];
    for c in [1, 3, 4, 8, 15, 16, 17, 33] {
        let at = |height, width, kernel, stride| Geometry::new([height, width, c], c, kernel, stride);
        list.extend([
            at(5, 7, [3, 3], 1).padded([1, 1], [1, 1]),
            at(6, 4, [3, 3], 2).padded([0, 0], [1, 1]),
            at(1, 1, [3, 3], 1).padded([1, 1], [1, 1]),
            at(4, 4, [2, 2], 2),
            at(7, 5, [1, 4], 1).padded([0, 3], [0, 0]),
            at(5, 3, [5, 3], 1),
        ]);
    }
    list.push(Geometry { dilation: [2, 3], ..Geometry::new([9, 9, 5], 5, [3, 3], 1) }.padded([2, 1], [2, 4]));
    list
}

pub(super) fn convolutions() -> Vec<Geometry> {
    let mut list = vec![];
    for inputs in [1, 2, 3, 4, 5, 8, 15, 16, 17] {
        for outputs in [1, 3, 4, 5, 8] {
            list.push(Geometry::new([1, 5, inputs], outputs, [1, 1], 1));
            list.push(Geometry::new([3, 4, inputs], outputs, [3, 3], 1).padded([1, 1], [1, 1]));
        }
    }
    for pixels in 1..=9 {
        list.push(Geometry::new([1, pixels, 4], 4, [1, 1], 1));
    }
    // Around the tiles of wide instruction sets: whole steps of 16, and more pixels and channels than a tile has.
    for (inputs, outputs) in [(16, 8), (16, 9), (32, 17), (33, 7), (48, 16)] {
        for pixels in [1, 2, 4, 7, 8, 13, 16] {
            list.push(Geometry::new([1, pixels, inputs], outputs, [1, 1], 1));
        }
        list.push(Geometry::new([4, 5, inputs], outputs, [3, 3], 1).padded([1, 1], [1, 1]));
    }
    // More weights than are packed at a time.
    list.push(Geometry::new([3, 3, 64], 260, [3, 3], 1));
    let grouped = Geometry { groups: 2, ..Geometry::new([4, 4, 6], 4, [3, 2], 1).padded([1, 0], [1, 1]) };
    list.extend([
        Geometry::new([7, 6, 3], 4, [3, 3], 2).padded([0, 0], [1, 1]),
        Geometry::new([12, 6, 1], 6, [10, 4], 2).padded([4, 1], [5, 1]),
        Geometry::new([5, 5, 8], 4, [1, 1], 2),
        Geometry::new([4, 1, 4], 5, [5, 1], 1).padded([4, 0], [0, 0]),
        Geometry::new([2, 2, 3], 2, [4, 4], 1).padded([3, 1], [0, 2]),
        Geometry { dilation: [1, 2], ..Geometry::new([4, 9, 4], 3, [2, 3], 1) }.padded([1, 2], [0, 3]),
        // Every tap of the first windows misses the input.
        Geometry { dilation: [2, 2], ..Geometry::new([1, 1, 3], 2, [2, 2], 1) }.padded([1, 1], [1, 1]),
        grouped,
        Geometry { groups: 3, dilation: [2, 2], ..Geometry::new([6, 5, 9], 6, [2, 2], 1) },
        Geometry { stride: [1, 3], ..grouped },
    ]);
    list
}

impl Problem {
    /// A convolution; `None` where the geometry does not fit.
    pub fn conv2d(geometry: Geometry, variant: Variant, seed: u64) -> Option<Self> {
        let depth = geometry.input[2] / geometry.groups;
        Self::convolution(OpKind::Conv2d, geometry, depth, variant, seed)
    }

    /// A depthwise convolution over the input's channels; `None` where the geometry does not fit.
    pub fn depthwise_conv2d(geometry: Geometry, variant: Variant, seed: u64) -> Option<Self> {
        let channels = geometry.input[2];
        let geometry = Geometry { channels, groups: channels, ..geometry };
        Self::convolution(OpKind::DepthwiseConv2d, geometry, 1, variant, seed)
    }

    fn convolution(kind: OpKind, geometry: Geometry, depth: usize, variant: Variant, seed: u64) -> Option<Self> {
        let random = &mut Random::new(seed);
        let mut problem = Self::sliding(kind, geometry, variant, random)?;
        let terms = geometry.kernel[0] * geometry.kernel[1] * depth;
        problem.weighted(geometry.channels, terms, variant, random);
        problem.groups = geometry.groups;
        Some(problem)
    }

    /// A fully connected layer.
    pub fn fully_connected(inputs: usize, outputs: usize, variant: Variant, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let vector = |channels| Shape { height: 1, width: 1, channels };
        let name = format!("fully_connected {inputs}->{outputs} {variant:?}");
        let mut problem = Self::new(OpKind::FullyConnected, name, vector(inputs), vector(outputs));
        problem.a = variant.activations(inputs, random);
        problem.weighted(outputs, inputs, variant, random);
        problem
    }

    /// A maximum pool; `None` where the geometry does not fit or is dilated.
    pub fn max_pool(geometry: Geometry, variant: Variant, seed: u64) -> Option<Self> {
        let geometry = Geometry { channels: geometry.input[2], groups: 1, ..geometry };
        let problem = Self::sliding(OpKind::MaxPool, geometry, variant, &mut Random::new(seed))?;
        (geometry.dilation == [1, 1]).then_some(problem)
    }

    /// An average pool with one multiplier, or one per count of elements; `None` where the geometry does not fit or is
    /// dilated.
    pub fn avg_pool(geometry: Geometry, per_count: bool, variant: Variant, seed: u64) -> Option<Self> {
        let random = &mut Random::new(seed);
        let geometry = Geometry { channels: geometry.input[2], groups: 1, ..geometry };
        let mut problem = Self::sliding(OpKind::AvgPool, geometry, variant, random)?;
        let taps = geometry.kernel[0] * geometry.kernel[1];
        let average = |count: usize| (i32::MAX / count as i32) & !1;
        problem.multipliers = match (variant.level, per_count) {
            (Level::Fitting, true) => (1..=taps).map(average).collect(),
            (Level::Fitting, false) => vec![average(taps)],
            (_, true) => variant.multipliers(taps, 1, random),
            (_, false) => variant.multipliers(1, 1, random),
        };
        problem.shift = variant.shift;
        (geometry.dilation == [1, 1]).then_some(problem)
    }

    fn sliding(kind: OpKind, geometry: Geometry, variant: Variant, random: &mut Random) -> Option<Self> {
        let name = format!("{} {geometry:?} {variant:?}", kind.name());
        let mut problem = Self::new(kind, name, geometry.input(), geometry.output()?);
        problem.a = variant.activations(problem.input.elements(), random);
        problem.window = geometry.window();
        problem.range(variant);
        Some(problem)
    }

    fn weighted(&mut self, channels: usize, terms: usize, variant: Variant, random: &mut Random) {
        self.weights = variant.weights(channels * terms, random);
        self.bias = variant.biases(channels, random);
        self.multipliers = variant.multipliers(channels, terms, random);
        self.shift = variant.shift;
        self.range(variant);
    }

    pub(super) fn range(&mut self, variant: Variant) {
        let [a, b, output] = variant.zero_points;
        self.input_zero_points = [a, b];
        self.zero_point = output;
        self.activation = variant.activation;
    }
}
