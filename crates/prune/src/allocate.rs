//! How much leaves each group, and which units: the ones with the lowest scores.

use crate::{Decision, Groups, PruneError, Removal, Scores};

/// How the removal is shared out among groups.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Allocation {
    /// The same share of every group.
    Uniform {
        /// Share of the units that leaves: at least 0, below 1.
        ratio: f64,
    },
}

/// What every allocation observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of units kept is a multiple of this, or the group stays whole. Kernels that work on 4 channels at a
    /// time gain nothing from 5.
    pub tile: usize,
    /// At least this many units are kept.
    pub min_width: usize,
}

impl Default for Limits {
    /// No rounding; one unit is kept.
    fn default() -> Self {
        Self { tile: 1, min_width: 1 }
    }
}

impl Limits {
    /// How many of `units` to keep when `wanted` would be right: the nearest allowed number, the larger of two.
    pub fn keep(self, units: usize, wanted: f64) -> usize {
        let tile = self.tile.max(1);
        let least = self.min_width.max(1).next_multiple_of(tile);
        // `min_by` takes the first of equals: the larger, in descending order.
        let descending = (least..units).step_by(tile).chain([units]).rev();
        let off = |kept: &usize| (*kept as f64 - wanted).abs();
        descending.min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(units)
    }
}

impl Allocation {
    /// Decides what leaves each group.
    ///
    /// Of units with equal scores, the later one leaves first, so that the same scores always give the same decision.
    pub fn decide(self, groups: &Groups, scores: &Scores, limits: Limits) -> Result<Decision, PruneError> {
        scores.check(groups)?;
        let Self::Uniform { ratio } = self;
        check_share("the pruning ratio", ratio)?;
        let removals = groups.prunable.iter().zip(&scores.groups).map(|(group, scores)| {
            let units = group.units.len();
            let kept = limits.keep(units, units as f64 * (1.0 - ratio));
            Removal { group: group.name.clone(), units, remove: lowest(scores, units - kept) }
        });
        Ok(Decision { groups: removals.collect() })
    }
}

pub(crate) fn check_share(what: &'static str, value: f64) -> Result<(), PruneError> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(PruneError::Ratio { what, value }),
    }
}

/// The `count` units with the lowest scores, ascending by index.
fn lowest(scores: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
    order.truncate(count);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::{Limits, lowest};

    #[test]
    fn kept_units_are_the_nearest_multiple_of_the_tile() {
        let keep = |tile, min_width, units, wanted| Limits { tile, min_width }.keep(units, wanted);
        assert_eq!(keep(1, 1, 10, 5.0), 5);
        assert_eq!(keep(4, 1, 16, 8.0), 8);
        assert_eq!(keep(4, 1, 12, 6.0), 8, "of two equally near, the larger");
        assert_eq!(keep(4, 1, 6, 5.4), 6, "or the group stays whole");
        assert_eq!(keep(4, 1, 3, 0.3), 3, "narrower than the tile");
        assert_eq!(keep(4, 5, 32, 1.0), 8, "the minimum width, rounded up");
        assert_eq!(keep(1, 1, 4, 0.1), 1, "never nothing");
        assert_eq!(keep(0, 0, 4, 2.0), 2, "zero means no limit");
    }

    #[test]
    fn the_lowest_scores_leave_and_ties_leave_from_the_end() {
        assert_eq!(lowest(&[3.0, 1.0, 2.0, 1.0], 1), [3]);
        assert_eq!(lowest(&[3.0, 1.0, 2.0, 1.0], 3), [1, 2, 3]);
    }
}
