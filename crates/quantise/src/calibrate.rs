//! Calibration: which range of real values each activation takes.

use niwaki_graph::ValueId;

/// Real values from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
}

impl Range {
    /// The smallest range that holds both.
    pub fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// How a range is chosen from what was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Everything seen is in the range.
    MinMax,
    /// This share of the values, between 0 and 1, is in the range; outliers on both sides saturate.
    Percentile(f64),
    /// The range with the least squared error, rounding and saturation together.
    Mse,
}

/// Bins of a histogram, half of them for each sign.
const BINS: usize = 4096;

/// Histograms of activations, filled batch by batch.
#[derive(Clone, Debug)]
pub struct Calibration {
    histograms: Vec<Histogram>,
}

/// Counts over `[-limit, limit)`; the limit doubles when a value passes it.
#[derive(Clone, Debug)]
struct Histogram {
    limit: f32,
    counts: Vec<u64>,
    seen: Option<Range>,
    finite: bool,
}

impl Calibration {
    /// Empty histograms for this many values.
    pub fn new(values: usize) -> Self {
        let empty = Histogram { limit: 0.0, counts: Vec::new(), seen: None, finite: true };
        Self { histograms: vec![empty; values] }
    }

    /// Adds data of one value.
    ///
    /// # Panics
    /// If there is no such value.
    pub fn observe(&mut self, value: ValueId, data: &[f32]) {
        self.histograms[value.0].observe(data);
    }

    /// One range per value; values without finite data get a NaN range, which quantising reports by name.
    pub fn ranges(&self, method: Method) -> Vec<Range> {
        self.histograms.iter().map(|histogram| histogram.range(method)).collect()
    }
}

impl Histogram {
    fn observe(&mut self, data: &[f32]) {
        if data.iter().any(|x| !x.is_finite()) {
            self.finite = false;
            return;
        }
        let Some(batch) = data.iter().map(|x| Range { min: *x, max: *x }).reduce(Range::union) else { return };
        self.seen = Some(self.seen.map_or(batch, |seen| seen.union(batch)));
        self.grow(batch.max.max(-batch.min));
        let bins_per_unit = BINS as f32 / 2.0 / self.limit;
        for x in data {
            let bin = (x * bins_per_unit).floor() as isize + BINS as isize / 2;
            self.counts[bin.clamp(0, BINS as isize - 1) as usize] += 1;
        }
    }

    fn grow(&mut self, largest: f32) {
        if self.counts.is_empty() {
            self.counts = vec![0; BINS];
            self.limit = largest.max(f32::MIN_POSITIVE * BINS as f32);
        }
        while self.limit < largest {
            let mut merged = vec![0; BINS];
            for (bin, count) in self.counts.iter().enumerate() {
                merged[BINS / 4 + bin / 2] += count;
            }
            self.counts = merged;
            self.limit *= 2.0;
        }
    }

    fn range(&self, method: Method) -> Range {
        let Some(seen) = self.seen.filter(|_| self.finite) else { return Range { min: f32::NAN, max: f32::NAN } };
        match method {
            Method::MinMax => seen,
            Method::Percentile(share) => self.percentile(seen, share),
            Method::Mse => self.least_squares(seen),
        }
    }

    /// Left edge of a bin; the right edge is that of the next.
    fn edge(&self, bin: usize) -> f32 {
        (bin as f32 - BINS as f32 / 2.0) * self.limit * 2.0 / BINS as f32
    }

    fn percentile(&self, seen: Range, share: f64) -> Range {
        let total: u64 = self.counts.iter().sum();
        let tail = ((1.0 - share.clamp(0.0, 1.0)) / 2.0 * total as f64) as u64;
        let low = self.cut(0..BINS, tail).map_or(seen.min, |bin| self.edge(bin).max(seen.min));
        let high = self.cut((0..BINS).rev(), tail).map_or(seen.max, |bin| self.edge(bin + 1).min(seen.max));
        Range { min: low, max: high }
    }

    /// The bin, in this order, at which more than `tail` values were passed.
    fn cut(&self, mut bins: impl Iterator<Item = usize>, tail: u64) -> Option<usize> {
        let mut passed = 0;
        bins.find(|bin| {
            passed += self.counts[*bin];
            passed > tail
        })
    }

    fn least_squares(&self, seen: Range) -> Range {
        // Ends shrink in step: outliers that matter are far out on one side, and the other end hardly moves the scale.
        let candidates = (20..=100).map(|percent| {
            let factor = percent as f32 / 100.0;
            Range { min: seen.min * factor, max: seen.max * factor }
        });
        let error = |range: &Range| {
            let quantisation = crate::Quantisation::of(*range);
            let bins = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
            bins.map(|(bin, count)| {
                let x = (self.edge(bin) + self.edge(bin + 1)) / 2.0;
                let distance = f64::from(x - quantisation.dequantise(quantisation.quantise(x)));
                distance * distance * *count as f64
            })
            .sum::<f64>()
        };
        candidates.min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibrated(batches: &[&[f32]], method: Method) -> Range {
        let mut calibration = Calibration::new(1);
        for batch in batches {
            calibration.observe(ValueId(0), batch);
        }
        calibration.ranges(method)[0]
    }

    #[test]
    fn min_max_is_exact_over_batches_that_grow() {
        let range = calibrated(&[&[0.5, -0.25], &[7.0, 1.0], &[-3.5]], Method::MinMax);
        assert_eq!(range, Range { min: -3.5, max: 7.0 });
    }

    #[test]
    fn percentile_leaves_outliers_out() {
        let mut data: Vec<f32> = (0..10_000).map(|k| k as f32 / 10_000.0).collect();
        data.push(50.0);
        let range = calibrated(&[&data], Method::Percentile(0.999));
        assert!(range.max < 1.1 && range.max > 0.99, "{range:?}");
        assert_eq!(calibrated(&[&data], Method::Percentile(1.0)).max, 50.0);
    }

    #[test]
    fn least_squares_is_no_worse_than_min_max() {
        // Dense near zero, one far outlier: saturating it is worth the finer steps.
        let mut data: Vec<f32> = (0..100_000).map(|k| (k as f32 * 0.618).fract()).collect();
        data.push(1.6);
        let range = calibrated(&[&data], Method::Mse);
        assert!(range.max < 1.6 && range.max > 0.9, "{range:?}");
    }

    #[test]
    fn data_that_are_not_finite_give_no_range() {
        assert!(calibrated(&[&[1.0], &[f32::NAN]], Method::MinMax).min.is_nan());
        assert!(calibrated(&[], Method::Mse).min.is_nan());
    }
}
