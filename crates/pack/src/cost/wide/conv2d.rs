//! Plain convolutions: patches of the input, tiles of pixels with panels of filters.

use super::{Rows, STEP};
use crate::cost::Job;

/// Bytes of filters, and of patches, at a time.
const ROOM: usize = 64 * 1024;

/// Patches at a time, at most.
const PATCHES: usize = 32;

/// Sizes that a tile's pixels are halved to.
fn halves(most: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(most), |size| Some(size / 2).filter(|size| *size > 0))
}

/// `tile` is how many pixels and how many channels a tile has.
pub(super) fn features(job: &Job, tile: usize) -> Vec<usize> {
    let [height, width, outputs] = job.output;
    let [tall, wide, down, right, _, aside, above, left] = job.window;
    let (pixels, groups, depth) = (height * width, job.groups, job.input[2] / job.groups);
    let filter = tall * wide * depth;
    let steps = filter.div_ceil(STEP);
    let single = [tall, wide, down, right, above, left] == [1, 1, 1, 1, 0, 0];
    let direct = single && job.input[1] == width && height <= job.input[0] && groups == 1 && depth.is_multiple_of(STEP);
    let panel_bytes = tile * (8 + steps * STEP);
    let per_group = outputs / groups;
    let panels = per_group.div_ceil(tile);
    let chunks = groups * panels.div_ceil((ROOM / panel_bytes).clamp(1, panels.max(1)));
    let at_once = PATCHES.min(ROOM / (steps * STEP + STEP) / tile * tile).max(1);
    let runs: Vec<usize> = match direct {
        true => vec![pixels],
        false => (0..pixels).step_by(at_once).map(|first| at_once.min(pixels - first)).collect(),
    };
    let mut list = vec![1, chunks * runs.len()];
    let mut all = 0;
    for size in halves(tile) {
        let tiles: usize = runs.iter().map(|run| if size == tile { run / tile } else { run / size % 2 }).sum();
        let with = tiles * groups * panels;
        list.extend([tiles * chunks, with, with * (steps / 2), with * (steps % 2)]);
        all += tiles;
    }
    let part = per_group % tile;
    let quick = per_group / tile * (filter / STEP);
    list.extend([
        all * groups * usize::from(part > 0),
        pixels * groups * usize::from(part > 0),
        pixels * groups * part,
        groups * panels,
        groups * quick,
        groups * (panels * steps - quick),
        groups * part * tile,
        (outputs * filter).div_ceil(STEP),
        (panels * panel_bytes).min(ROOM).div_ceil(STEP),
    ]);
    let rows = Rows::of(job);
    let (pieces, len) = if groups == 1 && aside == 1 { (tall, wide * depth) } else { (tall * wide, depth) };
    // Parts of runs that lie in one row.
    let mut first = 0;
    let segments: usize = runs
        .iter()
        .map(|run| {
            first += run;
            (first - 1) / width - (first - run) / width + 1
        })
        .sum();
    let (short, long) = if len <= 4 * STEP { (pixels, 0) } else { (0, pixels) };
    let copies = [
        1,
        rows.cleared.div_ceil(STEP),
        at_once * (steps + 1),
        rows.loads * chunks,
        rows.loads * chunks * rows.row.div_ceil(STEP),
        height * chunks,
        height * tall * chunks,
        segments * chunks,
        segments * chunks * pieces,
        short * chunks * pieces,
        short * chunks * pieces * len.div_ceil(STEP),
        long * chunks * pieces,
        long * chunks * pieces * (len / (4 * STEP)),
        long * chunks * pieces * (len % (4 * STEP)).div_ceil(STEP),
    ];
    list.extend(copies.map(|count| if direct { 0 } else { count }));
    list
}
