//! A model's part of the page.

use super::{
    bars::bars,
    cell,
    collect::{From, OnBoard, Results, unbenched},
    part,
    plot::{Mark, Point, plot},
    published::{self, Task},
    tables::Table,
};
use crate::{
    bench::peers::Peers,
    benched::{Bench, Line, Network},
    board,
    cycles::priced_as,
    measure::Unit,
    output::{percent, thousands},
    report::standing,
    variant::Which,
    workplace::Workplace,
};
use maud::{Markup, html};
use niwaki_pack::artefact::{Quality, Report, Variant};

/// Everything about a model.
pub(crate) fn section(work: &Workplace, results: &Results) -> anyhow::Result<Markup> {
    let Results { name, argument, report, .. } = results;
    let Some(report) = report else {
        return Ok(html! {
            section id=(name) {
                h2 { (name) }
                p.missing { "Nothing is packed: " code { "cargo xtask deploy " (argument) " --board " (board::DEFAULT) } " makes it." }
                (silicon(results))
            }
        });
    };
    let unbenched = unbenched(work, results)?;
    let (hash, samples) = (&report.value.recipe_hash, report.value.unpruned.samples);
    Ok(html! {
        section id=(name) {
            h2 { (name) }
            p.note {
                (report.value.metric) " over " (thousands(samples as u64)) " test samples"
                @if !hash.is_empty() { "; recipe, weights and data " code { (hash.get(..12).unwrap_or(hash)) } }
                @for record in &results.records { ", " code { (record) } }
            }
            (quantities(results, report))
            (making(results))
            h3 { "Executed instructions per inference" }
            (instructions(results))
            @if !unbenched.is_empty() {
                p.missing {
                    "Not counted with these networks: " (unbenched.join(", ")) ". "
                    code { "cargo xtask bench " (argument) " --board " (unbenched.join(",")) } " does it."
                }
            }
            (cycles(results))
            (time(results))
            (layers(results))
            h3 { "Quality against work" }
            (quality(results, &report.value))
            (table(results))
            (silicon(results))
        }
    })
}

/// The board whose firmware stands for all: the usual one, or the first.
fn main_board(results: &Results) -> Option<&OnBoard> {
    let usual = results.boards.iter().find(|on| on.board == board::DEFAULT && on.bench.is_some());
    usual.or(results.boards.iter().find(|on| on.bench.is_some()))
}

fn networks(bench: &Bench) -> Option<[&Network; 2]> {
    Some([bench.network(Which::Unpruned)?, bench.network(Which::Pruned)?])
}

