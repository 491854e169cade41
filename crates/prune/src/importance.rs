//! Scores of any units by any measure of importance: magnitude, gradient, Taylor, optimal brain surgeon, learned mask,
//! geometric median, random.

use crate::{
    Groups, Norm, PruneError, Scores, Sites, Structure, groups,
    sites::{NO_UNIT, Site},
};
use niwaki_graph::{Graph, ParamId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How the importance of a unit is measured. The mean score of a site is 1, so that sites can be ranked together,
/// unless scores are in one unit already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Importance {
    /// Sum of absolute weights (Li et al. 2017, arXiv:1608.08710).
    #[default]
    L1,
    /// Square root of the sum of squared weights.
    L2,
    /// Distance from the other units of the layer: what lies in their middle can be replaced by them (He et al. 2019,
    /// arXiv:1811.00250).
    GeometricMedian,
    /// Absolute products of weights and their gradients, averaged over batches and summed (Mozer and Smolensky 1988; Lee et al. 2019,
    /// arXiv:1810.02340).
    WeightGradient,
    /// First-order change of the loss when the unit leaves, its absolute value averaged over batches (Molchanov et al.
    /// 2019, arXiv:1906.10771).
    Taylor,
    /// What the loss rises by, to second order, when the unit leaves after those that cost less and the weights that stay
    /// make up for it, for each multiply-accumulate: the optimal brain surgeon (Hassibi and Stork 1993; Frantar and
    /// Alistarh 2022, arXiv:2208.11580).
    Obs,
    /// How open a gate with a hard-concrete distribution stays under an L0 penalty (Louizos et al. 2018,
    /// arXiv:1712.01312).
    LearnedL0,
    /// How open a gate stays under an L1 penalty (Liu et al. 2017, arXiv:1708.06519, on gates of their own).
    LearnedL1,
    /// By chance: what any other measure has to beat.
    Random,
}

/// What a measure of importance looks at beside the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Weights,
    /// The mean size of every weight's gradient.
    Gradients,
    /// One number per unit, from running the network with gates.
    Gates,
}

