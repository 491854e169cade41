//! Layers with block weights: the input is rearranged in planes, then vectors of four pixels meet all blocks.

use super::STEP;
use crate::cost::Job;

/// Bytes of planes at a time.
const PLANES: usize = 32 * 1024;

/// Rearranging pixels.
#[derive(Default)]
struct Fill {
    /// Loops over pixels: one for four quads, two or one.
    loops: usize,
    /// Four pixels at a time of four quads, of two, of one.
    fours: [usize; 3],
    /// Quads of pixels that are no four.
    singles: usize,
}

impl Fill {
    /// `count` pixels of so many quads, `times` over.
    fn add(&mut self, count: usize, quads: usize, times: usize) {
        if count < 4 {
            self.singles += times * count * quads;
            return;
        }
        for (fours, loops) in self.fours.iter_mut().zip([quads / 4, quads % 4 / 2, quads % 2]) {
            self.loops += times * loops;
            *fours += times * loops * count.div_ceil(4);
        }
    }
}

/// Rows of planes.
#[derive(Default)]
struct Padded {
    /// Phases of rows that are all padding, and their words in fours.
    empty: [usize; 2],
    /// Phases of rows with pixels, their quads, and words of padding before and behind the pixels.
    filled: [usize; 4],
    /// Rows that are copied first: all, their bytes in vectors; those with pixels, and their bytes.
    copied: [usize; 4],
}

/// `most` is how many vectors of four pixels a tile has.
pub(super) fn convolution(job: &Job, most: usize) -> Vec<usize> {
    let [height, width, outputs] = job.output;
    let [tall, wide, down, right, _, _, above, left] = job.window;
    let (channels, blocks) = (job.input[2], job.blocks.unwrap_or(0));
    let all = (tall * wide * channels).div_ceil(4);
    let single = [tall, wide, down, right, above, left] == [1, 1, 1, 1, 0, 0];
    let joined = single && channels.is_multiple_of(4) && job.input[1] == width && height <= job.input[0];
    let (mut fill, mut padded) = (Fill::default(), Padded::default());
    // Neighbouring pixels that are computed together, and how often so many.
    let (bands, lines) = match joined {
        true => {
            let fitting = (PLANES / (all * 4)).max(8);
            let at_once = fitting.min(height * width).next_multiple_of(4);
            let lines: Vec<(usize, usize)> =
                (0..height * width).step_by(at_once).map(|first| (at_once.min(height * width - first), 1)).collect();
            lines.iter().for_each(|(count, times)| fill.add(*count, all, *times));
            (lines.len(), lines)
        }
        false => {
            let (at_once, one) = rearranged(job, &mut fill, &mut padded);
            let rows = (0..height).step_by(at_once).map(|first| (at_once.min(height - first) * width, 1));
            (height.div_ceil(at_once), if one { rows.collect() } else { vec![(width, height)] })
        }
    };
    let groups = outputs.div_ceil(4);
    let mut list = vec![1, bands, lines.iter().map(|(_, times)| times).sum()];
    // Groups of rows with blocks are at most as many as units of two blocks are.
    let rows = outputs.div_ceil(job.rows.max(1));
    let filled = rows.min(blocks / 2);
    let (mut calls, mut parts) = (0, 0);
    for vectors in [4, 2, 1].into_iter().filter(|vectors| *vectors <= most) {
        let (mut tiles, mut cut) = (0, 0);
        for (count, times) in &lines {
            for pixels in tiles_of(*count, most).filter(|pixels| vectors_of(*pixels, most) == vectors) {
                tiles += times;
                if pixels < 4 * vectors {
                    cut += times;
                    parts += times * pixels;
                }
            }
        }
        list.extend([tiles, tiles * groups, tiles * blocks, tiles * filled, cut * groups]);
        calls += tiles;
    }
    let odd = usize::from(!outputs.is_multiple_of(4));
    let pixels = height * width;
    list.extend([parts * groups, calls * odd, pixels * odd, pixels * (outputs % 4)]);
    list.extend([fill.loops, fill.fours[0], fill.fours[1], fill.fours[2], fill.singles]);
    list.extend(padded.empty.into_iter().chain(padded.filled).chain(padded.copied));
    let [direct, looked_up] = if joined { [blocks, 0] } else { [0, blocks] };
    list.extend([direct, looked_up, if joined { 0 } else { all }, rows]);
    list
}