/// What the host measured, and what the firmware takes.
fn quantities(results: &Results, report: &From<Report>) -> Markup {
    let argument = &results.argument;
    let mut table = Table::new(&["", "before", "after pruning", "after / before"]);
    let host = table.sources.mark(&results.made_by, &report.file);
    let variants = [&report.value.unpruned, &report.value.pruned];
    let metric = &report.value.metric;
    let qualities = |values: [f64; 2]| {
        let change = format!("{:+.2} points", (values[1] - values[0]) * 100.0);
        vec![percent(values[0]), percent(values[1]), change]
    };
    let sizes = |values: [u64; 2]| {
        let [before, after] = values.map(Some);
        vec![cell(before), cell(after), part(before, after)]
    };
    let of = |value: fn(&Variant) -> f64| qualities(variants.map(value));
    table.line(format!("{metric}, float"), of(|variant| variant.float_quality), vec![host.clone()]);
    table.line(format!("{metric}, int8"), of(|variant| variant.int8_quality), vec![host.clone()]);
    for [before, after] in variants[0].more.iter().zip(&variants[1].more).map(<[_; 2]>::from) {
        let set = further(before);
        table.line(format!("{metric}, float, {set}"), qualities([before.float, after.float]), vec![host.clone()]);
        table.line(format!("{metric}, int8, {set}"), qualities([before.int8, after.int8]), vec![host.clone()]);
    }
    if let Some(task) = published::task(&results.name) {
        let file = table.sources.mark("", published::QUALITY);
        table.line(format!("{}, asked for at least", task.metric), vec![percent(task.floor)], vec![file]);
    }
    for on in &results.boards {
        let Some(deployment) = &on.deployment else { continue };
        let command = format!("cargo xtask deploy {argument} --board {}", deployment.value.board);
        let letter = table.sources.mark(&command, &deployment.file);
        let columns = [&deployment.value.unpruned, &deployment.value.pruned];
        let differ = columns.map(|column| {
            let run = column.board.as_ref();
            run.map_or("–".into(), |run| format!("{} of {}", run.differing.len(), run.samples))
        });
        table.line(format!("samples that differ on {}", deployment.value.board), differ.to_vec(), vec![letter]);
    }
    let count = |value: fn(&Variant) -> usize| sizes(variants.map(|variant| value(variant) as u64));
    table.line("parameters", count(|variant| variant.parameters), vec![host.clone()]);
    table.line("channels", count(|variant| variant.channels), vec![host.clone()]);
    table.line("multiply-accumulates", count(|variant| variant.macs), vec![host]);
    if let Some(record) = &results.record
        && let Some(live) = record.value.live_macs(&report.value)
    {
        let letter = table.sources.mark(&record.value.command, &record.file);
        table.line("of them by weights other than zero", sizes(live), vec![letter]);
    }
    if let Some((bench, both)) =
        main_board(results).and_then(|on| on.bench.as_ref()).and_then(|bench| Some((bench, networks(&bench.value)?)))
    {
        let board = &bench.value.board;
        let letter = table.sources.mark(&format!("cargo xtask bench {argument} --board {board}"), &bench.file);
        let mut line = |what: &str, values: [Option<u64>; 2]| {
            let [before, after] = values;
            let cells = vec![cell(before), cell(after), part(before, after)];
            table.line(what, cells, vec![letter.clone()]);
        };
        line("blob, bytes", both.map(|network| Some(network.blob_bytes as u64)));
        line("arena, bytes", both.map(|network| Some(network.arena_bytes as u64)));
        line("flash, bytes", both.map(|network| Some(network.firmware.as_ref()?.flash())));
        line("RAM without the stack, bytes", both.map(|network| Some(network.firmware.as_ref()?.ram())));
        line("stack used, bytes", both.map(|network| network.stack.map(|(used, _)| u64::from(used))));
    }
    if let Some(on) = main_board(results) {
        table.note(format!("Bytes are those of the firmware for {}.", on.board));
    }
    for stale in results.boards.iter().flat_map(|on| &on.stale) {
        table.note(format!("{stale} is of networks that were packed before, and is left out"));
    }
    table.html()
}

/// How the stored pruned network was made.
fn making(results: &Results) -> Markup {
    let Some(record) = &results.record else { return html! {} };
    let mut table = Table::new(&["step", "MACs left", "epochs", "loss", "accuracy"]);
    let letter = table.sources.mark(&record.value.command, &record.file);
    for step in &record.value.steps {
        let (loss, accuracy) = match step.curve.as_slice() {
            [] => (String::new(), String::new()),
            [first, .., last] => (format!("{:.4} to {:.4}", first.0, last.0), percent(last.1)),
            [only] => (format!("{:.4}", only.0), percent(only.1)),
        };
        let cells = vec![thousands(step.live_macs), step.curve.len().to_string(), loss, accuracy];
        table.line(step.name.clone(), cells, vec![letter.clone()]);
    }
    let minutes = record.value.seconds / 60.0;
    table.note(format!(
        "Seed {}; {minutes:.0} minutes, on a machine that may have been busy. MACs left: those of weights that are not zero. \
         Loss and accuracy are of the training samples; without labels, accuracy is agreement with the teacher.",
        record.value.seed
    ));
    html! { h3 { "How the pruned network was made" } (table.html()) }
}

fn median(line: &Line) -> Option<u64> {
    line.measured.as_ref().map(|figure| figure.median)
}

/// Both networks on every board that counts, beside what peers take for the unpruned one.
fn instructions(results: &Results) -> Markup {
    let (peers, upper) = (Peers::read(), results.name.to_uppercase());
    let is_peer = published::task(&results.name).is_some();
    let head = ["", "core", "before", "after pruning", "after / before", "peer", "before / peer", "after / peer"];
    let mut table = Table::new(if is_peer { &head } else { &head[..5] });
    for bench in results.boards.iter().filter_map(|on| on.bench.as_ref()) {
        let Some(both) = networks(&bench.value) else { continue };
        if both.iter().any(|network| network.unit != Some(Unit::Instructions)) {
            continue;
        }
        let Bench { board, core, .. } = &bench.value;
        let [before, after] = both.map(|network| median(&network.whole));
        let mut cells = vec![core.clone(), cell(before), cell(after), part(before, after)];
        let command = format!("cargo xtask bench {} --board {board}", results.argument);
        let mut letters = vec![table.sources.mark(&command, &bench.file)];
        if is_peer {
            let plain = core.strip_suffix('f').unwrap_or(core);
            let peer = peers.model(plain, &upper).map(|peer| peer.instructions);
            cells.extend([cell(peer), part(peer, before), part(peer, after)]);
            let file = if Peers::name(plain) == "LiteRT" { "litert.csv" } else { "cmsis-nn.csv" };
            letters.push(table.sources.mark("", &format!("xtask/data/{file}")));
        }
        let without_system = both[0].missing.iter().find(|note| note.starts_with("instructions are"));
        without_system.into_iter().for_each(|note| table.note(format!("{board}: {note}.")));
        table.line(board.clone(), cells, letters);
    }
    if is_peer {
        table.note(
            "Peers run the unpruned reference model: on Cortex-M CMSIS-NN, kernel calls alone, on 64-bit Arm the better of \
             LiteRT's two engines; niwaki: whole inferences. Cortex-M0 is held against Cortex-M0+, Cortex-M7 against Cortex-M4."
                .into(),
        );
    }
    if table.is_empty() {
        html! {}
    } else {
        table.html()
    }
}

