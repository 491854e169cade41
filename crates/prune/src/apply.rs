//! Carrying a decision out, whatever its units are.

use crate::{Decision, PruneError, Structure, branches, mask, shrink, sites};
use niwaki_graph::{Graph, Op, ParamId};
use std::collections::BTreeSet;

/// The graph without what the decision removes: smaller tensors, fewer layers, or zeros where a mask has to hold them
/// ([`zeroed_params`] names the weights).
pub fn remove(graph: &Graph, structure: Structure, decision: &Decision) -> Result<Graph, PruneError> {
    match structure {
        Structure::Channels | Structure::Neurons => shrink(graph, decision),
        Structure::Layers => {
            let found = branches::branches(graph);
            let gone = chosen(graph, decision)?;
            let smaller = branches::without(graph, &gone.iter().map(|unit| &found[*unit]).collect::<Vec<_>>());
            smaller.validate()?;
            Ok(smaller)
        }
        _ => zeroed(graph, structure, decision),
    }
}

/// The graph with the same shapes in which nothing depends on what the decision removes: it computes what [`remove`]
/// leaves.
pub fn silence(graph: &Graph, structure: Structure, decision: &Decision) -> Result<Graph, PruneError> {
    match structure {
        Structure::Channels | Structure::Neurons => mask(graph, decision),
        Structure::Layers => {
            let found = branches::branches(graph);
            let gone = chosen(graph, decision)?;
            Ok(branches::silenced(graph, &gone.iter().map(|unit| &found[*unit]).collect::<Vec<_>>()))
        }
        _ => zeroed(graph, structure, decision),
    }
}

/// The branches that a decision names, after checking that it fits.
fn chosen(graph: &Graph, decision: &Decision) -> Result<Vec<usize>, PruneError> {
    checked(graph, Structure::Layers, decision)?;
    Ok(decision.groups.iter().flat_map(|removal| removal.remove.iter().copied()).collect())
}

fn checked(graph: &Graph, structure: Structure, decision: &Decision) -> Result<crate::Sites, PruneError> {
    let found = sites(graph, structure)?;
    for removal in &decision.groups {
        let group = || removal.group.clone();
        let site = found.sites.iter().find(|site| site.name == removal.group);
        let site = site.ok_or_else(|| PruneError::UnknownGroup { group: group() })?;
        if site.units != removal.units {
            return Err(PruneError::GroupWidth { group: group(), decided: removal.units, found: site.units });
        }
        if let Some(unit) = removal.remove.iter().find(|unit| **unit >= site.units) {
            return Err(PruneError::UnknownUnit { group: group(), unit: *unit, units: site.units });
        }
    }
    Ok(found)
}

fn zeroed(graph: &Graph, structure: Structure, decision: &Decision) -> Result<Graph, PruneError> {
    let found = checked(graph, structure, decision)?;
    let mut masked = graph.clone();
    for removal in &decision.groups {
        let gone: BTreeSet<u32> = removal.remove.iter().map(|unit| *unit as u32).collect();
        for (id, map) in found.sites.iter().filter(|site| site.name == removal.group).flat_map(|site| &site.gates) {
            let weights = masked.params[id.0].data.iter_mut().zip(map);
            weights.filter(|(_, unit)| gone.contains(unit)).for_each(|(weight, _)| *weight = 0.0);
        }
    }
    Ok(masked)
}

/// Names of the weights that a decision about blocks, N:M or single weights puts zeros into.
pub fn zeroed_params(graph: &Graph, structure: Structure, decision: &Decision) -> Result<BTreeSet<String>, PruneError> {
    if structure.shrinks() {
        return Ok(BTreeSet::new());
    }
    let found = checked(graph, structure, decision)?;
    let touched = found
        .sites
        .iter()
        .filter(|site| decision.groups.iter().any(|removal| removal.group == site.name && !removal.remove.is_empty()));
    Ok(touched.flat_map(|site| &site.gates).map(|(id, _)| graph.param(*id).name.clone()).collect())
}

/// Names of weights with at least two dimensions of which this share or more is zero: a network that was loaded does not
/// say what its masks were.
pub fn sparse_params(graph: &Graph, share: f64) -> BTreeSet<String> {
    let zeros = |data: &[f32]| data.iter().filter(|x| **x == 0.0).count() as f64;
    let sparse = |param: &&niwaki_graph::Param| {
        param.shape.len() > 1 && zeros(&param.data) > 0.0 && zeros(&param.data) >= share * param.data.len() as f64
    };
    graph.params.iter().filter(sparse).map(|param| param.name.clone()).collect()
}

/// For each of these weights, which elements are not zero: what training has to keep so. Channels that left since took
/// their part of the mask with them.
pub fn masks(graph: &Graph, names: &BTreeSet<String>) -> Vec<(ParamId, Vec<bool>)> {
    let held = graph.params.iter().enumerate().filter(|(_, param)| names.contains(&param.name));
    held.map(|(index, param)| (ParamId(index), param.data.iter().map(|x| *x != 0.0).collect())).collect()
}

/// Multiply-accumulates of one inference by weights that are not zero.
pub fn live_macs(graph: &Graph) -> usize {
    let live = |node: &niwaki_graph::Node| {
        let weight = match &node.op {
            Op::Conv(conv) => graph.param(conv.weight),
            Op::Linear(linear) => graph.param(linear.weight),
            _ => return graph.macs(node),
        };
        let positions = graph.macs(node) / weight.data.len().max(1);
        positions * weight.data.iter().filter(|x| **x != 0.0).count()
    };
    graph.nodes.iter().map(live).sum()
}
