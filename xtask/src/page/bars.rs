//! What each layer takes, before and after pruning, as bars.

use super::cell;
use crate::benched::{Line, Network};
use maud::{Markup, html};

/// The median of a line.
fn measured(line: Option<&Line>) -> Option<u64> {
    Some(line?.measured.as_ref()?.median)
}

/// A pair of bars for every layer of either network.
pub(crate) fn bars(before: &Network, after: &Network) -> Markup {
    let find = |network: &'_ Network, name: &str| network.layers.iter().find(|line| line.name == name).cloned();
    let mut names: Vec<&str> = before.layers.iter().map(|line| line.name.as_str()).collect();
    names.extend(after.layers.iter().map(|line| line.name.as_str()).filter(|name| find(before, name).is_none()));
    let layers: Vec<_> = names.iter().map(|name| (*name, find(before, name), find(after, name))).collect();
    let all = layers.iter().flat_map(|(_, before, after)| [measured(before.as_ref()), measured(after.as_ref())]);
    let most = all.flatten().max().unwrap_or(1).max(1);
    let bar = |class: &str, line: Option<&Line>| {
        let count = measured(line);
        let width = count.map_or(0.0, |count| (count as f64 * 1000.0 / most as f64).round() / 10.0);
        html! { div.bar { div class=(class) style=(format!("width:{width}%")) {} span { (cell(count)) } } }
    };
    html! {
        div.bars {
            @for (name, before, after) in &layers {
                div.name {
                    (name) " "
                    span.kind { (before.as_ref().or(after.as_ref()).map_or("", |line| line.kind.as_str())) }
                }
                div.pair { (bar("unpruned", before.as_ref())) (bar("pruned", after.as_ref())) }
            }
        }
    }
}
