//! What a core's costs are fitted to: layers of many shapes, in every form of its kernels, at several densities; and the
//! layers of the four models, to check the fit by.

use super::{
    layer::Layer,
    models,
    network::{self, Mask, Random},
    rig::Rig,
};
use crate::workplace::Workplace;
use anyhow::{Context, ensure};
use niwaki_blob::{AlignedBytes, Blob, OpKind};
use niwaki_pack::{
    Isa,
    cost::{Job, Sample, Set},
};
use std::collections::HashMap;

/// More products than this a layer does not have, as dozens are measured for every kernel; more of them where an
/// instruction computes many.
fn most_macs(isa: Isa) -> usize {
    match isa {
        Isa::Neon | Isa::NeonDot | Isa::Helium => 4_000_000,
        Isa::Dsp => 1_500_000,
        _ => 1_000_000,
    }
}

/// Parts of the blocks that are kept, of which every layer and form gets two.
const DENSITIES: [f64; 5] = [0.75, 0.5, 0.35, 0.25, 0.125];

/// Parts that the models' layers are checked at, with the rows of the mask.
const CHECKED: [(f64, usize); 2] = [(0.5, 2), (0.25, 4)];

/// Measures them all on a core.
pub(crate) fn measure(work: &Workplace, rig: &Rig) -> anyhow::Result<Vec<Sample>> {
    let mut cases = Vec::new();
    fitted(rig, &mut cases)?;
    checked(rig, &mut cases)?;
    let blobs: Vec<AlignedBytes> = cases.iter().map(|(_, blob)| blob.clone()).collect();
    let counts = rig.count(work, &blobs)?;
    let counted = |((sample, _), count): ((Sample, AlignedBytes), super::rig::Count)| Sample {
        instructions: count.instructions,
        cycles: count.cycles,
        view: count.view,
        ..sample
    };
    Ok(cases.into_iter().zip(counts).map(counted).collect())
}

type Cases = Vec<(Sample, AlignedBytes)>;

fn case(
    set: &Set,
    layer: usize,
    times: usize,
    density: f64,
    blob: AlignedBytes,
) -> anyhow::Result<(Sample, AlignedBytes)> {
    let read = Blob::read(&blob).context("a layer")?;
    let job = read.records().first().and_then(|record| Job::read(&read, record)).context("a layer has an operation")?;
    let density = density * 100.0;
    let sample = Sample { set: set.clone(), layer, times, density, job, instructions: 0, cycles: None, view: 0 };
    Ok((sample, blob))
}

fn fitted(rig: &Rig, cases: &mut Cases) -> anyhow::Result<()> {
    let random = &mut Random(0x2545_f491_4f6c_dd1d);
    for (at, layer) in layers(rig.isa, random).into_iter().enumerate() {
        let plain = network::plain(&layer, None)?;
        for form in network::forms_of(&plain, rig.isa)? {
            let Some(sparse) = form.filter(|form| form.sparse) else {
                cases.push(case(&Set::Fit, at, 1, 1.0, network::formed(&plain, rig.isa, form)?)?);
                continue;
            };
            let first = random.below(DENSITIES.len());
            for part in [1.0, DENSITIES[first], DENSITIES[(first + 2) % DENSITIES.len()]] {
                let masked = network::plain(&layer, Some(Mask { rows: sparse.rows, part }))?;
                cases.push(case(&Set::Fit, at, 1, part, network::formed(&masked, rig.isa, form)?)?);
            }
        }
    }
    Ok(())
}

fn checked(rig: &Rig, cases: &mut Cases) -> anyhow::Result<()> {
    for (model, layers) in models::all() {
        let set = Set::Model(model.into());
        let mut times: HashMap<&Layer, usize> = HashMap::new();
        layers.iter().for_each(|(_, layer)| *times.entry(layer).or_default() += 1);
        let mut at = 0;
        for (place, (_, layer)) in layers.iter().enumerate() {
            if layers[..place].iter().any(|(_, other)| other == layer) {
                continue;
            }
            let weighted = matches!(layer.kind, OpKind::Conv2d | OpKind::FullyConnected);
            let masks = CHECKED.map(|(part, rows)| Some(Mask { rows, part }));
            for mask in [None].into_iter().chain(masks.into_iter().filter(|_| weighted)) {
                let plain = network::plain(layer, mask)?;
                for form in network::forms_of(&plain, rig.isa)? {
                    let blob = network::formed(&plain, rig.isa, form)?;
                    cases.push(case(&set, at, times[layer], mask.map_or(1.0, |mask| mask.part), blob)?);
                }
                at += 1;
            }
        }
    }
    Ok(())
}