/// What was found out by running the network.
#[derive(Clone, Copy, Debug)]
pub enum Evidence<'e> {
    /// Nothing was run.
    None,
    /// The gradient of every element of every parameter: its absolute value, averaged over batches.
    Gradients(&'e [Vec<f32>]),
    /// One number per unit, site after site.
    Units(&'e [f32]),
}

impl Importance {
    /// All of them, in the order they are documented.
    pub const ALL: [Self; 9] = [
        Self::L1,
        Self::L2,
        Self::GeometricMedian,
        Self::WeightGradient,
        Self::Taylor,
        Self::Obs,
        Self::LearnedL0,
        Self::LearnedL1,
        Self::Random,
    ];

    /// What [`Importance::scores`] has to be given.
    pub fn needs(self) -> Needs {
        match self {
            Self::L1 | Self::L2 | Self::GeometricMedian | Self::Random => Needs::Weights,
            Self::WeightGradient => Needs::Gradients,
            Self::Taylor | Self::Obs | Self::LearnedL0 | Self::LearnedL1 => Needs::Gates,
        }
    }

    /// Scores every unit of every site.
    ///
    /// # Errors
    /// [`PruneError::Evidence`] where that is not what [`Importance::needs`] says, and as [`Scores::check`].
    pub fn scores(self, graph: &Graph, sites: &Sites, evidence: Evidence<'_>, seed: u64) -> Result<Scores, PruneError> {
        let missing = || PruneError::Evidence { importance: self.to_string() };
        let weights = |id: ParamId| graph.param(id).data.clone();
        let each = |score: &dyn Fn(&Site) -> Vec<f64>| Ok::<_, PruneError>(sites.sites.iter().map(score).collect());
        let mut found: Vec<Vec<f64>> = match (self, evidence) {
            (Self::L1 | Self::L2, _) if matches!(sites.structure, Structure::Channels | Structure::Neurons) => {
                return Ok(self.norms_of_groups(graph, sites, &groups(graph)?));
            }
            (Self::L1, _) => each(&|site| sums(site, &weights, |x| x.abs(), |x| x))?,
            (Self::L2, _) => each(&|site| sums(site, &weights, |x| x * x, f64::sqrt))?,
            (Self::GeometricMedian, _) => each(&|site| distances(graph, site))?,
            (Self::Random, _) => {
                let mut random = Shuffled(seed ^ 0x9E37_79B9_7F4A_7C15);
                sites.sites.iter().map(|site| (0..site.units).map(|_| random.next()).collect()).collect()
            }
            (Self::WeightGradient, Evidence::Gradients(gradients)) => each(&|site| {
                let product = |id: ParamId| {
                    let data = graph.param(id).data.iter().zip(&gradients[id.0]);
                    data.map(|(w, g)| w * g).collect()
                };
                sums(site, &product, |x| x.abs(), |x| x)
            })?,
            (Self::Taylor | Self::Obs | Self::LearnedL0 | Self::LearnedL1, Evidence::Units(units)) => {
                let mut rest = units.iter().map(|x| f64::from(*x));
                sites.sites.iter().map(|site| rest.by_ref().take(site.units).collect()).collect()
            }
            _ => return Err(missing()),
        };
        // Gates of all sites were learned against one penalty, and rises of the loss are in one unit: they compare as
        // they are.
        if !matches!(self, Self::Obs | Self::LearnedL0 | Self::LearnedL1) {
            found.iter_mut().for_each(|site| normalise(site));
        }
        let mut scores =
            Scores { groups: found.into_iter().map(|site| site.into_iter().map(|x| x as f32).collect()).collect() };
        if !sites.structure.shrinks() {
            sites
                .sites
                .iter()
                .zip(&mut scores.groups)
                .for_each(|(site, scores)| zeros_leave_first(graph, site, scores));
        }
        Ok(scores)
    }

    fn norms_of_groups(self, graph: &Graph, sites: &Sites, all: &Groups) -> Scores {
        let norm = if self == Self::L1 { Norm::L1 } else { Norm::L2 };
        let found = norm.scores(graph, all).groups;
        let scored =
            all.prunable.iter().zip(found).filter(|(group, _)| sites.sites.iter().any(|s| s.name == group.name));
        Scores { groups: scored.map(|(_, scores)| scores).collect() }
    }
}

/// Units that are zero already leave before all others, by whatever measure: a mask that grows keeps what it held.
fn zeros_leave_first(graph: &Graph, site: &Site, scores: &mut [f32]) {
    let mut live = vec![false; site.units];
    for (id, map) in &site.gates {
        let weights = graph.param(*id).data.iter().zip(map);
        weights.filter(|(x, unit)| **x != 0.0 && **unit != NO_UNIT).for_each(|(_, unit)| live[*unit as usize] = true);
    }
    scores.iter_mut().zip(live).filter(|(_, live)| !live).for_each(|(score, _)| *score = f32::MIN);
}

/// Makes the mean 1; zeros stay.
fn normalise(scores: &mut [f64]) {
    let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
    if mean > 0.0 {
        scores.iter_mut().for_each(|score| *score /= mean);
    }
}

/// Per unit: the sum of a function of its members' numbers, by parameter; then a root, each parameter's mean made 1, and
/// the average over parameters. A unit that a parameter does not reach gets the average of those that reach it.
fn sums(
    site: &Site,
    numbers: &dyn Fn(ParamId) -> Vec<f32>,
    function: fn(f64) -> f64,
    root: fn(f64) -> f64,
) -> Vec<f64> {
    average(site, &|id, map| {
        let (mut total, mut count) = (vec![0.0; site.units], vec![0usize; site.units]);
        for (x, unit) in numbers(id).iter().zip(map).filter(|(_, unit)| **unit != NO_UNIT) {
            total[*unit as usize] += function(f64::from(*x));
            count[*unit as usize] += 1;
        }
        total.into_iter().zip(count).map(|(total, count)| (count > 0).then(|| root(total))).collect()
    })
}

/// One number per unit that a parameter reaches.
type Reached = Vec<Option<f64>>;

fn average(site: &Site, of: &dyn Fn(ParamId, &[u32]) -> Reached) -> Vec<f64> {
    let (mut total, mut count) = (vec![0.0; site.units], vec![0usize; site.units]);
    // Branches have no parameter in common, so their sizes must not be taken out by a mean of their own.
    let alone = !site.unit_names.is_empty();
    for (id, map) in &site.members {
        let found = of(*id, map);
        let present: Vec<f64> = found.iter().flatten().copied().collect();
        let elements = if alone { map.len() as f64 } else { present.iter().sum::<f64>() / present.len().max(1) as f64 };
        let divisor = if elements > 0.0 { elements } else { 1.0 };
        for (unit, score) in found.into_iter().enumerate() {
            if let Some(score) = score {
                total[unit] += score / divisor;
                count[unit] += 1;
            }
        }
    }
    total.into_iter().zip(count).map(|(total, count)| total / count.max(1) as f64).collect()
}

/// Per unit: the sum of its distances from all other units of the layer. A branch: the mean distance of its filters
/// from each other.
fn distances(graph: &Graph, site: &Site) -> Vec<f64> {
    if !site.unit_names.is_empty() {
        return average(site, &|id, map| {
            let param = graph.param(id);
            let rows: Vec<Vec<f32>> =
                param.data.chunks(param.data.len() / param.shape[0].max(1)).map(<[f32]>::to_vec).collect();
            let mean = spread(&rows).iter().sum::<f64>() / rows.len().max(1) as f64;
            let unit = map[0] as usize;
            (0..site.units).map(|other| (other == unit).then_some(mean)).collect()
        });
    }
    average(site, &|id, map| {
        let mut rows: Vec<Vec<f32>> = vec![Vec::new(); site.units];
        for (x, unit) in graph.param(id).data.iter().zip(map).filter(|(_, unit)| **unit != NO_UNIT) {
            rows[*unit as usize].push(*x);
        }
        spread(&rows).into_iter().map(Some).collect()
    })
}

/// The sum of each row's distances from the others.
fn spread(rows: &[Vec<f32>]) -> Vec<f64> {
    if rows.iter().all(|row| row.len() <= 1) {
        return spread_of_numbers(rows);
    }
    let mut sums = vec![0.0; rows.len()];
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate().skip(i + 1) {
            let squares: f32 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
            let distance = f64::from(squares).sqrt();
            sums[i] += distance;
            sums[j] += distance;
        }
    }
    sums
}

