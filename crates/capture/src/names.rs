//! Names of nodes and values: module paths where there are parameters, kinds and numbers elsewhere.

use niwaki_graph::{Graph, Op};
use std::collections::{HashMap, HashSet};

/// Names every node after its parameters' module (`conv1`), or after its kind (`add_0`), and every value after the node
/// that yields it. A module that is called twice gives `conv1` and `conv1#2`.
pub(crate) fn assign(graph: &mut Graph) {
    let mut given: HashSet<String> = graph.inputs.iter().map(|id| graph.value(*id).name.clone()).collect();
    let modules: Vec<Option<String>> = graph.nodes.iter().map(|node| module_path(graph, &node.op)).collect();
    let paths: HashSet<String> = modules.iter().flatten().cloned().collect();
    let mut numbers: HashMap<&'static str, usize> = HashMap::new();
    for (index, module) in modules.into_iter().enumerate() {
        let kind = graph.nodes[index].op.kind();
        let name = match module {
            Some(path) => unique(path, |name| given.contains(name)),
            None => loop {
                let number = numbers.entry(kind).or_default();
                let name = format!("{kind}_{number}");
                *number += 1;
                if !given.contains(&name) && !paths.contains(&name) {
                    break name;
                }
            },
        };
        given.insert(name.clone());
        graph.values[graph.nodes[index].output.0].name = name.clone();
        graph.nodes[index].name = name;
    }
}

/// The name itself, or with the first free of `#2`, `#3`, ... where it is taken.
pub(crate) fn unique(name: String, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{name}#{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken(name)).expect("there are endless numbers")
}

/// The module that holds an operation's parameters: `conv1` for `conv1.weight`, and the path itself for a parameter
/// that the user named otherwise.
fn module_path(graph: &Graph, op: &Op) -> Option<String> {
    let first = *op.params().first()?;
    let name = &graph.param(first).name;
    let (path, last) = name.rsplit_once('.').unwrap_or(("", name));
    // Views of a parameter are numbered too; their number belongs to the parameter, not the node.
    let last = last.split('#').next().unwrap_or(last);
    match (last, path) {
        ("weight" | "gamma", "") => None,
        ("weight" | "gamma", path) => Some(path.into()),
        _ if name.starts_with("constant_") => None,
        _ => Some(name.clone()),
    }
}
