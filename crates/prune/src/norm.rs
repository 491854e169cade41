//! Scores: how much each unit matters; here from the norms of the weights that compute channels.

use crate::{Group, Groups, PruneError, Sites, Slice};
use niwaki_graph::{Graph, Node, Op, ParamId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One number per unit of every group, in the order of [`Groups::prunable`]: the lowest leave first.
///
/// Any other source of scores fills the same lists, walking [`crate::Unit::slices`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// Per group, per unit.
    pub groups: Vec<Vec<f32>>,
}

impl Scores {
    /// Checks that there is one finite score per unit.
    pub fn check(&self, groups: &Groups) -> Result<(), PruneError> {
        let wrong = |group: &str, expected, found| PruneError::Scores { group: group.into(), expected, found };
        if self.groups.len() != groups.prunable.len() {
            return Err(wrong("the groups", groups.prunable.len(), self.groups.len()));
        }
        for (group, scores) in groups.prunable.iter().zip(&self.groups) {
            if scores.len() != group.units.len() {
                return Err(wrong(&format!("group `{}`", group.name), group.units.len(), scores.len()));
            }
            if let Some(unit) = scores.iter().position(|score| !score.is_finite()) {
                return Err(PruneError::NotFinite { group: group.name.clone(), unit, score: scores[unit] });
            }
        }
        Ok(())
    }

    /// Checks that there is one finite score per unit of every site.
    pub fn check_sites(&self, sites: &Sites) -> Result<(), PruneError> {
        let wrong = |group: &str, expected, found| PruneError::Scores { group: group.into(), expected, found };
        if self.groups.len() != sites.sites.len() {
            return Err(wrong("the sites", sites.sites.len(), self.groups.len()));
        }
        for (site, scores) in sites.sites.iter().zip(&self.groups) {
            if scores.len() != site.units {
                return Err(wrong(&format!("`{}`", site.name), site.units, scores.len()));
            }
            if let Some(unit) = scores.iter().position(|score| !score.is_finite()) {
                return Err(PruneError::NotFinite { group: site.name.clone(), unit, score: scores[unit] });
            }
        }
        Ok(())
    }
}

/// The norm of the weights that compute a channel, as its importance.
///
/// Magnitudes are those of the weights that compute the unit's channels: filters, columns of linear layers, depthwise
/// filters; biases do not count. Where batch normalisation follows directly, weights are scaled by its
/// `gamma / sqrt(var + epsilon)` first, because it would undo any scale of the weights themselves. Each tensor's norms
/// are divided by their mean over the group before a unit's tensors are averaged, so that no layer of a group drowns
/// the others, and the mean score of a group is 1 (less where a tensor holds only zeros), so that groups can be ranked
/// against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Norm {
    /// Sum of absolute values (Li et al. 2017, arXiv:1608.08710).
    L1,
    /// Square root of the sum of squares.
    L2,
}

impl Norm {
    /// Scores every unit.
    pub fn scores(self, graph: &Graph, groups: &Groups) -> Scores {
        let filters = filters(graph);
        Scores { groups: groups.prunable.iter().map(|group| self.group(graph, group, &filters)).collect() }
    }

    fn group(self, graph: &Graph, group: &Group, filters: &BTreeMap<ParamId, Filters>) -> Vec<f32> {
        let mut tensors: BTreeMap<ParamId, Vec<f64>> = BTreeMap::new();
        for (unit, held) in group.units.iter().enumerate() {
            for slice in &held.slices {
                if let Some(filters) = filters.get(&slice.param).filter(|filters| filters.axis == slice.axis) {
                    let sums = tensors.entry(slice.param).or_insert_with(|| vec![0.0; group.units.len()]);
                    sums[unit] += self.sum(graph, *slice, filters.scale(slice.index));
                }
            }
        }
        let mut scores = vec![0.0; group.units.len()];
        for sums in tensors.values() {
            let norms: Vec<f64> = sums.iter().map(|sum| if self == Self::L2 { sum.sqrt() } else { *sum }).collect();
            let mean = norms.iter().sum::<f64>() / norms.len() as f64;
            // A tensor of zeros has no preference.
            let divisor = if mean == 0.0 { 1.0 } else { mean * tensors.len() as f64 };
            for (score, norm) in scores.iter_mut().zip(norms) {
                *score += norm / divisor;
            }
        }
        scores.into_iter().map(|score| score as f32).collect()
    }

    /// What a slice adds to its unit's norm, before any root.
    fn sum(self, graph: &Graph, slice: Slice, scale: f64) -> f64 {
        let param = graph.param(slice.param);
        let weights = slice.places(&param.shape).map(|place| f64::from(param.data[place]) * scale);
        match self {
            Self::L1 => weights.map(f64::abs).sum(),
            Self::L2 => weights.map(|x| x * x).sum(),
        }
    }
}

/// A weight tensor that computes channels.
struct Filters {
    /// The axis of the channels it computes.
    axis: usize,
    /// Factor per channel, from batch normalisation; empty for none.
    scale: Vec<f64>,
}

impl Filters {
    fn scale(&self, channel: usize) -> f64 {
        self.scale.get(channel).copied().unwrap_or(1.0)
    }
}

/// All weight tensors; one that is shared counts as in its first use.
fn filters(graph: &Graph) -> BTreeMap<ParamId, Filters> {
    let mut filters = BTreeMap::new();
    for node in &graph.nodes {
        let (weight, axis) = match &node.op {
            Op::Conv(conv) => (conv.weight, 0),
            Op::Linear(linear) => (linear.weight, 1),
            _ => continue,
        };
        filters.entry(weight).or_insert_with(|| Filters { axis, scale: norm_scale(graph, node) });
    }
    filters
}

/// Scale per channel of the batch normalisation that reads a layer's output; empty for none.
fn norm_scale(graph: &Graph, node: &Node) -> Vec<f64> {
    // Over a sequence, a linear layer yields the last dimension, and batch normalisation works on the first.
    if matches!(node.op, Op::Linear(_)) && graph.value(node.output).shape.len() > 1 {
        return Vec::new();
    }
    let norm = graph.consumers(node.output).into_iter().find_map(|index| match &graph.nodes[index].op {
        Op::BatchNorm(norm) => Some(norm),
        _ => None,
    });
    norm.map_or_else(Vec::new, |norm| {
        let data = |id: ParamId| graph.param(id).data.iter().map(|x| f64::from(*x));
        data(norm.gamma).zip(data(norm.var)).map(|(gamma, var)| gamma / (var + norm.epsilon).sqrt()).collect()
    })
}
