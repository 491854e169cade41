//! The smallest uniform ratio that removes a wanted share of channels and multiply-accumulates.

use crate::{Allocation, Decision, Groups, Limits, PruneError, Report, Scores, allocate::check_share, shrink};
use niwaki_graph::Graph;

/// Shares that must be gone, 0 to 1, of all convolutions and linear layers (frozen ones included).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    /// Share of the channels.
    pub channels: f64,
    /// Share of the multiply-accumulates.
    pub macs: f64,
}

/// Ratios are tried in steps of one percent.
const STEPS: u32 = 100;

/// The smallest uniform ratio, in whole percents, that reaches the target, and its decision.
pub fn uniform_for(
    graph: &Graph,
    groups: &Groups,
    scores: &Scores,
    target: Target,
    limits: Limits,
) -> Result<(f64, Decision), PruneError> {
    check_share("the share of channels to remove", target.channels)?;
    check_share("the share of multiply-accumulates to remove", target.macs)?;
    let attempt = |step: u32| -> Result<(f64, Decision, Report), PruneError> {
        let ratio = f64::from(step) / f64::from(STEPS);
        let decision = Allocation::Uniform { ratio }.decide(groups, scores, limits)?;
        let report = Report::new(graph, &shrink(graph, &decision)?);
        Ok((ratio, decision, report))
    };
    let enough = |report: &Report| report.channels_gone() >= target.channels && report.macs_gone() >= target.macs;
    let (mut ratio, mut decision, report) = attempt(STEPS - 1)?;
    if !enough(&report) {
        let (channels, macs) = (100.0 * report.channels_gone(), 100.0 * report.macs_gone());
        return Err(PruneError::OutOfReach { channels, macs });
    }
    // What leaves at one ratio leaves at every higher one, so halving finds the smallest.
    let (mut low, mut high) = (0, STEPS - 1);
    while low < high {
        let middle = low.midpoint(high);
        let (tried, found, report) = attempt(middle)?;
        if enough(&report) {
            (ratio, decision, high) = (tried, found, middle);
        } else {
            low = middle + 1;
        }
    }
    Ok((ratio, decision))
}
