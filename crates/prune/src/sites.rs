//! Where units compete: one form for channels, branches, blocks and single weights.

use crate::{
    Groups, PruneError, Role, Structure,
    blocks::{self, places},
    branches::{Branch, branches},
    groups,
};
use niwaki_graph::{Graph, Op, ParamId, ValueId};
use std::fmt;

/// In [`Site::gates`] and [`Site::members`]: an element that belongs to no unit.
pub const NO_UNIT: u32 = u32::MAX;

/// For every element of a parameter, the unit it belongs to, or [`NO_UNIT`].
pub type UnitMap = (ParamId, Vec<u32>);

/// Units that can be ranked against each other, and removed one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Unique: the group's name, the layer's, or `residual branches`.
    pub name: String,
    /// The units' names where they have any: residual branches.
    pub unit_names: Vec<String>,
    /// How many units there are.
    pub units: usize,
    /// Elements that a removed unit's masked form has as zeros. Multiplying them with a gate opens and closes a unit.
    pub gates: Vec<UnitMap>,
    /// For branches: the value that a unit's gate multiplies.
    pub values: Vec<ValueId>,
    /// Weights that make up a unit: what magnitudes are taken of.
    pub members: Vec<UnitMap>,
    /// Parameters that leave with each unit (masked ones: become zero).
    pub parameters: Vec<usize>,
    /// Multiply-accumulates that leave with each unit.
    pub macs: Vec<usize>,
    /// N:M: units are in runs of this many, and each run loses the same number. 0 elsewhere.
    pub run: usize,
}

/// All sites of a graph for one structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Sites {
    /// What its units are.
    pub structure: Structure,
    /// In the order of the graph.
    pub sites: Vec<Site>,
}

/// Finds what can be removed of a graph.
///
/// Channels and neurons are the coupled groups of [`groups`]; the layers are residual branches; blocks, N:M and single
/// weights are those of convolutions in one group and of linear layers, except for weights that several nodes
/// share and for layers that compute the network's outputs, if those are few. An empty list means that the graph has nothing of the kind.
pub fn sites(graph: &Graph, structure: Structure) -> Result<Sites, PruneError> {
    graph.validate()?;
    let sites = match structure {
        Structure::Channels => groups(graph)?.prunable.iter().map(|group| of_group(graph, group)).collect(),
        Structure::Neurons => {
            let linear =
                |name: &String| graph.nodes.iter().any(|node| node.name == *name && matches!(node.op, Op::Linear(_)));
            let Groups { prunable, .. } = groups(graph)?;
            prunable.iter().filter(|group| group.producers.iter().all(linear)).map(|g| of_group(graph, g)).collect()
        }
        Structure::Layers => of_branches(graph, &branches(graph)),
        Structure::Blocks(shape) => of_weights(graph, &|rows| blocks::blocks(rows, shape.rows()), 0),
        Structure::NOfM { of, .. } => of_weights(graph, &|rows| single(rows, of), of),
        Structure::Weights => of_weights(graph, &|rows| single(rows, 1), 0),
    };
    Ok(Sites { structure, sites })
}

fn of_group(graph: &Graph, group: &crate::Group) -> Site {
    let map = |wanted: &dyn Fn(Role, &[usize]) -> bool| {
        let mut maps: Vec<UnitMap> = Vec::new();
        for (unit, held) in group.units.iter().enumerate() {
            for slice in &held.slices {
                let param = graph.param(slice.param);
                if !wanted(slice.role, &param.shape) {
                    continue;
                }
                let place = maps.iter().position(|(id, _)| *id == slice.param).unwrap_or_else(|| {
                    maps.push((slice.param, vec![NO_UNIT; param.data.len()]));
                    maps.len() - 1
                });
                slice.places(&param.shape).for_each(|element| maps[place].1[element] = unit as u32);
            }
        }
        maps
    };
    Site {
        name: group.name.clone(),
        unit_names: Vec::new(),
        units: group.units.len(),
        gates: map(&|role, _| role == Role::Consumer),
        values: Vec::new(),
        members: map(&|role, shape| role != Role::Consumer && shape.len() > 1),
        parameters: group.units.iter().map(|unit| unit.parameters).collect(),
        macs: group.units.iter().map(|unit| unit.macs).collect(),
        run: 0,
    }
}

