//! When pruning is not worth it: one line each, with the number that shows it.

use niwaki_graph::Graph;
use niwaki_prune::live_macs;

/// Points that a network may lose without a word, where the recipe gives no floor.
const USUAL_FLOOR: f64 = 0.02;
/// Multiply-accumulates below which an inference is fast on any microcontroller.
const SMALL_MACS: usize = 10_000;
/// Training samples below which fine-tuning rather learns them by heart.
const FEW_SAMPLES: usize = 50;

/// What there is to say about a pruning.
pub(crate) struct Outcome<'a> {
    pub(crate) unpruned: &'a Graph,
    pub(crate) pruned: &'a Graph,
    /// Qualities, 0 to 1.
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) floor: Option<f64>,
    pub(crate) samples: usize,
    pub(crate) epochs: usize,
    /// Whether single weights or N:M were zeroed.
    pub(crate) scattered: bool,
    /// Whether these are packed compactly.
    pub(crate) compact: bool,
}

pub(crate) fn advice(outcome: &Outcome<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let (before, after) = (100.0 * outcome.before, 100.0 * outcome.after);
    let (old, new) = (live_macs(outcome.unpruned), live_macs(outcome.pruned));
    let saved = 100.0 * (1.0 - new as f64 / old.max(1) as f64);
    if outcome.samples < FEW_SAMPLES || outcome.epochs == 0 {
        let (samples, epochs) = (outcome.samples, outcome.epochs);
        lines.push(format!(
            "advice: pruned without fine-tuning ({samples} training samples, {epochs} epochs): quality {before:.2} to \
             {after:.2}; give it data, or prune less"
        ));
    }
    if old < SMALL_MACS || saved < 5.0 {
        lines.push(format!(
            "advice: little to gain: {old} multiply-accumulates before, {new} after ({saved:.1} % saved); a network this \
             small, or pruned this little, may as well stay whole"
        ));
    }
    if outcome.scattered {
        let gain = match outcome.compact {
            true => "packed without them the network is smaller, not faster",
            false => "neither smaller nor faster; [quantise] compact = true makes it smaller, not faster",
        };
        lines.push(format!(
            "advice: {saved:.1} % of the multiply-accumulates are by single zeros, which no kernel skips: {gain}; prune \
             channels or blocks (2x4) for both"
        ));
    }
    let floor = 100.0 * outcome.floor.unwrap_or(USUAL_FLOOR);
    if before - after > floor {
        lines.push(format!(
            "advice: quality fell by {:.2} points ({before:.2} to {after:.2}), more than {floor:.2}: prune less, in more \
             steps, or fine-tune longer",
            before - after
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_number() {
        let graph = Graph::default();
        let outcome = |after, samples, epochs| Outcome {
            unpruned: &graph,
            pruned: &graph,
            before: 0.95,
            after,
            floor: None,
            samples,
            epochs,
            scattered: false,
            compact: false,
        };
        let lines = advice(&outcome(0.90, 10, 0));
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("10 training samples") && lines[1].contains("0.0 % saved"), "{lines:?}");
        assert!(lines[2].contains("5.00 points"), "{lines:?}");
        assert_eq!(advice(&outcome(0.94, 1000, 3)).len(), 1, "an empty network has nothing to gain");
        let scattered = |compact| advice(&Outcome { scattered: true, compact, ..outcome(0.94, 1000, 3) }).remove(1);
        assert!(scattered(false).contains("neither smaller nor faster"), "{}", scattered(false));
        assert!(scattered(true).contains("is smaller, not faster"), "{}", scattered(true));
    }
}