/// The same for single numbers, of which there are many: by sorting.
fn spread_of_numbers(rows: &[Vec<f32>]) -> Vec<f64> {
    let number = |row: &Vec<f32>| f64::from(row.first().copied().unwrap_or(0.0));
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| number(&rows[*a]).total_cmp(&number(&rows[*b])));
    let total: f64 = rows.iter().map(number).sum();
    let (mut below, mut sums) = (0.0, vec![0.0; rows.len()]);
    for (rank, index) in order.into_iter().enumerate() {
        let x = number(&rows[index]);
        let above = total - below - x;
        sums[index] = x * rank as f64 - below + above - x * (rows.len() - 1 - rank) as f64;
        below += x;
    }
    sums
}

/// SplitMix64: the same numbers everywhere.
struct Shuffled(u64);

impl Shuffled {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::GeometricMedian => "geometric-median",
            Self::WeightGradient => "weight-gradient",
            Self::Taylor => "taylor",
            Self::Obs => "obs",
            Self::LearnedL0 => "learned-l0",
            Self::LearnedL1 => "learned-l1",
            Self::Random => "random",
        })
    }
}

impl FromStr for Importance {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(|importance| importance.to_string()).join(", ");
        let found = Self::ALL.into_iter().find(|importance| importance.to_string() == name);
        found.ok_or_else(|| format!("no importance is called `{name}`; there are {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_distances_are_the_distances() {
        let rows: Vec<Vec<f32>> = [0.5, -1.0, 2.0, 0.25, 0.5].iter().map(|x| vec![*x]).collect();
        let slow: Vec<f64> = rows.iter().map(|a| rows.iter().map(|b| f64::from((a[0] - b[0]).abs())).sum()).collect();
        for (a, b) in spread(&rows).iter().zip(slow) {
            assert!((a - b).abs() < 1e-9, "{a} and {b}");
        }
    }

    #[test]
    fn names_parse_back() {
        for importance in Importance::ALL {
            assert_eq!(importance.to_string().parse(), Ok(importance));
            let json = serde_json::to_string(&importance).expect("a name");
            assert_eq!(json, format!("\"{importance}\""));
        }
        assert!("l3".parse::<Importance>().is_err());
    }
}
