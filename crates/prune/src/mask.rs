//! Carrying a decision out by zeros: same shapes, same results as the shrunk graph.

use crate::{Decision, PruneError, Role, groups::from_trace, trace::Trace};
use niwaki_graph::Graph;

/// The graph with the same shapes in which nothing reads what the decision removes.
///
/// Only consumers are zeroed: the removed channels may still hold anything (a bias, a normalised mean), but no kept
/// channel depends on them. That makes the masked graph compute what the shrunk one computes, exactly.
pub fn mask(graph: &Graph, decision: &Decision) -> Result<Graph, PruneError> {
    let groups = from_trace(graph, &Trace::new(graph)?);
    let classes = decision.classes(&groups)?;
    let mut masked = graph.clone();
    let units = groups.prunable.iter().flat_map(|group| &group.units);
    for slice in units.filter(|unit| classes.contains(&unit.class)).flat_map(|unit| &unit.slices) {
        if slice.role == Role::Consumer {
            let param = &mut masked.params[slice.param.0];
            for place in slice.places(&param.shape) {
                param.data[place] = 0.0;
            }
        }
    }
    Ok(masked)
}
