//! Fully connected layer with interleaved weights: four rows in a word, and three products of it with an input.
//!
//! With weights plus 128 in its bytes a word is `v1 = a + 2^8 b + 2^16 c + 2^24 d`. Reversed, and reversed in each half,
//! it is `v2 = d + 2^8 c + 2^16 b + 2^24 a` and `v3 = b + 2^8 a + 2^16 d + 2^24 c`. Products with the inputs are added up
//! modulo 2^32: `t1`, `t2`, `t3` are the same combinations of the four sums. 128 times the sum of the inputs too much is
//! in each sum, so `(128 + 2^15 + 2^23 + 2^31) * sum(x)` in each of the three.
//!
//! Four sums of 24 bits are 96 bits: exactly what the three hold. `t1 - 2^8 t3 = a + 2^16 (c - a)` tells the low half of
//! `a`, and with its upper byte `a1` that `a1 + c` is the upper half plus that low half, modulo 2^16. `t3 - 2^8 t1` tells
//! the same of `b` and `d`. The lowest byte of `t2` is `d`'s, which gives `b1`; with `b` and the low half of `d` taken off
//! `t2`, the next byte is `c`'s, which gives `a1`; and what is left are the upper bytes of `c` and `d`.
//!
//! 127 quads of terms never leave 24 bits: `508 * 128 * 128 < 2^23`. Longer rows are taken in chunks.

use super::{Arguments, Bound, words};
#[cfg(niwaki_v7m)]
use crate::isa::INTERLEAVED_QUADS;
use crate::isa::interleaved_words;
use crate::scalar;
use niwaki_blob::{PackedFullyConnected, Requantise};

/// Computes groups of rows and moves weights, rules and outputs behind them. Touches what [`Arguments`] says: words of
/// `terms` quads, weights and rules of `channels` groups, a sum for each of their rows, and an output for each row of each
/// group. Dense weights have corrections for every chunk at `multipliers`; streams have one behind the
/// words of each quad.
pub(crate) type Groups = unsafe extern "C" fn(arguments: *mut Arguments);

/// See [`crate::scalar::interleaved_fully_connected`].
#[cfg(niwaki_v7m)]
#[inline(always)]
pub(crate) fn interleaved(op: &PackedFullyConnected<'_>, x: &[i8], output: &mut [i8], scratch: &mut [i8], run: Groups) {
    let quads = op.quads();
    let parts = words(scratch).split_at_mut_checked(4 * quads);
    let enough = op.packed.weights.len() >= op.outputs.div_ceil(4) * quads * 16;
    let Some((inputs, corrections)) = parts.filter(|_| enough) else {
        return scalar::interleaved_fully_connected(op, x, output);
    };
    let chunks = inputs.chunks_mut(4 * INTERLEAVED_QUADS).zip(x.chunks(4 * INTERLEAVED_QUADS));
    for (correction, (words, elements)) in corrections.iter_mut().zip(chunks) {
        let mut sum = 0i32;
        let (whole, rest) = elements.as_chunks::<4>();
        let mut words = words.as_chunks_mut::<4>().0.iter_mut();
        for (elements, words) in whole.iter().zip(words.by_ref()) {
            sum = sum.wrapping_add(widen(words, *elements));
        }
        if let Some(words) = words.next() {
            sum = sum.wrapping_add(widen(words, filled(rest)));
        }
        *correction = correct(sum);
    }
    // SAFETY: there are four words for each quad, a correction for each chunk of them, and blocks for each quad of each
    // group.
    unsafe { each_group::<4>(op, inputs, corrections, output, run) }
}

/// See [`crate::scalar::sparse_interleaved_fully_connected`].
#[inline(always)]
pub(crate) fn sparse_interleaved(
    op: &PackedFullyConnected<'_>,
    x: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
    run: Groups,
) {
    let Some(inputs) = words(scratch).get_mut(..interleaved_words(op.quads(), true)) else {
        return scalar::sparse_interleaved_fully_connected(op, x, output);
    };
    let (whole, rest) = x.as_chunks::<4>();
    let elements = whole.iter().copied().chain(core::iter::once(filled(rest)));
    for ([words @ .., correction], elements) in inputs.as_chunks_mut::<5>().0.iter_mut().zip(elements) {
        *correction = correct(widen(words, elements));
    }
    // SAFETY: there are five words for each quad, and every stream of a checked blob ends and stays inside them.
    unsafe { each_group::<4>(op, inputs, &[], output, run) }
}

/// Words of elements, and their sum.
#[inline(always)]
fn widen(words: &mut [i32; 4], elements: [i8; 4]) -> i32 {
    *words = elements.map(i32::from);
    let [a, b, c, d] = *words;
    a + b + c + d
}

/// Less than four elements, and zeros behind.
fn filled(elements: &[i8]) -> [i8; 4] {
    let mut all = [0; 4];
    for (to, from) in all.iter_mut().zip(elements) {
        *to = *from;
    }
    all
}

/// What takes 128 times the sum of inputs off all four sums.
fn correct(sum: i32) -> i32 {
    sum.wrapping_mul(0x8080_8080_u32 as i32).wrapping_neg()
}

/// All groups of `ROWS` rows; of the last, some outputs may not be there.
///
/// # Safety
/// There must be words and weights as `run` wants them for all groups.
#[inline(always)]
pub(crate) unsafe fn each_group<const ROWS: usize>(
    op: &PackedFullyConnected<'_>,
    inputs: &[i32],
    corrections: &[i32],
    output: &mut [i8],
    run: Groups,
) {
    let packed = &op.packed;
    if packed.rules.len() < op.outputs.div_ceil(ROWS) * 2 * ROWS || output.len() < op.outputs {
        return;
    }
    let (zero_point, activation) = (packed.zero_point, packed.activation);
    let rule = Requantise { multipliers: &[], shift: 0, zero_point, activation };
    let mut bound = Bound::default();
    for [biases, multipliers] in packed.rules.as_chunks::<ROWS>().0.as_chunks::<2>().0 {
        biases.iter().for_each(|bias| bound.bias(*bias));
        multipliers.iter().for_each(|multiplier| bound.multiplier(*multiplier));
    }
    let mut arguments = Arguments::new(&rule, bound.is_small(&rule, 4 * op.quads()));
    let mut sums = [0; ROWS];
    (arguments.words, arguments.weights) = (inputs.as_ptr(), packed.weights.as_ptr());
    (arguments.bias, arguments.multipliers) = (packed.rules.as_ptr(), corrections.as_ptr());
    (arguments.terms, arguments.step, arguments.sums) = (op.quads(), 1, sums.as_mut_ptr());
    let (whole, rest) = (op.outputs / ROWS, op.outputs % ROWS);
    if whole > 0 {
        (arguments.channels, arguments.output) = (whole, output.as_mut_ptr());
        // SAFETY: as the caller promises; there are rules for all groups, and outputs for the rows of these.
        unsafe { run(&raw mut arguments) }
    }
    if rest > 0 {
        let mut last = [0; ROWS];
        (arguments.channels, arguments.output) = (1, last.as_mut_ptr());
        // SAFETY: as before, for the group behind; its outputs are here.
        unsafe { run(&raw mut arguments) }
        for (to, from) in output.iter_mut().skip(ROWS * whole).zip(last) {
            *to = from;
        }
    }
}
