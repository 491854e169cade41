//! What is counted: the layers of the MLPerf Tiny reference models, and single layers at several densities.

use alloc::{format, string::String, vec, vec::Vec};
use niwaki_blob::OpKind;
use niwaki_kernels::problem::{Form, Geometry, Problem, Variant};

/// One layer of a model.
pub struct Case {
    /// The model's name; `MICRO` for single layers.
    pub model: &'static str,
    /// The layer's name, as in published tables.
    pub layer: String,
    /// The layer with random weights.
    make: Make,
    spec: Layer,
}

/// Makes a layer of its shapes.
type Make = fn(Layer) -> Option<Problem>;

/// Shapes of a layer.
#[derive(Clone, Copy)]
struct Layer {
    geometry: Geometry,
    form: Form,
}

impl Case {
    /// Makes the layer.
    pub fn problem(&self) -> Option<Problem> {
        (self.make)(self.spec)
    }
}

const SEED: u64 = 3;
const VARIANT: Variant = Variant::ALL[0];

fn conv(spec: Layer) -> Option<Problem> {
    Problem::conv2d(spec.geometry, VARIANT, SEED)?.packed(spec.form, SEED)
}

fn depthwise(spec: Layer) -> Option<Problem> {
    Problem::depthwise_conv2d(spec.geometry, VARIANT, SEED)?.packed(spec.form, SEED)
}

fn connected(spec: Layer) -> Option<Problem> {
    Problem::fully_connected(spec.geometry.input[2], spec.geometry.channels, VARIANT, SEED).packed(spec.form, SEED)
}

fn average(spec: Layer) -> Option<Problem> {
    Problem::avg_pool(spec.geometry, false, VARIANT, SEED)
}

fn add(spec: Layer) -> Option<Problem> {
    Some(Problem::element_wise(OpKind::Add, spec.geometry.input.iter().product(), false, VARIANT, SEED))
}

fn softmax(spec: Layer) -> Option<Problem> {
    Some(Problem::softmax(1, spec.geometry.channels, VARIANT, SEED))
}

/// A list under construction.
struct List {
    model: &'static str,
    cases: Vec<Case>,
}

impl List {
    fn push(&mut self, layer: impl Into<String>, make: Make, geometry: Geometry) {
        self.cases.push(Case {
            model: self.model,
            layer: layer.into(),
            make,
            spec: Layer { geometry, form: Form::Dense },
        });
    }

    fn form(&mut self, layer: String, make: Make, geometry: Geometry, form: Form) {
        self.cases.push(Case { model: self.model, layer, make, spec: Layer { geometry, form } });
    }
}

/// As wide as its input, and as high.
fn same(input: [usize; 3], channels: usize) -> Geometry {
    Geometry::new(input, channels, [3, 3], 1).padded([1, 1], [1, 1])
}

/// Half as wide and high.
fn half(input: [usize; 3], channels: usize) -> Geometry {
    Geometry::new(input, channels, [3, 3], 2).padded([0, 0], [1, 1])
}

fn pointwise(input: [usize; 3], channels: usize) -> Geometry {
    Geometry::new(input, channels, [1, 1], 1)
}

fn vector(inputs: usize, outputs: usize) -> Geometry {
    Geometry::new([1, 1, inputs], outputs, [1, 1], 1)
}

fn whole([height, width, channels]: [usize; 3]) -> Geometry {
    Geometry::new([height, width, channels], channels, [height, width], 1)
}

/// Every case, model by model.
pub fn all() -> Vec<Case> {
    let lists = [keywords(), images(), persons(), anomalies(), single()];
    lists.into_iter().flat_map(|list| list.cases).collect()
}

fn keywords() -> List {
    let mut list = List { model: "KWS", cases: vec![] };
    list.push("conv0", conv, Geometry::new([49, 10, 1], 64, [10, 4], 2).padded([4, 1], [5, 1]));
    for at in 1..=4 {
        list.push(format!("dw{at}"), depthwise, same([25, 5, 64], 64));
        list.push(format!("pw{at}"), conv, pointwise([25, 5, 64], 64));
    }
    list.push("avg", average, whole([25, 5, 64]));
    list.push("fc", connected, vector(64, 12));
    list.push("softmax", softmax, vector(12, 12));
    list
}

fn images() -> List {
    let mut list = List { model: "IC", cases: vec![] };
    list.push("conv0", conv, same([32, 32, 3], 16));
    list.push("s1c1", conv, same([32, 32, 16], 16));
    list.push("s1c2", conv, same([32, 32, 16], 16));
    list.push("s1add", add, whole([32, 32, 16]));
    list.push("s2c1", conv, half([32, 32, 16], 32));
    list.push("s2c2", conv, same([16, 16, 32], 32));
    list.push("s2sc", conv, Geometry::new([32, 32, 16], 32, [1, 1], 2));
    list.push("s2add", add, whole([16, 16, 32]));
    list.push("s3c1", conv, half([16, 16, 32], 64));
    list.push("s3c2", conv, same([8, 8, 64], 64));
    list.push("s3sc", conv, Geometry::new([16, 16, 32], 64, [1, 1], 2));
    list.push("s3add", add, whole([8, 8, 64]));
    list.push("avg", average, whole([8, 8, 64]));
    list.push("fc", connected, vector(64, 10));
    list.push("softmax", softmax, vector(10, 10));
    list
}

fn persons() -> List {
    let mut list = List { model: "VWW", cases: vec![] };
    list.push("conv0", conv, half([96, 96, 3], 8));
    let outputs = [16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256];
    let (mut size, mut channels) = (48, 8);
    for (at, outputs) in (1..).zip(outputs) {
        // Every second layer at first, then the sixth and the twelfth.
        let halves = [2, 4, 6, 12].contains(&at);
        let input = [size, size, channels];
        list.push(format!("dw{at}"), depthwise, if halves { half(input, channels) } else { same(input, channels) });
        size = if halves { size / 2 } else { size };
        list.push(format!("pw{at}"), conv, pointwise([size, size, channels], outputs));
        channels = outputs;
    }
    list.push("avg", average, whole([3, 3, 256]));
    list.push("fc", connected, vector(256, 2));
    list.push("softmax", softmax, vector(2, 2));
    list
}

fn anomalies() -> List {
    let mut list = List { model: "AD", cases: vec![] };
    let sizes = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640];
    for (at, pair) in (1..).zip(sizes.windows(2)) {
        list.push(format!("fc{at}"), connected, vector(pair[0], pair[1]));
    }
    list
}

fn single() -> List {
    let mut list = List { model: "MICRO", cases: vec![] };
    let layers: [(&str, Make, Geometry); 5] = [
        ("mpw", conv, pointwise([25, 5, 64], 64)),
        ("s3c2", conv, same([8, 8, 64], 64)),
        ("mconv", conv, same([16, 16, 32], 32)),
        ("mfc", connected, vector(640, 128)),
        ("mdw", depthwise, same([25, 5, 64], 64)),
    ];
    for (name, make, geometry) in layers {
        list.push(name, make, geometry);
    }
    for (name, make, geometry) in layers.into_iter().take(4) {
        let rows: &[usize] = if name == "mfc" { &[1, 2, 4] } else { &[1, 2] };
        for rows in rows {
            for kept in [100, 85, 75, 50, 25, 12] {
                let layer = format!("{name} {rows}x4 {kept}%");
                list.form(layer, make, geometry, Form::Sparse { rows: *rows, kept });
            }
        }
    }
    list
}
