//! Depthwise convolutions: rows of outputs, sixteen lanes at a time.

use super::{Rows, STEP};
use crate::cost::Job;

/// `dot` says whether there are dot products, which compute two rows of outputs at once, eight channels at a time.
pub(super) fn features(job: &Job, dot: bool) -> Vec<usize> {
    let [height, width, channels] = job.output;
    let [tall, wide, down, right, apart, aside, _, left] = job.window;
    let taps = tall * wide;
    let joined = right == 1 && STEP.is_multiple_of(channels);
    let lanes = if joined { STEP } else { channels };
    let slices = lanes.div_ceil(STEP);
    let rows = Rows::of(job);
    // Outputs of a row: by the loop for 3x3, by the one for all, and such as are stored in part.
    let (mut quick, mut other, mut parts) = (0, 0, 0);
    for first in (0..lanes).step_by(STEP) {
        let (count, each, last) = match lanes == channels {
            true => (width, STEP.min(channels - first), STEP.min(channels - first)),
            false => ((width * channels).div_ceil(STEP), STEP, (width * channels - 1) % STEP + 1),
        };
        let whole = if (tall, wide) == (3, 3) && each == STEP { count - usize::from(last < STEP) } else { 0 };
        (quick, other) = (quick + whole, other + count - whole);
        parts += if each < STEP { count } else { usize::from(last < STEP) };
    }
    // Slices that end with other channels than they start with.
    let odd = usize::from(!lanes.is_multiple_of(STEP) || joined && channels < STEP);
    let last = if joined { (width * channels - 1) % STEP + 1 } else { channels };
    let fitting = [tall, wide, apart, aside] == [3, 3, 1, 1] && last.is_multiple_of(8) && (!joined || channels >= 8);
    let fitting = dot && fitting && down == right && down <= 2;
    let (pairs, rows_left) = if fitting { (height / 2, height % 2) } else { (0, height) };
    let eights = if lanes == channels { channels / 8 } else { 1 };
    vec![
        1,
        height,
        height * tall,
        rows_left * slices,
        rows_left * slices * tall,
        rows_left * quick,
        rows_left * other,
        rows_left * other * tall,
        rows_left * other * taps,
        rows_left * parts,
        slices,
        slices * taps,
        odd,
        odd * taps,
        odd * taps * (lanes - (slices - 1) * STEP),
        (channels * taps).div_ceil(STEP),
        rows.loads,
        rows.loads * rows.row.div_ceil(STEP),
        rows.loads * usize::from(left > 0),
        rows.cleared.div_ceil(STEP),
        slices * (8 + taps),
        pairs,
        pairs * eights,
        pairs * eights * width * usize::from(down == 1),
        pairs * eights * width * usize::from(down == 2),
        usize::from(fitting) * slices,
    ]
}
