//! Pools: sixteen channels at a time, or a pixel of fewer and its neighbours.

use super::STEP;
use crate::cost::Job;

pub(super) fn features(job: &Job) -> Vec<usize> {
    let ([height, width, channels], few) = (job.output, job.output[2] < STEP);
    let pixels = height * width;
    // What windows cover along an axis, all outputs together.
    let covered = |axis: usize| -> usize {
        let (kernel, stride, before) = (job.window[axis], job.window[2 + axis], job.window[6 + axis]);
        let one =
            |first: usize| (first + kernel).saturating_sub(before).min(job.input[axis]) - first.saturating_sub(before);
        (0..job.output[axis]).map(|output| one(output * stride)).sum()
    };
    let (rows, taps) = (width * covered(0), covered(0) * covered(1));
    let steps = channels.div_ceil(STEP);
    // Pixels with fewer than `STEP` outputs from there to the last.
    let last = pixels - (pixels * channels + channels).saturating_sub(STEP) / channels;
    let list = [1, height, pixels, pixels * steps, rows * steps, taps * steps];
    let [whole, part] = if few { [[0; 6], list] } else { [list, [0; 6]] };
    let behind = if few { [last, last * channels] } else { [0; 2] };
    whole.into_iter().chain(part).chain(behind).collect()
}
