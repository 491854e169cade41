//! Least squares with factors that are not negative (Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23).

use super::{
    Job,
    features::{Features, STARTS, Tile, directions},
};

/// What an error counts: relative ones, and those of large layers a little more, as models are made of them.
fn weight(cost: f64) -> f64 {
    cost.max(1.0).powf(-0.7)
}

/// A kernel's cost as a sum of its features.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    features: Features,
    tile: Tile,
    factors: Vec<f64>,
}

impl Fit {
    /// Fits to measured costs, so that the squares of weighted errors are small. None where there are no samples.
    pub(crate) fn new(samples: &[(&Job, f64)], features: Features) -> Option<Self> {
        // Where tiles make no difference, there is nothing to search.
        let [first, second, ..] = STARTS;
        if samples.iter().all(|(job, _)| features(job, first) == features(job, second)) {
            return Self::with(samples, features, first).map(|(fit, _)| fit);
        }
        let searched = STARTS.iter().filter_map(|start| Self::from(samples, features, *start));
        searched.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(fit, _)| fit)
    }

    /// Searches from a tile on.
    fn from(samples: &[(&Job, f64)], features: Features, start: Tile) -> Option<(Self, f64)> {
        let mut best = Self::with(samples, features, start)?;
        // One direction after the other; a second time, as they depend on each other.
        for direction in directions().iter().chain(&directions()) {
            for step in direction {
                let tile = step(best.0.tile);
                if tile != best.0.tile
                    && let Some(other) = Self::with(samples, features, tile).filter(|other| other.1 < best.1 * 0.999)
                {
                    best = other;
                }
            }
        }
        Some(best)
    }

    /// The cost of a job of the same kernel.
    pub(crate) fn cost(&self, job: &Job) -> f64 {
        (self.features)(job, self.tile).iter().zip(&self.factors).map(|(feature, factor)| feature * factor).sum()
    }

    /// With this tile, and the sum of squared errors.
    fn with(samples: &[(&Job, f64)], features: Features, tile: Tile) -> Option<(Self, f64)> {
        let rows: Vec<Vec<f64>> = samples
            .iter()
            .map(|(job, cost)| features(job, tile).into_iter().map(|feature| feature * weight(*cost)).collect())
            .collect();
        let count = rows.first()?.len();
        // Columns of length one: their sizes differ by many powers of ten.
        let scale: Vec<f64> =
            (0..count).map(|at| rows.iter().map(|row| row[at] * row[at]).sum::<f64>().sqrt()).collect();
        let unit = |row: &Vec<f64>, at: usize| if scale[at] > 0.0 { row[at] / scale[at] } else { 0.0 };
        let mut gram = vec![vec![0.0; count]; count];
        let mut target = vec![0.0; count];
        for (row, (_, cost)) in rows.iter().zip(samples) {
            let goal = cost * weight(*cost);
            for (a, line) in gram.iter_mut().enumerate() {
                target[a] += unit(row, a) * goal;
                line.iter_mut().enumerate().for_each(|(b, value)| *value += unit(row, a) * unit(row, b));
            }
        }
        // Features that say the same share the cost.
        gram.iter_mut().enumerate().for_each(|(at, row)| row[at] += 1e-7);
        let solution = not_negative(&gram, &target);
        let factors =
            solution.iter().zip(&scale).map(|(x, scale)| if *scale > 0.0 { x / scale } else { 0.0 }).collect();
        let fit = Self { features, tile, factors };
        let error = samples.iter().map(|(job, cost)| ((fit.cost(job) - cost) * weight(*cost)).powi(2)).sum();
        Some((fit, error))
    }
}

/// The x without negative parts that makes `x' gram x / 2 - target' x` smallest.
fn not_negative(gram: &[Vec<f64>], target: &[f64]) -> Vec<f64> {
    let count = target.len();
    let (mut x, mut free) = (vec![0.0; count], vec![false; count]);
    for _ in 0..4 * count {
        let gradient = |at: usize| target[at] - gram[at].iter().zip(&x).map(|(g, x)| g * x).sum::<f64>();
        let steepest = (0..count).filter(|at| !free[*at]).map(|at| (at, gradient(at)));
        let Some((enter, slope)) = steepest.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        if slope <= 1e-9 {
            break;
        }
        free[enter] = true;
        loop {
            let trial = solve(gram, target, &free);
            let leaving = (0..count).filter(|at| free[*at] && trial[*at] <= 0.0);
            let step =
                leaving.map(|at| x[at] / (x[at] - trial[at]).max(f64::MIN_POSITIVE)).fold(f64::INFINITY, f64::min);
            if step.is_infinite() {
                x = trial;
                break;
            }
            for at in 0..count {
                x[at] += step.min(1.0) * (trial[at] - x[at]);
                if free[at] && x[at] <= 1e-12 {
                    (free[at], x[at]) = (false, 0.0);
                }
            }
        }
    }
    x
}

/// Solves the equations of the free unknowns; the others are 0. Gauss with pivots on the diagonal, which is largest there.
fn solve(gram: &[Vec<f64>], target: &[f64], free: &[bool]) -> Vec<f64> {
    let places: Vec<usize> = (0..target.len()).filter(|at| free[*at]).collect();
    let row = |place: &usize| -> Vec<f64> {
        places.iter().map(|other| gram[*place][*other]).chain([target[*place]]).collect()
    };
    let mut rows: Vec<Vec<f64>> = places.iter().map(row).collect();
    let count = rows.len();
    for at in 0..count {
        let pivot = rows[at].clone();
        for other in rows.iter_mut().skip(at + 1) {
            let factor = other[at] / pivot[at];
            other.iter_mut().zip(&pivot).skip(at).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    let mut x = vec![0.0; target.len()];
    for at in (0..count).rev() {
        let known: f64 = (at + 1..count).map(|other| rows[at][other] * x[places[other]]).sum();
        x[places[at]] = (rows[at][count] - known) / rows[at][at];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_negative_is_nothing() {
        // Without the bound: x = (2, -1).
        let gram = vec![vec![2.0, 1.0], vec![1.0, 2.0]];
        let x = not_negative(&gram, &[3.0, 0.0]);
        assert!((x[0] - 1.5).abs() < 1e-9 && x[1] == 0.0, "{x:?}");
        let x = not_negative(&gram, &[3.0, 3.0]);
        assert!((x[0] - 1.0).abs() < 1e-9 && (x[1] - 1.0).abs() < 1e-9, "{x:?}");
    }
}
