//! What the kernels of Cortex-M55 run over: their ways through a layer are few and known, so that a sum of these numbers
//! is nearly exact.

use super::{Job, features::inside};
use niwaki_blob::OpKind;

/// Elements of a vector.
const VECTOR: usize = 16;
/// Outputs that are computed together.
const ROWS: usize = 4;

/// The numbers of a convolution or a fully connected layer, the first 1; `None` for other kinds, and for convolutions with
/// groups.
pub(super) fn features(job: &Job) -> Option<Vec<usize>> {
    let windows = match job.kind {
        OpKind::Conv2d | OpKind::BlockConv2d if job.groups == 1 => gathered(job),
        OpKind::FullyConnected | OpKind::BlockFullyConnected => vec![usize::from(!job.terms().is_multiple_of(4))],
        _ => return None,
    };
    let [height, width, _] = job.output;
    let list = [1, height, height * width].into_iter().chain(windows);
    Some(list.chain(products(job).map(|number| number * height * width)).chain([job.blocks.unwrap_or(0)]).collect())
}

/// What a vector of inputs times the weights takes.
fn products(job: &Job) -> impl Iterator<Item = usize> {
    let (outputs, terms) = (job.output[2], job.terms());
    let (groups, steps, rest) = (outputs.div_ceil(ROWS), terms.div_ceil(VECTOR), !terms.is_multiple_of(VECTOR));
    let whole = outputs.is_multiple_of(ROWS);
    let blocks = job.blocks.filter(|_| job.rows > 0);
    // Inputs that stay in registers; whole vectors; anything.
    let few = blocks.is_none() && whole && terms <= 4 * VECTOR;
    let long = blocks.is_none() && whole && !few && !rest;
    let any = blocks.is_none() && !few && !long;
    let of = move |way: bool| [usize::from(way), groups * usize::from(way), groups * steps * usize::from(way)];
    let ends = usize::from(few && rest);
    let inputs = steps * usize::from(few);
    let fours = groups * usize::from(blocks.is_some());
    [of(few), of(long), of(any), [ends, groups * ends, inputs], [fours, blocks.unwrap_or(0), 0]].into_iter().flatten()
}

/// What bringing windows together takes; nothing where they are read where they lie.
fn gathered(job: &Job) -> Vec<usize> {
    let [tall, wide, down, _, apart, aside, above, left] = job.window;
    let [height, width, _] = job.output;
    let line = wide * job.input[2];
    let whole_words = job.rows == 0 || job.input[2].is_multiple_of(4);
    if (tall, wide, above, left) == (1, 1, 0, 0) && whole_words {
        return vec![0; 10];
    }
    let (rows, columns) = (inside(job, 0), inside(job, 1));
    let fast = if aside == 1 { rows.len() * columns.len() } else { 0 };
    let border = height * width - fast;
    // Rows of windows at the border: outside, inside, and those that reach beyond a side, tap by tap.
    let rows_of =
        |y: usize| (0..tall).filter(|tap| (y * down + tap * apart).wrapping_sub(above) < job.input[0]).count();
    let (mut outside, mut across, mut cut) = (0, 0, 0);
    for y in 0..height {
        let (here, whole) = (rows_of(y), if aside == 1 { columns.len() } else { 0 });
        let slow = if rows.contains(&y) { 0 } else { whole };
        outside += (tall - here) * (slow + width - whole);
        across += here * slow;
        cut += here * (width - whole);
    }
    let vectors = line.div_ceil(VECTOR);
    let pieces = wide * job.input[2].div_ceil(VECTOR);
    vec![
        fast,
        fast * tall,
        fast * tall * vectors,
        border,
        outside,
        outside * vectors,
        across,
        across * vectors,
        cut * wide,
        cut * pieces,
    ]
}