/// Layers of every kind: the same each time.
fn layers(isa: Isa, random: &mut Random) -> Vec<Layer> {
    let mut list = Vec::new();
    let small = |layer: &Layer| {
        let [height, width, channels] = layer.output();
        (layer.terms() * height * width * channels) <= most_macs(isa)
    };
    let mut some = |count: usize, make: &mut dyn FnMut(&mut Random) -> Layer| {
        let mut made = 0;
        while made < count {
            let layer = make(random);
            if small(&layer) {
                list.push(layer);
                made += 1;
            }
        }
    };
    some(44, &mut |r| Layer::conv([size(r), size(r), quads(r)], depth(r), [1, 1], 1));
    some(8, &mut |r| Layer::conv([size(r), size(r), quads(r)], depth(r), [1, 1], 2));
    some(10, &mut |r| Layer::conv([size(r), size(r), odd(r)], depth(r), [1, 1], 1));
    some(44, &mut |r| Layer::conv([size(r), size(r), quads(r)], depth(r), kernel(r), 1 + r.below(2)));
    some(30, &mut |r| Layer::conv([2 * size(r), 2 * size(r), odd(r).min(5)], depth(r), kernel(r), 1 + r.below(2)));
    some(6, &mut |r| Layer::conv([size(r), size(r), odd(r)], depth(r), kernel(r), 1));
    some(32, &mut |r| Layer::depthwise([size(r), size(r), depth(r)], [3, 3], 1));
    some(32, &mut |r| Layer::depthwise([2 * size(r), 2 * size(r), depth(r)], [3, 3], 2));
    some(20, &mut |r| Layer::depthwise([size(r) + 2, size(r) + 2, depth(r)], kernel(r), 1 + r.below(2)));
    some(28, &mut |r| Layer::connected(depth(r) * (1 + r.below(10)), depth(r)));
    some(10, &mut |r| Layer::pool(OpKind::AvgPool, [2 * size(r), 2 * size(r), depth(r)], [2, 2], 2));
    some(12, &mut |r| {
        let (height, width) = (size(r), size(r));
        Layer::pool(OpKind::AvgPool, [height, width, depth(r)], [height, width], 1)
    });
    some(10, &mut |r| Layer::pool(OpKind::MaxPool, [2 * size(r), 2 * size(r), depth(r)], [2, 2], 2));
    some(6, &mut |r| Layer::pool(OpKind::MaxPool, [size(r) + 2, size(r) + 2, depth(r)], [3, 3], 1));
    some(6, &mut |r| {
        let (height, width) = (size(r), size(r));
        Layer::pool(OpKind::MaxPool, [height, width, depth(r)], [height, width], 1)
    });
    for kind in [OpKind::Add, OpKind::Mul, OpKind::Lut, OpKind::Transpose] {
        some(8, &mut |r| Layer::same(kind, [size(r), size(r), depth(r)]));
    }
    some(8, &mut |r| Layer::same(OpKind::Softmax, [1, 1 + r.below(2), 2 + r.below(30)]));
    for kind in [OpKind::Add, OpKind::Mul] {
        some(8, &mut |r| Layer { groups: 0, ..Layer::same(kind, [size(r), size(r), depth(r)]) });
    }
    some(8, &mut |r| Layer::same(OpKind::LayerNorm, [1, size(r), depth(r)]));
    some(12, &mut |r| Layer::placed(OpKind::MatMul, [1 + r.below(4), size(r), quads(r)], size(r), 0));
    some(6, &mut |r| Layer::placed(OpKind::Embedding, [1, size(r), 1], quads(r), 0));
    some(6, &mut |r| Layer::same(OpKind::Constant, [1, size(r), depth(r)]));
    some(8, &mut |r| {
        let channels = depth(r);
        Layer::placed(OpKind::Concat, [size(r), size(r), channels], channels + depth(r), 0)
    });
    some(8, &mut |r| {
        let channels = depth(r);
        Layer::placed(OpKind::Pad, [size(r), size(r), channels], channels, 1 + r.below(2))
    });
    some(12, &mut |r| {
        let layer = Layer::placed(OpKind::MatMul, [1 + r.below(4), size(r), quads(r)], size(r), 0);
        Layer { groups: 0, ..layer }
    });
    list
}

/// Height or width.
fn size(random: &mut Random) -> usize {
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32][random.below(13)]
}

/// Channels in fours.
fn quads(random: &mut Random) -> usize {
    [4, 8, 12, 16, 24, 32, 48, 64, 96, 128][random.below(10)]
}

/// Channels that are not.
fn odd(random: &mut Random) -> usize {
    [1, 2, 3, 3, 1, 5, 7, 11, 13, 18, 23, 30, 42][random.below(13)]
}

/// Any channels.
fn depth(random: &mut Random) -> usize {
    match random.below(3) {
        0 => odd(random),
        _ => quads(random),
    }
}

fn kernel(random: &mut Random) -> [usize; 2] {
    [[3, 3], [3, 3], [3, 3], [3, 3], [3, 3], [3, 3], [5, 5], [2, 2], [1, 3], [5, 1], [10, 4]][random.below(11)]
}

/// Says what a core's file holds, and which sources it was measured from.
pub(crate) fn file(
    core: &str,
    sources: &str,
    rustc: &str,
    cycles: Option<&str>,
    samples: &[Sample],
) -> anyhow::Result<String> {
    ensure!(!samples.is_empty(), "nothing was measured on {core}");
    let head = [
        ("core", core),
        ("measured by", "cargo xtask bench kernels --board all --write"),
        ("instructions", "executed, counted by QEMU"),
        ("cycles", cycles.unwrap_or("none: nothing estimates them")),
        ("rustc", rustc),
        ("sources", sources),
    ];
    let mut text: String = head.iter().map(|(name, value)| format!("# {name}: {value}\n")).collect();
    text.push_str(niwaki_pack::cost::COLUMNS);
    text.push('\n');
    for sample in samples {
        text.push_str(&sample.line());
        text.push('\n');
    }
    Ok(text)
}
