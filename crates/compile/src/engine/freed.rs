//! What the removal of coupled units saves on a core, before anything is removed.

use crate::{
    CompileError,
    fit::{Target, estimate},
};
use niwaki_graph::{Graph, fold_batch_norm};
use niwaki_prune::{Decision, Groups, Removal, shrink};
use niwaki_quantise::Range;
use serde::Serialize;

/// What leaves with some units of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FreedInstructions {
    /// The group's name.
    pub group: String,
    /// Units that leave.
    pub units: usize,
    /// Instructions of one inference that leave with them; negative where narrower layers take more.
    pub instructions: i64,
}

/// Predicts the instructions of one inference on a core, and how many of them each group would free if `units` of its
/// units left (or all but one of a smaller group).
///
/// Predictions rest on what was measured on the emulated core ([`niwaki_pack::cost`]). They depend on shapes alone, so
/// nothing is calibrated.
///
/// # Errors
/// Where the graph has no form on a device, or no operation like one of it was measured on the core.
pub fn freed_instructions(
    graph: &Graph,
    groups: &Groups,
    units: usize,
    target: &Target,
) -> Result<(u64, Vec<FreedInstructions>), CompileError> {
    let whole = instructions(graph, target)?;
    let of = |group: &niwaki_prune::Group| {
        let count = units.clamp(1, group.units.len() - 1);
        let removal = Removal { group: group.name.clone(), units: group.units.len(), remove: (0..count).collect() };
        let left = instructions(&shrink(graph, &Decision { groups: vec![removal] })?, target)?;
        let freed =
            FreedInstructions { group: group.name.clone(), units: count, instructions: whole as i64 - left as i64 };
        Ok::<_, CompileError>(freed)
    };
    Ok((whole, groups.prunable.iter().map(of).collect::<Result<_, _>>()?))
}

fn instructions(graph: &Graph, target: &Target) -> Result<u64, CompileError> {
    let any = Range { min: -1.0, max: 1.0 };
    let ranges = fold_batch_norm(graph).values.into_iter().map(|value| (value.name, any)).collect();
    Ok(estimate(graph, &ranges, target)?.cost.round() as u64)
}
