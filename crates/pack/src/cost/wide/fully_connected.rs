//! Plain fully connected layers: eight outputs at a time.

use super::STEP;
use crate::cost::Job;

/// Outputs at a time.
const ROWS: usize = 8;

pub(super) fn features(job: &Job) -> Vec<usize> {
    let (inputs, outputs) = (job.terms(), job.output[2]);
    // The scalar kernel computes those whose rows end before a vector does, or all.
    let first = (STEP / inputs.max(1)).saturating_sub(usize::from(STEP.is_multiple_of(inputs)));
    if outputs < first + ROWS {
        let scalar = [1, outputs, outputs * inputs, outputs * (inputs / STEP), outputs * (inputs % STEP)];
        return [0; 7].into_iter().chain(scalar).collect();
    }
    let (groups, steps) = ((outputs - first).div_ceil(ROWS), inputs / STEP);
    let tail = usize::from(!inputs.is_multiple_of(STEP));
    let list = [1, groups, groups * (steps / 2), groups * (steps % 2), groups * tail, first, first * inputs];
    list.into_iter().chain([0; 5]).collect()
}
