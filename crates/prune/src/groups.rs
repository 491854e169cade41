//! Coupled groups: what can be removed, what goes with it, and what cannot be removed and why.

use crate::{PruneError, atoms::Atom, cost, trace::Trace};
use niwaki_graph::{Graph, ParamId};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What an axis of a parameter does with the channels it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Yields them: filters and their biases, columns of a linear layer.
    Producer,
    /// Works on each by itself: depthwise filters, batch normalisation.
    Channelwise,
    /// Reads and mixes them: input channels of a convolution, rows of a linear layer.
    Consumer,
}

/// Everything at one index of one axis of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// The parameter.
    pub param: ParamId,
    /// The axis.
    pub axis: usize,
    /// The index along the axis.
    pub index: usize,
    /// What the axis does with the channel.
    pub role: Role,
}

impl Slice {
    /// Places of the slice's elements in data of this shape, ascending.
    pub fn places(self, shape: &[usize]) -> impl Iterator<Item = usize> + use<> {
        let inner: usize = shape[self.axis + 1..].iter().product();
        let outer: usize = shape[..self.axis].iter().product();
        let size = shape[self.axis];
        (0..outer).flat_map(move |o| {
            let start = (o * size + self.index) * inner;
            start..start + inner
        })
    }
}

/// The smallest removal that leaves a valid graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unit {
    /// What leaves, by parameter, axis and index.
    pub slices: Vec<Slice>,
    /// Elements of parameters that leave with it.
    pub parameters: usize,
    /// Multiply-accumulates per inference that leave with it.
    pub macs: usize,
    /// Its class in the trace.
    #[serde(skip)]
    pub(crate) class: Atom,
}

/// Units that touch the same axes of the same parameters and pass the same slices, in the order of their channels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Unique in the graph: the producers' names, joined by `+`.
    pub name: String,
    /// Names of the nodes that compute these channels.
    pub producers: Vec<String>,
    /// Names of all other nodes that lose parameters with them.
    pub followers: Vec<String>,
    /// What can be removed; at least two.
    pub units: Vec<Unit>,
}

/// Channels that cannot be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frozen {
    /// The nodes that compute them, or `NODE (input)` where none does.
    pub name: String,
    /// How many channels (classes of coupled ones).
    pub channels: usize,
    /// Why: the end of a sentence that starts with the name.
    pub reason: String,
}

/// What of a graph can be pruned and what cannot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Groups {
    /// Groups in the order of their first producer.
    pub prunable: Vec<Group>,
    /// The rest.
    pub frozen: Vec<Frozen>,
}

/// Finds the coupled groups of a graph.
///
/// Residual adds, gates, concatenation, slices, depthwise and grouped convolutions, normalisation, attention heads, flattening
/// into linear layers, transposes, padding, constants and shared parameters are followed. Channels that reach the graph's
/// inputs or outputs, that a softmax or layer normalisation normalises over, that a product of values sums over, or that
/// cannot be followed, are listed as frozen.
pub fn groups(graph: &Graph) -> Result<Groups, PruneError> {
    Ok(from_trace(graph, &Trace::new(graph)?))
}

/// Axes that a unit touches: what makes units interchangeable.
type Signature = Vec<(ParamId, usize)>;

