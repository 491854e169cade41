//! Convolution, dense and block-sparse: the windows of six neighbouring pixels as words, times every filter.

use super::arguments::{FIRST, LAST};
use super::windows::Windows;
use super::{Arguments, Bound, Core, PIXELS, copy, words};
use crate::isa::{LaneLayout, lane_layout, lane_stream_layout};
use crate::scalar;
use niwaki_blob::{Conv2d, PackedConv2d, Requantise, Shape};

/// See [`crate::scalar::conv2d`]. Groups take the scalar way.
#[inline(always)]
pub(crate) fn conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8], core: &Core) {
    let channels = op.output.channels;
    let terms = op.window.kernel[0] * op.window.kernel[1] * op.input.channels;
    let layout = lane_layout(op);
    let rule = &op.requantise;
    let good = op.groups == 1 && op.weights.len() >= channels * terms && input.len() >= op.input.elements();
    let good = good && op.bias.len() >= channels && rule.multipliers.len() >= channels && channels > 0 && terms > 0;
    let Some(parts) = Parts::new(&layout, scratch).filter(|_| good) else {
        return scalar::conv2d(op, input, output);
    };
    let windows = Windows::new(&op.window, op.input, op.input_zero_point, input);
    let mut bound = Bound::default();
    op.bias.iter().for_each(|bias| bound.bias(*bias));
    rule.multipliers.iter().for_each(|multiplier| bound.multiplier(*multiplier));
    let small = bound.is_small(rule, terms);
    let chunks = terms.div_ceil(layout.chunk.max(1));
    let mut arguments = Arguments::new(rule, small);
    (arguments.pitch, arguments.start, arguments.step) = (terms, chunks as i32, channels);
    arguments.sums_step = if chunks > 1 { 4 * PIXELS } else { 0 };
    each_group(op.output, parts, output, |places, Parts { packed, sums, lines, .. }, outputs| {
        for chunk in 0..chunks {
            let start = chunk * layout.chunk;
            let len = layout.chunk.min(terms - start);
            windows.pack(core, places, [start, len], lines, packed);
            arguments.words = packed.as_ptr();
            arguments.weights = op.weights.as_ptr().wrapping_add(start);
            (arguments.terms, arguments.channels) = (len, channels);
            (arguments.bias, arguments.multipliers) = (op.bias.as_ptr(), rule.multipliers.as_ptr());
            (arguments.sums, arguments.output) = (sums.as_mut_ptr(), outputs);
            arguments.stage = if chunk == 0 { FIRST } else { 0 } | if chunk + 1 == chunks { LAST } else { 0 };
            // SAFETY: there are four words for each term of a chunk, `terms` weights, a bias and a multiplier for each
            // filter, sums as the layout has room for, and six pixels with all their channels; and the kernel touches no
            // more.
            unsafe { (core.filters)(&raw mut arguments) }
        }
    });
}

/// See [`crate::scalar::sparse_conv2d`]. Blocks of two rows take the scalar way.
#[inline(always)]
pub(crate) fn sparse_conv2d(op: &PackedConv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8], core: &Core) {
    let channels = op.output.channels;
    let terms = 4 * op.quads();
    let layout = lane_stream_layout(op);
    let packed_weights = &op.packed;
    let rules = packed_weights.rules.as_chunks::<2>().0;
    let good = packed_weights.rows == 1 && rules.len() >= channels && channels > 0 && terms > 0;
    let good = good && input.len() >= op.input.elements();
    let Some(parts) = Parts::new(&layout, scratch).filter(|_| good) else {
        return scalar::sparse_conv2d(op, input, output);
    };
    let (zero_point, activation) = (packed_weights.zero_point, packed_weights.activation);
    let rule = Requantise { multipliers: &[], shift: 0, zero_point, activation };
    let mut bound = Bound::default();
    for [bias, multiplier] in rules {
        bound.bias(*bias);
        bound.multiplier(*multiplier);
    }
    let small = bound.is_small(&rule, terms);
    let mut arguments = Arguments::new(&rule, small);
    arguments.step = channels;
    let windows = Windows::new(&op.window, op.input, op.input_zero_point, input);
    let whole = op.window.kernel[0] * op.window.kernel[1] * op.input.channels;
    // Terms that are filled up have weights of 0, or should have.
    parts.packed.iter_mut().skip(4 * whole).for_each(|word| *word = 0);
    each_group(op.output, parts, output, |places, Parts { packed, sums, lines, .. }, outputs| {
        windows.pack(core, places, [0, whole], lines, packed);
        arguments.words = packed.as_ptr();
        arguments.weights = packed_weights.weights.as_ptr();
        (arguments.channels, arguments.bias) = (channels, packed_weights.rules.as_ptr());
        (arguments.sums, arguments.output) = (sums.as_mut_ptr(), outputs);
        // SAFETY: every stream ends, and its positions are inside the quads, for which there are words; there are a
        // bias and a multiplier for each filter, six sums, and six pixels with all their channels; and the kernel
        // touches no more.
        unsafe { (core.streams)(&raw mut arguments) }
    });
}

/// The scratch.
struct Parts<'a> {
    /// Four words for each term.
    packed: &'a mut [i32],
    /// Six for each filter, or six.
    sums: &'a mut [i32],
    /// Pieces of the rows of three windows.
    lines: &'a mut [i8],
    /// Outputs of six pixels, where there are fewer.
    outputs: &'a mut [i8],
}

impl<'a> Parts<'a> {
    fn new(layout: &LaneLayout, scratch: &'a mut [i8]) -> Option<Self> {
        let (bytes, scratch) = scratch.split_at_mut_checked(layout.word_bytes)?;
        let (packed, sums) = words(bytes).split_at_mut_checked(layout.packed)?;
        let (lines, outputs) = scratch.split_at_mut_checked(layout.lines)?;
        let outputs = outputs.get_mut(..layout.outputs)?;
        (sums.len() >= layout.sums).then_some(Self { packed, sums, lines, outputs })
    }
}

/// Calls `apply` with the places of every six pixels, and where their outputs begin, with room for all of six pixels.
#[inline(always)]
fn each_group<'a>(
    shape: Shape,
    mut parts: Parts<'a>,
    output: &mut [i8],
    mut apply: impl FnMut(&[[usize; 2]; PIXELS], &mut Parts<'a>, *mut i8),
) {
    let (channels, width) = (shape.channels.max(1), shape.width.max(1));
    let pixels = shape.height * width;
    if output.len() < pixels * channels {
        return;
    }
    let mut next = [0usize; 2];
    let mut done = 0;
    while done < pixels {
        // The last group starts where it is whole, on pixels that were computed before; if there are only so few, it
        // has some twice.
        let first = done.min(pixels.saturating_sub(PIXELS));
        for _ in first..done {
            next = match next {
                [y, 0] => [y.saturating_sub(1), width - 1],
                [y, x] => [y, x - 1],
            };
        }
        let mut places = [[0; 2]; PIXELS];
        for (at, place) in (first..).zip(&mut places) {
            *place = next;
            if at + 1 < pixels {
                next[1] += 1;
                if next[1] == width {
                    next = [next[0] + 1, 0];
                }
            }
        }
        if pixels < PIXELS {
            let outputs = parts.outputs.as_mut_ptr();
            apply(&places, &mut parts, outputs);
            copy(output, parts.outputs);
        } else {
            apply(&places, &mut parts, output.as_mut_ptr().wrapping_add(first * channels));
        }
        done = first + PIXELS;
    }
}
