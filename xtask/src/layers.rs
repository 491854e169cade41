//! The table of layers, before and after pruning side by side by name.

use crate::{
    output::{ratio, thousands},
    report::Column,
};
use comfy_table::Table;
use niwaki_pack::artefact::Layer;

/// One line: a layer of either network, with what it takes where that was counted.
struct Line<'a> {
    before: Option<(&'a Layer, Option<u64>)>,
    after: Option<(&'a Layer, Option<u64>)>,
}

/// The table. Layers that pruning removed have no right half, new ones no left one.
pub(crate) fn table(before: &Column, after: &Column) -> Table {
    let head = ["layer", "kind", "output", "after", "MACs", "after", "ratio", "count", "after", "ratio"];
    let unit = [before, after].into_iter().find_map(|column| Some(column.board.as_ref()?.count.as_ref()?.unit));
    let head = head.map(|cell| match (cell, unit) {
        ("count", Some(unit)) => unit.to_string(),
        ("count", None) => "instructions".into(),
        (other, _) => other.to_string(),
    });
    let mut table = crate::output::table(head, 2);
    for line in align(&counted(before), &counted(after)) {
        let names = [line.before, line.after].into_iter().flatten().next().map(|(layer, _)| layer);
        let (name, kind) = names.map_or(("", ""), |layer| (&layer.name, &layer.kind));
        let shape = |half: Option<(&Layer, _)>| {
            half.map_or("-".into(), |(layer, _)| layer.output.map(|size| size.to_string()).join("x"))
        };
        let macs = |half: Option<(&Layer, _)>| half.map(|(layer, _)| layer.macs as u64);
        let count = |half: Option<(&Layer, Option<u64>)>| half.and_then(|(_, count)| count);
        let mut row = vec![name.to_string(), kind.to_string(), shape(line.before), shape(line.after)];
        for (before, after) in [(macs(line.before), macs(line.after)), (count(line.before), count(line.after))] {
            row.push(before.map_or("-".into(), thousands));
            row.push(after.map_or("-".into(), thousands));
            row.push(before.zip(after).map(|(before, after)| ratio(before, after)).unwrap_or_default());
        }
        table.add_row(row);
    }
    table
}

fn counted(column: &Column) -> Vec<(&Layer, Option<u64>)> {
    let counts = column.board.as_ref().and_then(|board| board.count.as_ref());
    let count = |index: usize| counts.and_then(|count| count.layers.get(index).copied());
    column.host.layers.iter().enumerate().map(|(index, layer)| (layer, count(index))).collect()
}

/// Pairs layers of the same name, each list in its own order.
fn align<'a>(before: &[(&'a Layer, Option<u64>)], after: &[(&'a Layer, Option<u64>)]) -> Vec<Line<'a>> {
    let (mut lines, mut rest) = (Vec::new(), after);
    for old in before {
        let same = rest.iter().position(|new| new.0.name == old.0.name);
        // What comes before its namesake is new.
        let (new, from) = rest.split_at(same.unwrap_or(0));
        lines.extend(new.iter().map(|new| Line { before: None, after: Some(*new) }));
        let namesake = same.and_then(|_| from.first());
        lines.push(Line { before: Some(*old), after: namesake.copied() });
        rest = if namesake.is_some() { &from[1..] } else { from };
    }
    lines.extend(rest.iter().map(|new| Line { before: None, after: Some(*new) }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(names: &[&str]) -> Vec<Layer> {
        let layer = |name: &&str| Layer {
            name: name.to_string(),
            kind: "conv2d".into(),
            output: [8, 8, 4],
            macs: 10,
            parameter_bytes: 1,
        };
        names.iter().map(layer).collect()
    }

    fn aligned(before: &[&str], after: &[&str]) -> Vec<String> {
        let (before, after) = (layers(before), layers(after));
        let some = |layers: &'static [Layer]| layers.iter().map(|layer| (layer, None)).collect::<Vec<_>>();
        let lines = align(&some(before.leak()), &some(after.leak()));
        let name = |half: Option<(&Layer, _)>| half.map_or("-".to_string(), |(layer, _)| layer.name.clone());
        lines.iter().map(|line| format!("{} {}", name(line.before), name(line.after))).collect()
    }

    #[test]
    fn layers_line_up_by_name() {
        assert_eq!(aligned(&["a", "b", "c"], &["a", "b", "c"]), ["a a", "b b", "c c"]);
        assert_eq!(aligned(&["a", "b", "c"], &["a", "c"]), ["a a", "b -", "c c"]);
        assert_eq!(aligned(&["a", "c"], &["a", "b", "c", "d"]), ["a a", "- b", "c c", "- d"]);
        assert_eq!(aligned(&[], &["a"]), ["- a"]);
    }
}
