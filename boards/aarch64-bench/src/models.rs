//! The shapes of the four MLPerf Tiny reference models, layer by layer.

use alloc::format;
use alloc::{string::String, vec, vec::Vec};
use niwaki_blob::OpKind;
use niwaki_kernels::problem::{Fill, Geometry, Level, Problem, Variant};

/// A layer: its name and its operation on random operands.
pub(crate) type Layer = (String, Problem);

/// The models' names and layers.
pub(crate) fn all() -> [(&'static str, Vec<Layer>); 4] {
    [("KWS", kws()), ("IC", ic()), ("VWW", vww()), ("AD", ad())]
}

/// Random numbers whose outputs spread over int8.
const VARIANT: Variant = Variant { fill: Fill::Random, level: Level::Fitting, ..Variant::ALL[0] };

/// Padding such that the output is the input divided by the stride, rounded up; what is odd goes below and right.
fn same(geometry: Geometry) -> Geometry {
    let split = |axis: usize| {
        let size = geometry.input[axis];
        let outputs = size.div_ceil(geometry.stride[axis]);
        let all = ((outputs - 1) * geometry.stride[axis] + geometry.kernel[axis]).saturating_sub(size);
        [all / 2, all - all / 2]
    };
    let [rows, columns] = [split(0), split(1)];
    geometry.padded([rows[0], columns[0]], [rows[1], columns[1]])
}

/// Quantised weights are symmetric: none is -128.
fn symmetric(mut problem: Problem) -> Problem {
    for weight in &mut problem.weights {
        *weight = (*weight).max(-127);
    }
    problem
}

fn layer(name: &str, problem: Option<Problem>) -> Layer {
    let problem = symmetric(problem.expect("the geometry fits"));
    (name.into(), problem)
}

fn conv(name: &str, geometry: Geometry) -> Layer {
    layer(name, Problem::conv2d(same(geometry), VARIANT, 1))
}

fn depthwise(name: &str, geometry: Geometry) -> Layer {
    layer(name, Problem::depthwise_conv2d(same(geometry), VARIANT, 2))
}

fn connected(name: &str, inputs: usize, outputs: usize) -> Layer {
    layer(name, Some(Problem::fully_connected(inputs, outputs, VARIANT, 3)))
}

fn add(name: &str, elements: usize) -> Layer {
    layer(name, Some(Problem::element_wise(OpKind::Add, elements, false, VARIANT, 4)))
}

fn average(shape: [usize; 3]) -> Layer {
    let geometry = Geometry::new(shape, shape[2], [shape[0], shape[1]], 1);
    layer("avgpool", Problem::avg_pool(geometry, false, VARIANT, 5))
}

fn softmax(channels: usize) -> Layer {
    layer("softmax", Some(Problem::softmax(1, channels, VARIANT, 6)))
}

fn kws() -> Vec<Layer> {
    let mut layers = vec![conv("conv0 10x4 s2 1->64", Geometry::new([49, 10, 1], 64, [10, 4], 2))];
    for at in 1..=4 {
        layers.push(depthwise(&format!("dw{at} 3x3 64"), Geometry::new([25, 5, 64], 64, [3, 3], 1)));
        layers.push(conv(&format!("pw{at} 64->64"), Geometry::new([25, 5, 64], 64, [1, 1], 1)));
    }
    layers.extend([average([25, 5, 64]), connected("fc 64->12", 64, 12), softmax(12)]);
    layers
}

fn ic() -> Vec<Layer> {
    let three = |name: &str, size: usize, from: usize, to: usize, stride: usize| {
        conv(name, Geometry::new([size, size, from], to, [3, 3], stride))
    };
    let shortcut =
        |name: &str, size: usize, from: usize, to: usize| conv(name, Geometry::new([size, size, from], to, [1, 1], 2));
    vec![
        three("conv0 3x3 3->16", 32, 3, 16, 1),
        three("s1c1 3x3 16->16", 32, 16, 16, 1),
        three("s1c2 3x3 16->16", 32, 16, 16, 1),
        add("s1add", 16384),
        three("s2c1 3x3 s2 16->32", 32, 16, 32, 2),
        three("s2c2 3x3 32->32", 16, 32, 32, 1),
        shortcut("s2sc 1x1 s2 16->32", 32, 16, 32),
        add("s2add", 8192),
        three("s3c1 3x3 s2 32->64", 16, 32, 64, 2),
        three("s3c2 3x3 64->64", 8, 64, 64, 1),
        shortcut("s3sc 1x1 s2 32->64", 16, 32, 64),
        add("s3add", 4096),
        average([8, 8, 64]),
        connected("fc 64->10", 64, 10),
        softmax(10),
    ]
}

fn vww() -> Vec<Layer> {
    let mut layers = vec![conv("conv0 3x3 s2 3->8", Geometry::new([96, 96, 3], 8, [3, 3], 2))];
    let (mut size, mut channels) = (48, 8);
    let blocks = [
        (1, 16),
        (2, 32),
        (1, 32),
        (2, 64),
        (1, 64),
        (2, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (2, 256),
        (1, 256),
    ];
    for (at, (stride, to)) in blocks.into_iter().enumerate() {
        let at = at + 1;
        let name = format!("dw{at} 3x3 s{stride} {channels}");
        layers.push(depthwise(&name, Geometry::new([size, size, channels], channels, [3, 3], stride)));
        size /= stride;
        let name = format!("pw{at} {channels}->{to}");
        layers.push(conv(&name, Geometry::new([size, size, channels], to, [1, 1], 1)));
        channels = to;
    }
    layers.extend([average([size, size, channels]), connected("fc 256->2", 256, 2), softmax(2)]);
    layers
}

fn ad() -> Vec<Layer> {
    let widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640];
    widths.windows(2).map(|pair| connected(&format!("fc {}->{}", pair[0], pair[1]), pair[0], pair[1])).collect()
}