/// How many vectors the tile of so many pixels, or more, has.
fn vectors_of(left: usize, most: usize) -> usize {
    match left {
        13.. if most >= 4 => 4,
        5.. => 2,
        _ => 1,
    }
}

/// The pixels of each tile of a line.
fn tiles_of(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    std::iter::from_fn(move || {
        let pixels = left.min(4 * vectors_of(left, most));
        left -= pixels;
        (pixels > 0).then_some(pixels)
    })
}

/// Counts how rows of the input become planes; gives how many rows of outputs are computed at once, and whether their pixels
/// are neighbours.
fn rearranged(job: &Job, fill: &mut Fill, padded: &mut Padded) -> (usize, bool) {
    let [height, width, _] = job.output;
    let [tall, wide, down, right, apart, aside, above, left] = job.window;
    let channels = job.input[2];
    // Pixels that are not whole quads: what the taps of a row read counts as one.
    let taps = !channels.is_multiple_of(4);
    let (reach, quads) = if taps { (0, wide * channels / 4) } else { ((wide - 1) * aside, channels / 4) };
    let one = reach == 0;
    let phases = right.min(reach + 1);
    let positions = if one { width } else { width.next_multiple_of(4) + reach / right };
    let extent = (tall - 1) * apart + 1;
    let fitting = (PLANES / (phases * quads * positions * 4).max(1)).saturating_sub(extent) / down + 1;
    let at_once = fitting.max(4).min(height);
    let bands = height.div_ceil(at_once);
    let line = ((width - 1) * right + wide) * channels;
    // Of rows that no window has a tap in, none is rearranged where rows are joined.
    let read = (0..(at_once - 1) * down + extent).filter(|row| !one || row % down < extent);
    for row in (0..bands).flat_map(|band| read.clone().map(move |row| band * at_once * down + row)) {
        let inside = (above..above + job.input[0]).contains(&row);
        if taps {
            padded.copied[0] += 1;
            padded.copied[1] += line.div_ceil(STEP);
            padded.copied[2] += usize::from(inside);
            padded.copied[3] += if inside { (job.input[1] * channels).div_ceil(STEP) } else { 0 };
            fill.add(width, quads, 1);
            continue;
        }
        for phase in 0..phases {
            let first = left.saturating_sub(phase).div_ceil(right).min(positions);
            let behind = (job.input[1] + left).saturating_sub(phase).div_ceil(right).min(positions);
            if !inside || first >= behind {
                padded.empty[0] += 1;
                padded.empty[1] += (quads * positions).div_ceil(4);
                continue;
            }
            padded.filled[0] += 1;
            padded.filled[1] += quads;
            padded.filled[2] += quads * first;
            padded.filled[3] += quads * (positions - behind);
            fill.add(behind - first, quads, 1);
        }
    }
    (at_once, one)
}

/// Fully connected layers: four outputs at a time, or sixteen where all blocks are there.
pub(super) fn connected(job: &Job) -> Vec<usize> {
    let (inputs, outputs) = (job.terms(), job.output[2]);
    let (fours, units) = (outputs.div_ceil(4), inputs.div_ceil(4).div_ceil(2));
    let rest = outputs % STEP;
    let mut list = vec![
        1,
        inputs.div_ceil(STEP),
        inputs.div_ceil(4),
        inputs % STEP,
        outputs / STEP,
        rest,
        usize::from(rest > 0),
        rest.div_ceil(4),
    ];
    match job.blocks {
        None => {
            for groups in [fours / 4, fours % 4] {
                list.extend([groups, groups * (units / 4), groups * usize::from(units % 4 > 1), groups * (units % 2)]);
            }
        }
        Some(blocks) => list.extend([fours, blocks]),
    }
    list
}
