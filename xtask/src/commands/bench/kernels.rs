//! `bench kernels`: single layers, dense and with blocks of zeros.

use super::CoreArgs;
use crate::{
    bench::{
        calibration,
        layer::Layer,
        models,
        network::{self, Mask},
        peers::Peers,
        rig::{Count, Rig},
        sources,
    },
    cycles,
    output::{self, table, thousands},
    workplace::Workplace,
};
use anyhow::ensure;
use niwaki_blob::{AlignedBytes, OpKind};
use niwaki_pack::Form;
use serde::Serialize;

/// Count single layers at several densities, and from where on skipping blocks pays
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    cores: CoreArgs,
    // No documentation comment: rustdoc takes the brackets for a link.
    #[arg(
        long,
        value_parser = Layer::parse,
        help = "Instead of the usual layers: conv:HxWxC:OUTPUTS[:KHxKW[:STRIDE]], connected:INPUTS:OUTPUTS and so on"
    )]
    shape: Vec<Layer>,
    /// Percent of the blocks of weights that are kept
    #[arg(long, value_delimiter = ',', default_value = "100,75,50,25,12.5")]
    density: Vec<f64>,
    /// Instead, measure what costs are predicted from, and write it to crates/pack/costs/
    #[arg(long, conflicts_with_all = ["shape", "density"])]
    write: bool,
}

/// A measured layer in one form.
#[derive(Debug, Serialize)]
struct Entry {
    core: String,
    layer: String,
    /// The operation that ran.
    kind: &'static str,
    /// Rows of its blocks; absent where it is dense.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    /// Percent of blocks kept.
    density: f64,
    instructions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_instructions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_cycles: Option<u64>,
    /// Percent of zero blocks from which on this form takes less than the dense one; absent where it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pays_from: Option<f64>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let good = args.density.iter().all(|density| *density > 0.0 && *density <= 100.0);
    ensure!(good, "--density: a percentage of blocks is more than 0 and at most 100");
    let rigs = args.cores.ready(work)?;
    if args.write {
        return rigs.iter().try_for_each(|rig| write(work, rig));
    }
    let mut entries = Vec::new();
    for rig in rigs {
        entries.extend(measure(work, &rig, &layers(&args.shape), &args.density)?);
    }
    output::result(work, &entries, || show(&entries, &args.density))
}

/// Measures what a core's costs are predicted from.
fn write(work: &Workplace, rig: &Rig) -> anyhow::Result<()> {
    // Before measuring: who changes a kernel meanwhile has a table of the old one.
    let (sources, rustc) = (sources::hash(work, rig.isa)?, sources::rustc(work)?);
    let samples = calibration::measure(work, rig)?;
    let cycles = rig.cycle_model(work)?;
    let text = calibration::file(&rig.core, &sources, &rustc, cycles.as_deref(), &samples)?;
    let path = sources::table(work, &rig.core);
    niwaki_pack::artefact::write_atomically(&path, text.as_bytes())?;
    output::wrote(work, &path);
    Ok(())
}

/// The peers' single layers, and others of their models that have kernels of their own.
fn layers(asked: &[Layer]) -> Vec<Layer> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    let models = models::all();
    let of = |model: usize, name: &str| {
        let found = models[model].1.iter().find(|(layer, _)| layer == name);
        found.map(|(_, layer)| layer.clone()).unwrap_or_else(|| unreachable!("a layer of that model"))
    };
    vec![
        of(0, "pw1"),
        of(1, "s2c2"),
        of(1, "s3c2"),
        Layer::connected(640, 128),
        of(0, "conv0"),
        of(1, "conv0"),
        of(2, "conv0"),
        of(0, "dw1"),
        of(2, "dw2"),
        of(1, "s1add"),
        of(0, "avg"),
        of(0, "softmax"),
        Layer::pool(OpKind::MaxPool, [16, 16, 32], [2, 2], 2),
        Layer::same(OpKind::Mul, [8, 8, 64]),
        Layer::same(OpKind::Lut, [8, 8, 64]),
    ]
}

/// A layer to be counted.
struct Case {
    layer: Layer,
    form: Option<Form>,
    density: f64,
    blob: AlignedBytes,
}

fn measure(work: &Workplace, rig: &Rig, layers: &[Layer], densities: &[f64]) -> anyhow::Result<Vec<Entry>> {
    let mut cases = Vec::new();
    for layer in layers {
        let plain = network::plain(layer, None)?;
        for form in network::forms_of(&plain, rig.isa)? {
            let sparse = form.filter(|form| form.sparse);
            for density in if sparse.is_some() { densities } else { &[100.0] } {
                let mask = sparse.map(|form| Mask { rows: form.rows, part: density / 100.0 });
                let blob = network::formed(&network::plain(layer, mask)?, rig.isa, form)?;
                cases.push(Case { layer: layer.clone(), form, density: *density, blob });
            }
        }
    }
    let blobs: Vec<AlignedBytes> = cases.iter().map(|case| case.blob.clone()).collect();
    let counts = rig.count(work, &blobs)?;
    let peers = Peers::read();
    let all: Vec<(Case, Count)> = cases.into_iter().zip(counts).collect();
    let entry = |(case, count): &(Case, Count)| {
        let peer = peer(&peers, &rig.core, &case.layer);
        let form = case.form;
        Entry {
            core: rig.core.clone(),
            layer: case.layer.to_string(),
            kind: form.map_or(case.layer.kind, |form| form.kind).name(),
            rows: form.filter(|form| form.sparse).map(|form| form.rows),
            density: case.density,
            instructions: count.instructions,
            cycles: count.cycles,
            peer_instructions: peer.map(|peer| peer[0]),
            peer_cycles: peer.map(|peer| peer[1]).filter(|cycles| *cycles > 0),
            pays_from: form.filter(|form| form.sparse).and_then(|form| pays_from(&all, &case.layer, form)),
        }
    };
    Ok(all.iter().map(entry).collect())
}