pub(crate) fn from_trace(graph: &Graph, trace: &Trace) -> Groups {
    let mut slices: BTreeMap<Atom, Vec<Slice>> = BTreeMap::new();
    for ((param, axis), held) in &trace.axes {
        for (index, atom) in held.atoms.iter().enumerate() {
            let slice = Slice { param: *param, axis: *axis, index, role: held.role };
            slices.entry(trace.classes.of(*atom)).or_default().push(slice);
        }
    }
    let freed = cost::freed(graph, trace);
    // One unit of every group stays, so no slice that tells groups apart ends up empty.
    let mut candidates: BTreeMap<(Signature, BTreeSet<usize>), Vec<Unit>> = BTreeMap::new();
    let mut frozen: BTreeMap<(Signature, String), usize> = BTreeMap::new();
    for (class, slices) in slices {
        let mut signature: Signature = slices.iter().map(|slice| (slice.param, slice.axis)).collect();
        signature.dedup();
        let reason = match trace.classes.frozen(class) {
            Some(reason) => Some(reason.to_string()),
            None if slices.iter().any(|slice| slice.role == Role::Producer) => None,
            None => Some("holds channels that no layer computes (a constant border)".into()),
        };
        match reason {
            Some(reason) => *frozen.entry((signature, reason)).or_default() += 1,
            None => {
                let freed = freed.get(&class).copied().unwrap_or_default();
                let unit = Unit { slices, parameters: freed.parameters, macs: freed.macs, class };
                let passes = trace.slices.get(&class).cloned().unwrap_or_default();
                candidates.entry((signature, passes)).or_default().push(unit);
            }
        }
    }
    let candidates = candidates.into_iter().map(|((signature, _), units)| (signature, units));
    // A single unit is all there is: nothing would be left.
    let (single, several): (Vec<_>, Vec<_>) = candidates.partition(|(_, units)| units.len() == 1);
    let alone = "is one unit: all of its channels are coupled with each other, or it has only one";
    for (signature, _) in single {
        *frozen.entry((signature, alone.into())).or_default() += 1;
    }
    Groups { prunable: name_groups(graph, trace, several), frozen: name_frozen(graph, trace, frozen) }
}

/// Nodes that use any of these axes in this role, in execution order.
fn users(trace: &Trace, signature: &Signature, role: Role) -> BTreeSet<usize> {
    let axes = signature.iter().map(|key| &trace.axes[key]).filter(|axis| axis.role == role);
    axes.flat_map(|axis| axis.nodes.iter().copied()).collect()
}

fn names(graph: &Graph, nodes: &BTreeSet<usize>) -> Vec<String> {
    nodes.iter().map(|index| graph.nodes[*index].name.clone()).collect()
}

fn name_groups(graph: &Graph, trace: &Trace, mut found: Vec<(Signature, Vec<Unit>)>) -> Vec<Group> {
    found.sort_by_key(|(signature, units)| (users(trace, signature, Role::Producer), units[0].class));
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups = Vec::new();
    for (signature, units) in found {
        let nodes = users(trace, &signature, Role::Producer);
        let rest = [Role::Channelwise, Role::Consumer].map(|role| users(trace, &signature, role));
        let followers: BTreeSet<usize> = rest.into_iter().flatten().filter(|node| !nodes.contains(node)).collect();
        let producers = names(graph, &nodes);
        let mut name = producers.join("+");
        let count = taken.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            name = format!("{name}#{count}");
        }
        groups.push(Group { name, producers, followers: names(graph, &followers), units });
    }
    groups
}

fn name_frozen(graph: &Graph, trace: &Trace, found: BTreeMap<(Signature, String), usize>) -> Vec<Frozen> {
    let mut entries: Vec<(BTreeSet<usize>, Frozen)> = Vec::new();
    for ((signature, reason), channels) in found {
        let mut nodes = users(trace, &signature, Role::Producer);
        nodes.extend(users(trace, &signature, Role::Channelwise));
        let mut suffix = "";
        if nodes.is_empty() {
            nodes = users(trace, &signature, Role::Consumer);
            suffix = " (input)";
        }
        let name = names(graph, &nodes).join("+") + suffix;
        entries.push((nodes, Frozen { name, channels, reason }));
    }
    entries.sort_by(|a, b| (&a.0, &a.1.name, &a.1.reason).cmp(&(&b.0, &b.1.name, &b.1.reason)));
    entries.into_iter().map(|(_, frozen)| frozen).collect()
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.prunable {
            // Units of a group differ at most by where they lie in it; the first stands for all.
            let unit = &group.units[0];
            let (count, name) = (group.units.len(), &group.name);
            write!(f, "{name}: {count} units, each {} parameters and {} MACs", unit.parameters, unit.macs)?;
            match group.followers.is_empty() {
                true => writeln!(f)?,
                false => writeln!(f, "; also cuts {}", group.followers.join(", "))?,
            }
        }
        for frozen in &self.frozen {
            writeln!(f, "{}: {} channels stay, it {}", frozen.name, frozen.channels, frozen.reason)?;
        }
        Ok(())
    }
}
