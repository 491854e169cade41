//! Ridge regression by normal equations.

/// What holds weights where they are, as a part of their inputs' mean square.
const RIDGE: f64 = 1e-3;
/// Rows that are summed in single precision.
const RUN: usize = 256;

/// `A'A` and `A'B` of rows of inputs and of what is missing from outputs.
pub(super) struct Normal {
    /// How many rows.
    pub(super) rows: usize,
    terms: usize,
    outputs: usize,
    square: Vec<f64>,
    product: Vec<f64>,
}

impl Normal {
    /// Of rows of `terms` inputs and rows of `outputs`.
    pub(super) fn of(inputs: &[f32], missing: &[f32], terms: usize, outputs: usize) -> Self {
        let (mut square, mut product) = (vec![0.0; terms * terms], vec![0.0; terms * outputs]);
        for (inputs, missing) in inputs.chunks(RUN * terms).zip(missing.chunks(RUN * outputs)) {
            let (mut part, mut cross) = (vec![0f32; terms * terms], vec![0f32; terms * outputs]);
            for (x, y) in inputs.chunks_exact(terms).zip(missing.chunks_exact(outputs)) {
                // Behind a ReLU most inputs are zero.
                for (i, a) in x.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                    add_scaled(&mut part[i * terms + i..(i + 1) * terms], *a, &x[i..]);
                    add_scaled(&mut cross[i * outputs..(i + 1) * outputs], *a, y);
                }
            }
            square.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(part));
            product.iter_mut().zip(cross).for_each(|(sum, part)| *sum += f64::from(part));
        }
        Self { rows: inputs.len() / terms, terms, outputs, square, product }
    }

    /// Cholesky factor, row by row, of the equations for these terms.
    pub(super) fn factor(&self, terms: &[usize]) -> Vec<Vec<f64>> {
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(terms.len());
        let mean =
            terms.iter().map(|term| self.square[term * self.terms + term]).sum::<f64>() / terms.len().max(1) as f64;
        for (i, term) in terms.iter().enumerate() {
            let mut row = Vec::with_capacity(i + 1);
            for (j, other) in terms[..=i].iter().enumerate() {
                let (low, high) = (term.min(other), term.max(other));
                let known: f64 = match rows.get(j) {
                    Some(above) => row.iter().zip(above).map(|(a, b): (&f64, &f64)| a * b).sum(),
                    None => row.iter().map(|a| a * a).sum(),
                };
                let mut value = self.square[low * self.terms + high] - known;
                if i == j {
                    // Inputs that are never there still need a number to divide by.
                    value += RIDGE * (self.square[term * self.terms + term] + RIDGE * mean) + f64::MIN_POSITIVE;
                    row.push(value.max(f64::MIN_POSITIVE).sqrt());
                } else {
                    row.push(value / rows[j][j]);
                }
            }
            rows.push(row);
        }
        rows
    }

    /// The inverse of the equations' matrix for these terms.
    pub(super) fn inverse(&self, terms: &[usize]) -> Vec<Vec<f64>> {
        let factor = self.factor(terms);
        // The factor's own inverse, column by column, each from its diagonal on.
        let columns: Vec<Vec<f64>> = (0..terms.len())
            .map(|j| {
                let mut column = vec![1.0 / factor[j][j]];
                for i in j + 1..terms.len() {
                    let known: f64 = factor[i][j..i].iter().zip(&column).map(|(a, x)| a * x).sum();
                    column.push(-known / factor[i][i]);
                }
                column
            })
            .collect();
        let product = |i: usize, j: usize| -> f64 {
            let (low, high) = (i.min(j), i.max(j));
            columns[high].iter().zip(&columns[low][high - low..]).map(|(a, b)| a * b).sum()
        };
        (0..terms.len()).map(|i| (0..terms.len()).map(|j| product(i, j)).collect()).collect()
    }

    /// What to add to the weights of one output.
    pub(super) fn solve(&self, factor: &[Vec<f64>], terms: &[usize], output: usize) -> Vec<f64> {
        let mut x: Vec<f64> = terms.iter().map(|term| self.product[term * self.outputs + output]).collect();
        for i in 0..x.len() {
            let known: f64 = factor[i][..i].iter().zip(&x).map(|(a, b)| a * b).sum();
            x[i] = (x[i] - known) / factor[i][i];
        }
        for i in (0..x.len()).rev() {
            x[i] /= factor[i][i];
            let value = x[i];
            x[..i].iter_mut().zip(&factor[i]).for_each(|(x, a)| *x -= a * value);
        }
        x
    }
}

fn add_scaled(sums: &mut [f32], factor: f32, x: &[f32]) {
    sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_found() {
        // y = 2 a - 3 b + 0.5, of 200 rows; the third input is always zero.
        let number = |k: usize| ((k * 7919 + 13) % 1000) as f32 / 500.0 - 1.0;
        let rows: Vec<[f32; 4]> = (0..200).map(|k| [number(k), number(3 * k + 1), 0.0, 1.0]).collect();
        let missing: Vec<f32> = rows.iter().map(|row| 2.0 * row[0] - 3.0 * row[1] + 0.5).collect();
        let normal = Normal::of(rows.as_flattened(), &missing, 4, 1);
        let found = normal.solve(&normal.factor(&[0, 1, 2, 3]), &[0, 1, 2, 3], 0);
        for (found, wanted) in found.iter().zip([2.0, -3.0, 0.0, 0.5]) {
            assert!((found - wanted).abs() < 0.02, "{found}, {wanted}");
        }
        let alone = normal.solve(&normal.factor(&[1]), &[1], 0);
        assert!(alone.len() == 1 && alone[0] < -2.0, "{alone:?}");
    }
}