/// Estimated cycles, where there are any.
fn cycles(results: &Results) -> Markup {
    let (peers, upper) = (Peers::read(), results.name.to_uppercase());
    let is_peer = published::task(&results.name).is_some();
    let head = ["", "core", "before", "after pruning", "after / before", "CMSIS-NN", "before / it", "after / it"];
    let mut table = Table::new(if is_peer { &head } else { &head[..5] });
    for bench in results.boards.iter().filter_map(|on| on.bench.as_ref()) {
        let Some(both) = networks(&bench.value) else { continue };
        let Bench { board, core, .. } = &bench.value;
        let [before, after] = both.map(|network| network.whole.estimated_cycles);
        if before.or(after).is_none() {
            continue;
        }
        let priced = priced_as(core).map(|other| format!(", priced as {other}")).unwrap_or_default();
        let mut cells = vec![format!("{core}{priced}"), cell(before), cell(after), part(before, after)];
        let command = format!("cargo xtask bench {} --board {board}", results.argument);
        let mut letters = vec![table.sources.mark(&command, &bench.file)];
        if is_peer {
            let plain = core.strip_suffix('f').unwrap_or(core);
            let of = |core: &str| peers.model(core, &upper).map(|peer| peer.cycles).filter(|cycles| *cycles > 0);
            let peer = of(plain).filter(|_| plain == "cortex-m4");
            cells.extend([cell(peer), part(peer, before), part(peer, after)]);
            letters.extend(peer.map(|_| table.sources.mark("", "xtask/data/cmsis-nn.csv")));
        }
        for network in both {
            table.note(network.model.as_ref().map_or(String::new(), |model| format!("{core}: {model}")));
        }
        table.line(board.clone(), cells, letters);
    }
    if table.is_empty() {
        html! {}
    } else {
        html! { h3 { "Estimated cycles per inference" } (table.html()) }
    }
}

/// Real boards, where somebody has one.
fn time(results: &Results) -> Markup {
    let mut table = Table::new(&["", "core", "unit", "before", "after pruning", "after / before", "ms", "after"]);
    for bench in results.boards.iter().filter_map(|on| on.bench.as_ref()) {
        let Some(both) = networks(&bench.value) else { continue };
        let Some(unit @ (Unit::Cycles | Unit::Nanoseconds)) = both[0].unit else { continue };
        let Bench { board, core, .. } = &bench.value;
        let [before, after] = both.map(|network| median(&network.whole));
        let mut cells = vec![core.clone(), unit.to_string(), cell(before), cell(after), part(before, after)];
        let ms = both.map(|network| network.whole.measured.as_ref().and_then(|figure| figure.milliseconds));
        cells.extend(ms.map(|ms| ms.map_or("–".into(), |ms| format!("{ms:.3}"))));
        let command = format!("cargo xtask bench {} --board {board}", results.argument);
        let letter = table.sources.mark(&command, &bench.file);
        table.line(format!("{board}{}", standing(bench.value.emulated, bench.value.silicon)), cells, vec![letter]);
    }
    if table.is_empty() {
        html! {}
    } else {
        html! { h3 { "Time per inference" } (table.html()) }
    }
}

/// Bars of the main board.
fn layers(results: &Results) -> Markup {
    let Some(bench) = main_board(results).and_then(|on| on.bench.as_ref()) else { return html! {} };
    let Some([before, after]) = networks(&bench.value) else { return html! {} };
    let unit = before.unit.map_or("nothing counted".into(), |unit| unit.to_string());
    html! {
        h3 { "Layers on " (bench.value.board) ", " (unit) }
        p.note { (key("unpruned", "before")) (key("pruned", "after pruning")) }
        (bars(before, after))
        p.note { code { "cargo xtask bench " (results.argument) " --board " (bench.value.board) } " → " code { (bench.file) } }
    }
}