fn of_branches(graph: &Graph, found: &[Branch]) -> Vec<Site> {
    if found.is_empty() {
        return Vec::new();
    }
    let mut members: Vec<UnitMap> = Vec::new();
    for (unit, branch) in found.iter().enumerate() {
        for id in branch.weights(graph) {
            members.push((id, vec![unit as u32; graph.param(id).data.len()]));
        }
    }
    let parameters = |branch: &Branch| {
        let mut ids: Vec<ParamId> = branch.nodes.iter().flat_map(|node| graph.nodes[*node].op.params()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(|id| graph.param(*id).data.len()).sum()
    };
    let macs = |branch: &Branch| branch.nodes.iter().map(|node| graph.macs(&graph.nodes[*node])).sum();
    vec![Site {
        name: "residual branches".into(),
        unit_names: found.iter().map(|branch| branch.name(graph)).collect(),
        units: found.len(),
        gates: Vec::new(),
        values: found.iter().map(|branch| branch.value).collect(),
        members,
        parameters: found.iter().map(parameters).collect(),
        macs: found.iter().map(macs).collect(),
        run: 0,
    }]
}

impl Branch {
    /// The names of its first and last layer.
    pub(crate) fn name(&self, graph: &Graph) -> String {
        let layers: Vec<&str> = self
            .nodes
            .iter()
            .map(|index| &graph.nodes[*index])
            .filter(|node| graph.macs(node) > 0)
            .map(|node| node.name.as_str())
            .collect();
        match layers[..] {
            [one] => one.to_string(),
            [first, .., last] => format!("{first} to {last}"),
            [] => graph.nodes[self.join].name.clone(),
        }
    }
}

/// Every weight by itself, row by row, in runs of `of`; what is left of a row belongs to no unit.
fn single(rows: &[Vec<usize>], of: usize) -> Vec<Vec<usize>> {
    rows.iter().flat_map(|row| row.chunks_exact(of).flatten().map(|place| vec![*place])).collect()
}

/// Places in a weight: row by row, or unit by unit.
type Places = Vec<Vec<usize>>;

fn of_weights(graph: &Graph, split: &dyn Fn(&[Vec<usize>]) -> Places, run: usize) -> Vec<Site> {
    let mut sites = Vec::new();
    for node in &graph.nodes {
        let Some(rows) = places(graph, node) else { continue };
        let units = split(&rows);
        if units.len() < 2 {
            continue;
        }
        let id = node.op.params()[0];
        let mut map = vec![NO_UNIT; graph.param(id).data.len()];
        for (unit, places) in units.iter().enumerate() {
            places.iter().for_each(|place| map[*place] = unit as u32);
        }
        let positions = graph.macs(node) / map.len().max(1);
        sites.push(Site {
            name: node.name.clone(),
            unit_names: Vec::new(),
            units: units.len(),
            gates: vec![(id, map.clone())],
            values: Vec::new(),
            members: vec![(id, map)],
            parameters: units.iter().map(Vec::len).collect(),
            macs: units.iter().map(|places| places.len() * positions).collect(),
            run,
        });
    }
    sites
}

impl fmt::Display for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for site in &self.sites {
            let total = |of: &[usize]| of.iter().sum::<usize>();
            if site.unit_names.is_empty() {
                let (parameters, macs) = (total(&site.parameters), total(&site.macs));
                let name = &site.name;
                writeln!(
                    f,
                    "{name}: {} {}, together {parameters} parameters and {macs} MACs",
                    site.units, self.structure
                )?;
            }
            for (unit, name) in site.unit_names.iter().enumerate() {
                writeln!(f, "{name}: {} parameters and {} MACs", site.parameters[unit], site.macs[unit])?;
            }
        }
        match self.sites.is_empty() {
            true => writeln!(f, "nothing: this network has no {} that can leave", self.structure),
            false => Ok(()),
        }
    }
}