/// The peer's instructions and cycles for the same shape, whichever model it is from.
fn peer(peers: &Peers, core: &str, layer: &Layer) -> Option<[u64; 2]> {
    let single = [("mfc", Layer::connected(640, 128))].into_iter().map(|(name, layer)| ("MICRO", name.into(), layer));
    let models = models::all().into_iter();
    let layers = models.flat_map(|(model, layers)| layers.into_iter().map(move |(name, layer)| (model, name, layer)));
    let found = single.chain(layers).find(|(_, _, other)| other == layer);
    let (model, name, _) = found?;
    peers.layer(core, model, &name).map(|peer| [peer.instructions, peer.cycles])
}

fn cost(count: &Count) -> f64 {
    count.cycles.unwrap_or(count.instructions) as f64
}

/// The percentage of zero blocks at which a form takes as much as the dense one, between measured densities.
fn pays_from(all: &[(Case, Count)], layer: &Layer, form: Form) -> Option<f64> {
    let same = || all.iter().filter(|(case, _)| case.layer == *layer);
    let dense = same().find(|(case, _)| case.form.is_some_and(|other| !other.sparse)).map(|(_, count)| cost(count))?;
    let of = same().filter(|(case, _)| case.form == Some(form));
    let mut points: Vec<(f64, f64)> = of.map(|(case, count)| (100.0 - case.density, cost(count))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let first = points.first()?;
    if first.1 <= dense {
        return Some(first.0);
    }
    let crossing = points.windows(2).find(|pair| pair[1].1 <= dense)?;
    let [(from, above), (to, below)] = [crossing[0], crossing[1]];
    Some(from + (to - from) * (above - dense) / (above - below).max(1.0))
}

fn show(entries: &[Entry], densities: &[f64]) -> String {
    let mut text = String::new();
    let mut cores: Vec<&str> = entries.iter().map(|entry| entry.core.as_str()).collect();
    cores.dedup();
    for core in cores {
        let of: Vec<&Entry> = entries.iter().filter(|entry| entry.core == core).collect();
        let instructions = |entry: &Entry| Some(entry.instructions);
        text.push_str(&part(&of, core, "instructions", densities, instructions, |entry| entry.peer_instructions));
        if of.iter().any(|entry| entry.cycles.is_some()) {
            let priced = cycles::priced_as(core).map(|other| format!(" (priced as those of {other})"));
            text.push_str(&part(
                &of,
                core,
                &format!("estimated cycles{}", priced.unwrap_or_default()),
                densities,
                |entry| entry.cycles,
                |entry| entry.peer_cycles,
            ));
        }
    }
    text
}

/// One table: a line per layer and form, a column per density.
fn part(
    entries: &[&Entry],
    core: &str,
    unit: &str,
    densities: &[f64],
    ours: impl Fn(&Entry) -> Option<u64>,
    theirs: impl Fn(&Entry) -> Option<u64>,
) -> String {
    let peer = Peers::name(core);
    let columns = densities.iter().map(|density| format!("{density} %"));
    let head = ["layer".to_string(), "weights".into()].into_iter().chain(columns);
    let head = head.chain([format!("{peer}, dense"), "pays from".into()]);
    let mut lines = table(head, 2);
    let mut keys: Vec<(&str, Option<usize>)> = entries.iter().map(|e| (e.layer.as_str(), e.rows)).collect();
    keys.dedup();
    for (layer, rows) in keys {
        let of = || entries.iter().filter(move |entry| entry.layer == layer && entry.rows == rows);
        let first = of().next();
        let peer = first.and_then(|entry| theirs(entry));
        let cell = |density: &f64| {
            let found = of().find(|entry| entry.density == *density).and_then(|entry| ours(entry));
            let beside = |count| peer.map(|peer| format!(" ({})", output::ratio(peer, count))).unwrap_or_default();
            found.map(|count| format!("{}{}", thousands(count), beside(count))).unwrap_or_default()
        };
        let pays = match (rows, first.and_then(|entry| entry.pays_from)) {
            (None, _) => String::new(),
            (Some(_), Some(percent)) => format!("{percent:.0} %"),
            (Some(_), None) => "never".into(),
        };
        let weights = rows.map_or("dense".into(), |rows| format!("{rows}x4 blocks"));
        let cells = [layer.to_string(), weights].into_iter().chain(densities.iter().map(cell));
        lines.add_row(cells.chain([peer.map(thousands).unwrap_or_default(), pays]));
    }
    format!("{core}, {unit} by percentage of blocks kept (ratio to {peer}, dense)\n{lines}\n\n")
}
