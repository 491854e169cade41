//! `bench models`: the four MLPerf Tiny models' shapes with random weights.

use super::CoreArgs;
use crate::{
    bench::{
        code, models, network,
        peers::{Peer, Peers},
        rig::{Count, Rig},
    },
    cycles,
    output::{self, table, thousands},
    workplace::Workplace,
};
use niwaki_blob::{AlignedBytes, Blob};
use serde::Serialize;
use std::collections::HashMap;

/// Count the four MLPerf Tiny models' shapes, unpruned with random weights, layer by layer
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    cores: CoreArgs,
    /// Instead, show how much code the kernels of every model are, on microcontrollers
    #[arg(long)]
    code: bool,
}

/// The kernels that a model links.
#[derive(Debug, Serialize)]
struct Code {
    core: String,
    model: String,
    kernel_code_bytes: u64,
}

/// A model, or one of its layers.
#[derive(Debug, Default, Serialize)]
struct Entry {
    core: String,
    model: String,
    /// Absent for the whole model.
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    macs: u64,
    instructions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    scratch_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_instructions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_cycles: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_scratch_bytes: Option<u64>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    if args.code {
        return show_code(work, &args.cores.ready(work)?);
    }
    let mut entries = Vec::new();
    for rig in args.cores.ready(work)? {
        entries.extend(measure(work, &rig)?);
    }
    output::result(work, &entries, || show(&entries))
}

fn show_code(work: &Workplace, rigs: &[Rig]) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    for rig in rigs {
        for (model, layers) in models::all() {
            let core = rig.core.clone();
            if let Some(kernel_code_bytes) = code::of(work, rig, &layers)? {
                entries.push(Code { core, model: model.to_string(), kernel_code_bytes });
            }
        }
    }
    output::result(work, &entries, || {
        let mut lines = table(["core", "model", "code of the kernels, bytes"].map(String::from), 2);
        for Code { core, model, kernel_code_bytes } in &entries {
            lines.add_row([core.clone(), model.clone(), thousands(*kernel_code_bytes)]);
        }
        format!("{lines}\n")
    })
}

fn measure(work: &Workplace, rig: &Rig) -> anyhow::Result<Vec<Entry>> {
    let models = models::all();
    let mut blobs: Vec<AlignedBytes> = Vec::new();
    let mut known = HashMap::new();
    for (_, layer) in models.iter().flat_map(|(_, layers)| layers) {
        if !known.contains_key(layer) {
            known.insert(layer, blobs.len());
            blobs.push(niwaki_pack::repack_for(&network::plain(layer, None)?, rig.isa, &rig.core)?);
        }
    }
    let counts = rig.count(work, &blobs)?;
    let peers = Peers::read();
    let mut entries = Vec::new();
    for (model, layers) in &models {
        let mut whole = Entry { core: rig.core.clone(), model: model.to_string(), ..Entry::default() };
        let mut cycles = Some(0);
        for (name, layer) in layers {
            let at = known[layer];
            let Count { instructions, cycles: estimated, .. } = counts[at];
            let outputs: usize = layer.output().iter().product();
            let scratch = Blob::read(&blobs[at])
                .map_or(0, |blob| blob.records().iter().map(|record| record.scratch_range().len()).max().unwrap_or(0))
                as u64;
            let macs = (layer.terms() * outputs) as u64;
            let entry = Entry {
                layer: Some(name.clone()),
                macs,
                instructions,
                cycles: estimated,
                scratch_bytes: scratch,
                core: rig.core.clone(),
                model: model.to_string(),
                ..Entry::default()
            };
            whole.macs += macs;
            whole.instructions += instructions;
            whole.scratch_bytes = whole.scratch_bytes.max(scratch);
            cycles = cycles.zip(estimated).map(|(sum, cycles)| sum + cycles);
            entries.push(entry.beside(peers.layer(&rig.core, model, name)));
        }
        whole.cycles = cycles;
        entries.push(whole.beside(peers.model(&rig.core, model).as_ref()));
    }
    Ok(entries)
}

impl Entry {
    fn beside(self, peer: Option<&Peer>) -> Self {
        Self {
            peer_instructions: peer.map(|peer| peer.instructions),
            peer_cycles: peer.map(|peer| peer.cycles).filter(|cycles| *cycles > 0),
            peer_scratch_bytes: peer.filter(|peer| peer.macs > 0).map(|peer| peer.scratch_bytes),
            ..self
        }
    }
}

fn show(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut cores: Vec<&str> = entries.iter().map(|entry| entry.core.as_str()).collect();
    cores.dedup();
    for core in cores {
        let of: Vec<&Entry> = entries.iter().filter(|entry| entry.core == core).collect();
        let peer = Peers::name(core);
        let with_cycles = of.iter().any(|entry| entry.cycles.is_some());
        let mut head = vec!["layer".to_string(), "MACs".into(), "instructions".into(), peer.into(), "ratio".into()];
        if with_cycles {
            head.extend(["estimated cycles".to_string(), peer.into(), "ratio".into()]);
        }
        head.extend(["scratch, bytes".into(), peer.into()]);
        let mut lines = table(head, 1);
        for entry in of {
            let name = match &entry.layer {
                Some(layer) => format!("{} {layer}", entry.model),
                None => format!("{} in all", entry.model),
            };
            let mut cells = vec![name, thousands(entry.macs)];
            cells.extend(beside(Some(entry.instructions), entry.peer_instructions));
            if with_cycles {
                cells.extend(beside(entry.cycles, entry.peer_cycles));
            }
            let scratch = entry.peer_scratch_bytes.map(thousands).unwrap_or_default();
            cells.extend([thousands(entry.scratch_bytes), scratch]);
            lines.add_row(cells);
        }
        let priced = cycles::priced_as(core).filter(|_| with_cycles);
        let priced = priced.map(|other| format!("\ncycles are priced as those of {other}")).unwrap_or_default();
        text.push_str(&format!("{core}\n{lines}{priced}\n\n"));
    }
    text
}

fn beside(ours: Option<u64>, theirs: Option<u64>) -> [String; 3] {
    let cell = |number: Option<u64>| number.map(thousands).unwrap_or_default();
    let ratio = theirs.zip(ours).map(|(theirs, ours)| output::ratio(theirs, ours)).unwrap_or_default();
    [cell(ours), cell(theirs), ratio]
}
