//! Counts what kernels execute on an emulated Cortex-M4, next to published figures of a peer.
//!
//! `cargo bench -p on-core --bench kernels [-- MODEL] [--json]`. Instructions are counted by QEMU. Cycles are
//! estimated if NIWAKI_M4CYCLES names a QEMU plugin that takes `begin=`, `end=` (addresses) and `out=` (a file) and
//! writes one line `R n insn=.. cycles=..` per region. NIWAKI_BASELINE may name a CSV with the columns `core`, `model`,
//! `layer`, `instructions` and `estimated_cycles`, of which the rows of `cortex-m4` are printed beside.

#[path = "../tests/emulator/mod.rs"]
mod emulator;

use emulator::{MPS2_AN386, firmware, run};
use std::{collections::BTreeMap, error::Error, fs, path::Path};

/// Instructions of one tick of SysTick at `-icount shift=3`: the timer ticks every 40 ns, an instruction takes 8.
const TICK: u64 = 5;

/// One line of the table.
struct Row {
    model: String,
    layer: String,
    scratch: u64,
    instructions: u64,
    cycles: Option<u64>,
    /// The peer's instructions and cycles.
    peer: Option<[u64; 2]>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let only = arguments.iter().find(|argument| !argument.starts_with("--"));
    let program = firmware("bench", MPS2_AN386.target)?;
    let (good, said) = run(&MPS2_AN386, &program, &["-icount".into(), "shift=3".into()])?;
    if !good {
        return Err(format!("the firmware stopped: {said}").into());
    }
    let cycles = match std::env::var("NIWAKI_M4CYCLES") {
        Ok(plugin) => estimate(&program, &said, &plugin)?,
        Err(_) => {
            eprintln!("no cycles: NIWAKI_M4CYCLES names no QEMU plugin that estimates them");
            Vec::new()
        }
    };
    let peers = std::env::var("NIWAKI_BASELINE").ok().map(|path| baseline(Path::new(&path))).transpose()?;
    let mut rows = rows(&said, &cycles, &peers.unwrap_or_default())?;
    rows.retain(|row| only.is_none_or(|only| row.model == *only));
    match json {
        true => print_json(&rows),
        false => print_table(&rows),
    }
    Ok(())
}

/// Instructions and cycles of every case, by the plugin.
fn estimate(program: &Path, said: &str, plugin: &str) -> Result<Vec<[u64; 2]>, Box<dyn Error>> {
    let marks = said.lines().find_map(|line| line.strip_prefix("marks ")?.split_once(' ')).ok_or("no marks")?;
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("regions.txt");
    let options = format!("{plugin},begin={},end={},out={}", marks.0, marks.1.trim(), out.display());
    run(&MPS2_AN386, program, &["-plugin".into(), options])?;
    let field = |line: &str, name: &str| {
        line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok())
    };
    let text = fs::read_to_string(out)?;
    let regions = text.lines().filter(|line| line.starts_with("R "));
    let regions: Option<Vec<_>> = regions.map(|line| Some([field(line, "insn")?, field(line, "cycles")?])).collect();
    Ok(regions.ok_or("a region without figures")?)
}

type Peers = BTreeMap<(String, String), [u64; 2]>;

fn baseline(path: &Path) -> Result<Peers, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().ok_or("an empty baseline")?;
    let column = |name: &str| header.iter().position(|column| *column == name).ok_or(format!("no column {name}"));
    let [core, model, layer] = [column("core")?, column("model")?, column("layer")?];
    let [instructions, cycles] = [column("instructions")?, column("estimated_cycles")?];
    let rows = lines.filter(|row| row.get(core) == Some(&"cortex-m4"));
    let number = |row: &[&str], at: usize| row.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(rows
        .map(|row| {
            let key = (row[model].to_string(), row[layer].to_string());
            (key, [number(&row, instructions), number(&row, cycles)])
        })
        .collect())
}

fn rows(said: &str, cycles: &[[u64; 2]], peers: &Peers) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    let cases = said.lines().filter_map(|line| line.strip_prefix("case "));
    for (at, case) in cases.enumerate() {
        let words: Vec<&str> = case.split_whitespace().collect();
        let [model, layer, _, ticks, _, scratch] = words[..] else { return Err(case.into()) };
        // A layer at some density is held against the dense one.
        let name = layer.split('_').next().unwrap_or(layer);
        let peer = [model, "IC"].iter().find_map(|model| peers.get(&(model.to_string(), name.to_string())));
        let counted = cycles.get(at);
        rows.push(Row {
            model: model.into(),
            layer: layer.replace('_', " "),
            scratch: scratch.parse()?,
            instructions: counted.map_or(ticks.parse::<u64>()? * TICK, |counted| counted[0]),
            cycles: counted.map(|counted| counted[1]),
            peer: peer.copied(),
        });
    }
    Ok(rows)
}

fn ratio(ours: Option<u64>, theirs: Option<u64>) -> String {
    match ours.zip(theirs) {
        Some((ours, theirs)) if theirs > 0 => format!("{:.2}", ours as f64 / theirs as f64),
        _ => "-".into(),
    }
}

fn print_line(name: [&str; 2], ours: [Option<u64>; 2], peer: Option<[u64; 2]>, scratch: u64) {
    let number = |value: Option<u64>| value.map_or("-".into(), |value| value.to_string());
    let [instructions, cycles] = ours;
    let theirs = [0, 1].map(|at| peer.map(|peer| peer[at]));
    println!(
        "{:6} {:15} {:>11} {:>11} {:>11} {:>11} {:>6} {:>6} {:>8}",
        name[0],
        name[1],
        number(instructions),
        number(cycles),
        number(theirs[0]),
        number(theirs[1]),
        ratio(instructions, theirs[0]),
        ratio(cycles, theirs[1]),
        scratch,
    );
}

fn print_table(rows: &[Row]) {
    println!(
        "{:6} {:15} {:>11} {:>11} {:>11} {:>11} {:>6} {:>6} {:>8}",
        "model", "layer", "instr", "cycles", "peer instr", "peer cycles", "ratio", "ratio", "scratch"
    );
    for row in rows {
        print_line([&row.model, &row.layer], [Some(row.instructions), row.cycles], row.peer, row.scratch);
    }
    let mut models: Vec<&str> = rows.iter().map(|row| row.model.as_str()).filter(|model| *model != "MICRO").collect();
    models.dedup();
    for model in models {
        let of = || rows.iter().filter(|row| row.model == model);
        let sum = |at: usize| of().map(|row| row.peer.map(|peer| peer[at])).sum::<Option<u64>>();
        let ours = [Some(of().map(|row| row.instructions).sum()), of().map(|row| row.cycles).sum()];
        let peer = sum(0).zip(sum(1)).map(|(instructions, cycles)| [instructions, cycles]);
        print_line([model, "total"], ours, peer, of().map(|row| row.scratch).max().unwrap_or(0));
    }
}

fn print_json(rows: &[Row]) {
    let number = |value: Option<u64>| value.map_or("null".into(), |value| value.to_string());
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{{\"model\":\"{}\",\"layer\":\"{}\",\"instructions\":{},\"cycles\":{},\"peer_instructions\":{},\
                 \"peer_cycles\":{},\"scratch\":{}}}",
                row.model,
                row.layer,
                row.instructions,
                number(row.cycles),
                number(row.peer.map(|peer| peer[0])),
                number(row.peer.map(|peer| peer[1])),
                row.scratch
            )
        })
        .collect();
    println!("[{}]", lines.join(",\n"));
}
