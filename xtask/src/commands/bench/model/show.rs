//! The tables of `bench MODEL`.

use crate::{
    benched::{Bench, Line, Network},
    output::{percent, ratio, table, thousands},
    report::standing,
};

/// Everything that is printed: one board layer by layer, several a line each.
pub(super) fn show(model: &str, metric: &str, benches: &[Bench], mix: bool) -> String {
    let mut text = match benches {
        [bench] => {
            format!("{model} on {}{}\n{}\n", bench.board, standing(bench.emulated, bench.silicon), layers(bench))
        }
        several => format!("{model}\n{}\n", summary(several)),
    };
    for bench in benches {
        for network in bench.networks.iter().filter(|_| mix) {
            text += &format!(
                "\n{} network on {}: instructions by class\n{}\n",
                network.variant,
                bench.board,
                classes(network)
            );
        }
        text += &notes(bench, metric, benches.len() > 1);
    }
    text
}

fn measured(line: Option<&Line>) -> Option<u64> {
    Some(line?.measured.as_ref()?.median)
}

fn estimated(line: Option<&Line>) -> Option<u64> {
    line?.estimated_cycles
}

/// How far a prediction is off: `+1.2 %`.
fn off(line: &Line) -> Option<String> {
    let (predicted, measured) = (line.predicted?, line.measured.as_ref()?.median);
    Some(format!("{:+.1} %", 100.0 * (predicted as f64 / measured.max(1) as f64 - 1.0)))
}

/// Before, after, and after as a part of before.
fn beside(before: Option<u64>, after: Option<u64>) -> [String; 3] {
    let cell = |value: Option<u64>| value.map_or("-".into(), thousands);
    [cell(before), cell(after), before.zip(after).map(|(before, after)| ratio(before, after)).unwrap_or_default()]
}

/// A board's two networks, layer by layer; a layer that one of them does not have is paired with nothing.
fn layers(bench: &Bench) -> String {
    let [before, after] = &bench.networks[..] else { return String::new() };
    let unit = before.unit.map_or("instructions".into(), |unit| unit.to_string());
    let with_time = before.whole.measured.as_ref().is_some_and(|figure| figure.milliseconds.is_some());
    let with_cycles = before.whole.estimated_cycles.is_some();
    let mut head = vec!["layer".to_string(), "kind".into(), unit, "after".into(), "ratio".into(), "spread".into()];
    head.extend(["predicted".to_string(), "after".into()]);
    if with_time {
        head.extend(["ms".to_string(), "after".into()]);
    }
    if with_cycles {
        head.extend(["estimated cycles".to_string(), "after".into(), "ratio".into()]);
    }
    let mut lines = table(head, 2);
    let of = |network: &Network, name: &str| network.layers.iter().find(|line| line.name == name).cloned();
    let mut names: Vec<&str> = before.layers.iter().map(|line| line.name.as_str()).collect();
    names.extend(after.layers.iter().map(|line| line.name.as_str()).filter(|name| of(before, name).is_none()));
    let whole = (Some(before.whole.clone()), Some(after.whole.clone()));
    for (before, after) in names.iter().map(|name| (of(before, name), of(after, name))).chain([whole]) {
        let either = before.as_ref().or(after.as_ref());
        let mut row = vec![either.map_or(String::new(), |line| line.name.clone())];
        row.push(either.map_or(String::new(), |line| line.kind.clone()));
        row.extend(beside(measured(before.as_ref()), measured(after.as_ref())));
        let figure = before.as_ref().and_then(|line| line.measured.as_ref());
        row.push(figure.map_or("-".into(), |figure| thousands(figure.most - figure.least)));
        row.extend([&before, &after].map(|line| line.as_ref().and_then(off).unwrap_or_else(|| "-".into())));
        if with_time {
            let ms = |line: &Option<Line>| {
                let figure = line.as_ref().and_then(|line| line.measured.as_ref()?.milliseconds);
                figure.map_or("-".into(), |ms| format!("{ms:.3}"))
            };
            row.extend([ms(&before), ms(&after)]);
        }
        if with_cycles {
            row.extend(beside(estimated(before.as_ref()), estimated(after.as_ref())));
        }
        lines.add_row(row);
    }
    lines.to_string()
}

/// Several boards, a line each.
fn summary(benches: &[Bench]) -> String {
    let head = [
        "board",
        "core",
        "unit",
        "before",
        "after",
        "ratio",
        "estimated cycles",
        "after",
        "ratio",
        "arena",
        "after",
        "stack",
        "predicted",
        "after",
    ];
    let mut lines = table(head, 3);
    for bench in benches {
        let [before, after] = &bench.networks[..] else { continue };
        let mut row = vec![bench.board.clone(), bench.core.clone()];
        row.push(before.unit.map_or("-".into(), |unit| unit.to_string()));
        row.extend(beside(measured(Some(&before.whole)), measured(Some(&after.whole))));
        row.extend(beside(estimated(Some(&before.whole)), estimated(Some(&after.whole))));
        row.extend([before, after].map(|network| thousands(network.arena_bytes as u64)));
        row.push(before.stack.map_or("-".into(), |(used, _)| thousands(u64::from(used))));
        row.extend([before, after].map(|network| off(&network.whole).unwrap_or_else(|| "-".into())));
        lines.add_row(row);
    }
    lines.to_string()
}

/// What a network's layers execute.
fn classes(network: &Network) -> String {
    let names: Vec<&String> = network.whole.mix.keys().collect();
    if names.is_empty() {
        return "not known".into();
    }
    let mut lines = table(["layer".to_string()].into_iter().chain(names.iter().map(ToString::to_string)), 1);
    for line in network.layers.iter().chain([&network.whole]) {
        let count =
            |name: &&String| line.mix.get(*name).map_or("-".into(), |[instructions, _]| thousands(*instructions));
        lines.add_row([line.name.clone()].into_iter().chain(names.iter().map(count)));
    }
    lines.to_string()
}

/// What there is to say beside the table.
fn notes(bench: &Bench, metric: &str, named: bool) -> String {
    let start = if named { format!("{}: ", bench.board) } else { String::new() };
    let mut notes: Vec<String> = Vec::new();
    for network in &bench.networks {
        if let Some(mlperf) = &network.mlperf {
            let latency = mlperf.latency.as_ref().and_then(|figure| figure.milliseconds);
            let latency = latency.map(|ms| format!(", {ms:.3} ms")).unwrap_or_default();
            let (variant, samples, quality) =
                (network.variant, mlperf.samples, mlperf.accuracy.map_or("not known".into(), percent));
            let differ = mlperf.differing;
            notes.push(format!(
                "{variant}: {metric} {quality} over {samples} samples, {differ} differ from the host{latency}"
            ));
        }
        if let Some((used, bytes)) = network.stack.filter(|_| !named) {
            let (used, bytes) = (thousands(u64::from(used)), thousands(u64::from(bytes)));
            let arena = thousands(network.arena_bytes as u64);
            notes.push(format!("{}: arena {arena} bytes, stack {used} of {bytes} bytes used", network.variant));
        }
        let model = network.model.iter().map(|model| format!("estimated cycles: {model}"));
        notes.extend(model.chain(network.missing.iter().cloned()));
    }
    let mut said = Vec::new();
    notes.retain(|note| {
        !said.contains(note) && {
            said.push(note.clone());
            true
        }
    });
    notes.iter().map(|note| format!("{start}{note}\n")).collect()
}
