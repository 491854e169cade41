//! How much leaves each group, and which units: the ones with the lowest scores.

use crate::{Decision, Groups, PruneError, Removal, Scores, Sites, Structure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the removal is shared out among groups or other sites.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Allocation {
    /// The same share of every group.
    Uniform {
        /// Share of the units that leaves: at least 0, below 1.
        ratio: f64,
    },
    /// The units with the lowest scores of the whole network.
    Global {
        /// Share of all units that leaves.
        ratio: f64,
    },
    /// A share per site.
    PerLayer {
        /// Of sites that are not named.
        ratio: f64,
        /// By name: the group's, one of its producers', or the layer's.
        layers: BTreeMap<String, f64>,
    },
    /// More where it was measured to cost less: every site loses what raises the loss by the same amount.
    Sensitivity {
        /// Share of all units that leaves.
        ratio: f64,
        /// What was measured.
        curves: Curves,
    },
}

/// What pruning each site alone does to the loss, measured at several ratios.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curves {
    /// The loss of the whole network.
    pub loss: f64,
    /// By site: ratio and loss, by ascending ratio.
    pub sites: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Curves {
    /// The largest ratio at which a site's loss has not risen by more than this; between measurements, linearly.
    fn ratio_at(&self, site: &str, rise: f64) -> f64 {
        let mut before = (0.0, 0.0);
        for (ratio, loss) in self.sites.get(site).into_iter().flatten() {
            // A loss that falls again further on does not make the rise before it harmless.
            let here = (*ratio, (loss - self.loss).max(before.1));
            if here.1 > rise {
                let part = if here.1 > before.1 { (rise - before.1) / (here.1 - before.1) } else { 0.0 };
                return before.0 + part.clamp(0.0, 1.0) * (here.0 - before.0);
            }
            before = here;
        }
        before.0
    }
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

/// Units that compete with each other, and how many there were before any left.
struct Entry<'a> {
    names: Vec<&'a str>,
    units: usize,
    full: usize,
    run: usize,
}

impl Allocation {
    /// Decides what leaves each group.
    ///
    /// Of units with equal scores, the later one leaves first, so that the same scores always give the same decision.
    pub fn decide(self, groups: &Groups, scores: &Scores, limits: Limits) -> Result<Decision, PruneError> {
        scores.check(groups)?;
        let entries: Vec<Entry> = groups
            .prunable
            .iter()
            .map(|group| Entry {
                names: [&group.name].into_iter().chain(&group.producers).map(String::as_str).collect(),
                units: group.units.len(),
                full: group.units.len(),
                run: 0,
            })
            .collect();
        self.shares(&entries, scores, |units, wanted| limits.keep(units, wanted))
    }

    /// Decides what leaves each site. Ratios are shares of what a site had at first: of `full`, by name, or of what it
    /// has now. Limits hold for channels and neurons; branches may all leave, of anything else one unit stays.
    pub fn decide_sites(
        &self,
        sites: &Sites,
        scores: &Scores,
        limits: Limits,
        full: &BTreeMap<String, usize>,
    ) -> Result<Decision, PruneError> {
        scores.check_sites(sites)?;
        let entries: Vec<Entry> = sites
            .sites
            .iter()
            .map(|site| Entry {
                names: [site.name.as_str()].into_iter().chain(site.name.split('+')).collect(),
                units: site.units,
                full: full.get(&site.name).copied().unwrap_or(site.units),
                run: site.run,
            })
            .collect();
        let structure = sites.structure;
        self.shares(&entries, scores, |units, wanted| match structure {
            Structure::Channels | Structure::Neurons => limits.keep(units, wanted),
            // Half a branch rounds to a whole one less.
            Structure::Layers => ((wanted - 1e-9).round() as usize).min(units),
            _ => (wanted.round() as usize).clamp(1, units),
        })
    }

    fn shares(
        &self,
        entries: &[Entry<'_>],
        scores: &Scores,
        allowed: impl Fn(usize, f64) -> usize,
    ) -> Result<Decision, PruneError> {
        let wanted: Vec<f64> = match self {
            Self::Uniform { ratio } => {
                check_share("the pruning ratio", *ratio)?;
                entries.iter().map(|entry| entry.full as f64 * (1.0 - ratio)).collect()
            }
            Self::PerLayer { ratio, layers } => {
                check_share("the pruning ratio", *ratio)?;
                for (name, ratio) in layers {
                    check_share("the pruning ratio of a layer", *ratio)?;
                    if !entries.iter().any(|entry| entry.names.contains(&name.as_str())) {
                        return Err(PruneError::UnknownGroup { group: name.clone() });
                    }
                }
                let own = |entry: &Entry<'_>| entry.names.iter().find_map(|name| layers.get(*name)).unwrap_or(ratio);
                entries.iter().map(|entry| entry.full as f64 * (1.0 - own(entry))).collect()
            }
            Self::Global { ratio } => {
                check_share("the pruning ratio", *ratio)?;
                global(entries, scores, *ratio, &allowed)
            }
            Self::Sensitivity { ratio, curves } => {
                check_share("the pruning ratio", *ratio)?;
                if let Some(entry) = entries.iter().find(|entry| !curves.sites.contains_key(entry.names[0])) {
                    return Err(PruneError::NoCurve { site: entry.names[0].into() });
                }
                by_sensitivity(entries, curves, *ratio)
            }
        };
        let removals = entries.iter().zip(&scores.groups).zip(wanted).map(|((entry, scores), wanted)| {
            let remove = match entry.run {
                0 => lowest(scores, entry.units - allowed(entry.units, wanted).min(entry.units)),
                run => lowest_of_runs(scores, run, wanted / entry.full as f64),
            };
            Removal { group: entry.names[0].into(), units: entry.units, remove }
        });
        Ok(Decision { groups: removals.collect() })
    }
}

/// What each entry keeps when the lowest scores of all leave; none goes below what is allowed.
fn global(entries: &[Entry<'_>], scores: &Scores, ratio: f64, allowed: &impl Fn(usize, f64) -> usize) -> Vec<f64> {
    let full: usize = entries.iter().map(|entry| entry.full).sum();
    let mut kept: Vec<usize> = entries.iter().map(|entry| entry.units).collect();
    let least: Vec<usize> = entries.iter().map(|entry| allowed(entry.units, 0.0)).collect();
    let wanted = (full as f64 * (1.0 - ratio)).round() as usize;
    let mut order: Vec<(f32, usize, usize)> = Vec::new();
    for (site, scores) in scores.groups.iter().enumerate() {
        order.extend(scores.iter().enumerate().map(|(unit, score)| (*score, site, unit)));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then((b.1, b.2).cmp(&(a.1, a.2))));
    let mut left: usize = kept.iter().sum();
    for (_, site, _) in order {
        if left <= wanted {
            break;
        }
        if kept[site] > least[site] {
            kept[site] -= 1;
            left -= 1;
        }
    }
    kept.into_iter().map(|kept| kept as f64).collect()
}

/// What each entry keeps at the rise of the loss at which the wanted share of all units leaves.
fn by_sensitivity(entries: &[Entry<'_>], curves: &Curves, ratio: f64) -> Vec<f64> {
    let full: usize = entries.iter().map(|entry| entry.full).sum();
    let ratios = |rise: f64| entries.iter().map(move |entry| curves.ratio_at(entry.names[0], rise));
    let gone = |rise: f64| ratios(rise).zip(entries).map(|(ratio, entry)| ratio * entry.full as f64).sum::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while gone(high) < ratio * full as f64 && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if gone(middle) < ratio * full as f64 { low = middle } else { high = middle }
    }
    ratios(high).zip(entries).map(|(ratio, entry)| entry.full as f64 * (1.0 - ratio)).collect()
}

/// Of every run of units, the lowest: as many of each as leaves this share.
fn lowest_of_runs(scores: &[f32], run: usize, share: f64) -> Vec<usize> {
    let kept = ((run as f64 * share).round() as usize).clamp(1, run);
    let of = |(index, scores): (usize, &[f32])| -> Vec<usize> {
        lowest(scores, run - kept).into_iter().map(|unit| index * run + unit).collect()
    };
    scores.chunks_exact(run).enumerate().flat_map(of).collect()
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
    use super::*;

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

    fn entries(full: &'static [usize]) -> Vec<Entry<'static>> {
        let entry = |(index, full): (usize, &usize)| Entry {
            names: vec![["a", "b"][index]],
            units: *full,
            full: *full,
            run: 0,
        };
        full.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn global_allocation_takes_the_lowest_of_all_and_leaves_one() {
        let scores = Scores { groups: vec![vec![0.1, 0.2, 0.3, 0.4], vec![5.0, 6.0, 7.0, 8.0]] };
        let decide = |ratio| {
            let allowed = |units, wanted| Limits::default().keep(units, wanted);
            let decision = Allocation::Global { ratio }.shares(&entries(&[4, 4]), &scores, allowed).expect("fits");
            decision.groups.into_iter().map(|removal| removal.remove).collect::<Vec<_>>()
        };
        assert_eq!(decide(0.25), [vec![0, 1], vec![]]);
        assert_eq!(decide(0.5), [vec![0, 1, 2], vec![0]]);
        assert_eq!(decide(0.75), [vec![0, 1, 2], vec![0, 1, 2]]);
    }

    #[test]
    fn sensitivity_prunes_where_it_costs_less() {
        let curve = |slope: f64| (1..10).map(|k| (k as f64 / 10.0, 1.0 + slope * k as f64)).collect::<Vec<_>>();
        let sites = [("a".to_string(), curve(0.1)), ("b".to_string(), curve(0.3))].into();
        let curves = Curves { loss: 1.0, sites };
        let kept = by_sensitivity(&entries(&[30, 30]), &curves, 0.4);
        assert!((kept[0] - 12.0).abs() < 0.1 && (kept[1] - 24.0).abs() < 0.1, "three times as much of a: {kept:?}");
    }

    #[test]
    fn runs_keep_the_same_number_each() {
        let scores = [4.0, 3.0, 2.0, 1.0, 1.0, 2.0, 3.0, 4.0, 9.0];
        assert_eq!(lowest_of_runs(&scores, 4, 0.5), [2, 3, 4, 5]);
        assert_eq!(lowest_of_runs(&scores, 4, 0.1), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_lowest_scores_leave_and_ties_leave_from_the_end() {
        assert_eq!(lowest(&[3.0, 1.0, 2.0, 1.0], 1), [3]);
        assert_eq!(lowest(&[3.0, 1.0, 2.0, 1.0], 3), [1, 2, 3]);
    }
}