fn key(class: &str, name: &str) -> Markup {
    html! { span.key { i class=(class) {} (name) } }
}

/// The drawing, with what it shows.
fn quality(results: &Results, report: &Report) -> Markup {
    let task = published::task(&results.name);
    // Where blocks were pruned, those that are left: as the cells of the table count.
    let live = results.record.as_ref().and_then(|record| record.value.live_macs(report));
    let [before, after] = live.unwrap_or([&report.unpruned, &report.pruned].map(|variant| variant.macs as u64));
    let own = |mark, name: &str, macs: u64, variant: &Variant| Point {
        mark,
        title: format!("{name}: {} MACs, {}", thousands(macs), percent(variant.int8_quality)),
        macs: macs as f64,
        quality: variant.int8_quality,
    };
    let whole = report.unpruned.macs as f64;
    let mut points: Vec<Point> = Vec::new();
    let cells = results.table.iter().flat_map(|table| &table.value);
    points.extend(cells.map(|cell| Point {
        mark: Mark::Cell,
        title: format!("{}: {} of the MACs, {}", cell.row.name(), percent(cell.left), percent(cell.int8)),
        macs: cell.left * whole,
        quality: cell.int8,
    }));
    points.extend(task.as_ref().map(|Task { macs, quality, .. }| Point {
        mark: Mark::Published,
        title: format!("published: {} MACs, {}", thousands(*macs as u64), percent(*quality)),
        macs: *macs,
        quality: *quality,
    }));
    points.push(own(Mark::Unpruned, "before pruning", before, &report.unpruned));
    points.push(own(Mark::Pruned, "after pruning", after, &report.pruned));
    html! {
        figure {
            (plot(&points, &report.metric, task.as_ref().map(|task| task.floor)))
            figcaption {
                (key("unpruned", "before pruning, int8")) (key("pruned", "after pruning, int8"))
                @if results.table.is_some() { (key("cell", "the pruning table, int8")) }
                @if task.is_some() { (key("published", "published, pruned, FP16")) (key("floor", "asked for")) }
            }
        }
        @if task.is_some() {
            p.note {
                "Published: the smallest pruned network of MLPerf Tiny's round v0.7, Open division, by Alibaba; not on a "
                "microcontroller. " code { (published::QUALITY) }
            }
        }
    }
}

/// The name of further test samples, and how many they are.
fn further(set: &Quality) -> String {
    format!("{} ({} samples)", set.name, set.samples)
}

/// The pruning table, or how to get one.
fn table(results: &Results) -> Markup {
    let command = format!("cargo xtask prune {} --table", results.argument);
    let Some(cells) = &results.table else {
        return html! { p.missing { "No table of quality against work: " code { (command) } " makes one." } };
    };
    let mut head: Vec<String> =
        ["importance, structures", "MACs asked for", "left", "float", "int8"].map(String::from).to_vec();
    let more = cells.value.first().map_or(&[][..], |cell| &cell.more);
    head.extend(more.iter().flat_map(|set| ["float", "int8"].map(|form| format!("{form}, {}", further(set)))));
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    let letter = table.sources.mark(&command, &cells.file);
    for cell in &cells.value {
        let figures = [cell.wanted, cell.left, cell.float, cell.int8].into_iter();
        let figures = figures.chain(cell.more.iter().flat_map(|set| [set.float, set.int8]));
        table.line(cell.row.name(), figures.map(percent).collect(), vec![letter.clone()]);
    }
    html! { h3 { "Pruning table" } (table.html()) }
}

/// What others measured on silicon.
fn silicon(results: &Results) -> Markup {
    let latencies = published::silicon(&results.name);
    if latencies.is_empty() {
        return html! {};
    }
    let mut table = Table::new(&["engine, round", "core", "board", "MHz", "million cycles", "ms"]);
    let letter = table.sources.mark("", published::SILICON);
    for latency in &latencies {
        let cells = vec![
            latency.core.into(),
            latency.board.into(),
            latency.mhz.to_string(),
            latency.mcycles.to_string(),
            format!("{:.2}", latency.milliseconds()),
        ];
        table.line(format!("{}, {}", latency.engine, latency.round), cells, vec![letter.clone()]);
    }
    table.note(
        "The unpruned reference model in int8 (MLPerf Tiny, Closed division). With wait states and all else that silicon has: \
         not to be set against instructions or estimates."
            .into(),
    );
    html! { h3 { "Published latencies on silicon" } (table.html()) }
}
