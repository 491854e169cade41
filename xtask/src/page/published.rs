//! What others published, as xtask/data/README.md says.

/// A latency on silicon.
pub(crate) struct Latency {
    pub(crate) core: &'static str,
    pub(crate) board: &'static str,
    pub(crate) mhz: f64,
    pub(crate) engine: &'static str,
    pub(crate) round: &'static str,
    pub(crate) mcycles: f64,
}

impl Latency {
    pub(crate) fn milliseconds(&self) -> f64 {
        self.mcycles * 1000.0 / self.mhz
    }
}

/// What is asked of a task, and the smallest network published for it.
pub(crate) struct Task {
    /// What its quality is called.
    pub(crate) metric: &'static str,
    pub(crate) floor: f64,
    pub(crate) macs: f64,
    pub(crate) quality: f64,
}

/// Where the figures are written down.
pub(crate) const SILICON: &str = "xtask/data/silicon.csv";
pub(crate) const QUALITY: &str = "xtask/data/quality.csv";

fn rows(text: &'static str, model: &str, column: usize) -> Vec<Vec<&'static str>> {
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.filter(|row| row.get(column).is_some_and(|name| name.eq_ignore_ascii_case(model))).collect()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// Everybody's latencies of a model.
pub(crate) fn silicon(model: &str) -> Vec<Latency> {
    let latency = |row: Vec<&'static str>| Latency {
        core: row[0],
        board: row[1],
        mhz: number(row[2]),
        engine: row[3],
        round: row[4],
        mcycles: number(row[6]),
    };
    rows(include_str!("../../data/silicon.csv"), model, 5).into_iter().map(latency).collect()
}

/// The benchmark's task of this name, if it is one.
pub(crate) fn task(model: &str) -> Option<Task> {
    let row = rows(include_str!("../../data/quality.csv"), model, 0).into_iter().next()?;
    Some(Task { metric: row[1], floor: number(row[2]), macs: number(row[3]), quality: number(row[4]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_a_number() {
        for model in ["kws", "ic", "vww", "ad"] {
            let latencies = silicon(model);
            assert_eq!(latencies.len(), 8);
            assert!(latencies.iter().all(|row| row.mhz > 1.0 && row.mcycles > 0.1), "{model}");
            let task = task(model).unwrap();
            assert!((0.5..1.0).contains(&task.floor) && task.floor < task.quality && task.macs > 1000.0, "{model}");
        }
        let slowest = &silicon("kws")[0];
        assert_eq!((slowest.engine, slowest.round), ("TFLM reference kernels", "v0.5"));
        assert!((slowest.milliseconds() - 181.67).abs() < 0.01);
        assert!(silicon("digits").is_empty() && task("digits").is_none());
    }
}
