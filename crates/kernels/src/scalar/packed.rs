//! Blocks and streams of packed weights, one weight at a time (SPEC.md, "Packed weights").

use niwaki_blob::{Activation, PackedWeights, Requantise, requantise};

/// Most rows of a group.
pub(super) const MAX_ROWS: usize = 4;

/// The quads of a group, in the order of memory, each with its block.
pub(super) struct Blocks<'a> {
    weights: &'a [i8],
    /// Rows of a dense block.
    rows: usize,
    /// What offsets count in; `None` for dense weights.
    step: Option<usize>,
    /// Quads of a dense group.
    quads: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn dense(packed: &PackedWeights<'a>, quads: usize) -> Self {
        Self { weights: packed.weights, rows: packed.rows, step: None, quads }
    }

    pub(super) fn sparse(packed: &PackedWeights<'a>, step: usize) -> Self {
        Self { weights: packed.weights, rows: packed.rows, step: Some(step), quads: 0 }
    }

    /// Visits the blocks of the next group.
    #[inline(always)]
    pub(super) fn group(&mut self, visit: impl FnMut(usize, &'a [i8])) {
        self.stream(self.rows, visit);
    }

    /// Visits the blocks of the next stream, which have so many rows.
    #[inline(always)]
    pub(super) fn stream(&mut self, rows: usize, mut visit: impl FnMut(usize, &'a [i8])) {
        let Some(step) = self.step else {
            for quad in 0..self.quads {
                visit(quad, self.take(rows));
            }
            return;
        };
        let mut position = 0usize;
        loop {
            let Some((offsets, behind)) = self.weights.split_first_chunk::<4>() else { return };
            self.weights = behind;
            let [a, b, c, d] = offsets.map(|byte| byte as u8);
            for offset in [i16::from_le_bytes([a, b]), i16::from_le_bytes([c, d])] {
                let Ok(offset) = usize::try_from(offset) else { return };
                position += offset;
                visit(position.checked_div(step).unwrap_or(0), self.take(rows));
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, rows: usize) -> &'a [i8] {
        let (block, rest) = self.weights.split_at_checked(4 * rows).unwrap_or_default();
        self.weights = rest;
        block
    }
}

/// Adds the products of a block with its quad of terms to the sums of its rows.
#[inline(always)]
pub(super) fn add_block(sums: &mut [i32], rows: usize, block: &[i8], terms: [i8; 4]) {
    let terms = terms.map(i32::from);
    if let (1, Some(sum)) = (rows, sums.first_mut()) {
        for (x, w) in terms.iter().zip(block) {
            *sum = sum.wrapping_add(x * i32::from(*w));
        }
        return;
    }
    for (pair, numbers) in sums.as_chunks_mut::<2>().0.iter_mut().zip(block.as_chunks::<8>().0) {
        for (number, k) in numbers.as_chunks::<2>().0.iter().zip([0, 2, 1, 3]) {
            let [low, high] = number.map(|byte| byte as u8);
            let low_row = i32::from(low as i8);
            let high_row = (i32::from(i16::from_le_bytes([low, high])) - low_row) >> 8;
            let x = terms.get(k).copied().unwrap_or(0);
            pair[0] = pair[0].wrapping_add(x * low_row);
            pair[1] = pair[1].wrapping_add(x * high_row);
        }
    }
}

/// The outputs of a group from the sums of its rows, of which odd ones have 24 bits.
#[inline(always)]
pub(super) fn finish(packed: &PackedWeights<'_>, group: usize, sums: [i32; MAX_ROWS], output: &mut [i8]) {
    let [a, b, c, d] = sums;
    finish_rows(packed, group, [a, (b << 8) >> 8, c, (d << 8) >> 8], output);
}

/// The outputs of a group from the sums of its rows.
#[inline(always)]
pub(super) fn finish_rows<const N: usize>(packed: &PackedWeights<'_>, group: usize, sums: [i32; N], output: &mut [i8]) {
    let rows = packed.rows;
    let rule = packed.rules.get(group * 2 * rows..).unwrap_or_default();
    let (bias, multipliers) = rule.split_at_checked(rows).unwrap_or_default();
    let rule = Requantise { multipliers, shift: 0, zero_point: packed.zero_point, activation: packed.activation };
    for (row, ((out, sum), bias)) in output.iter_mut().zip(sums).zip(bias).enumerate() {
        *out = requantise(sum.wrapping_add(*bias), row, &rule);
    }
}

/// The rule of one channel of a depthwise convolution.
#[inline(always)]
pub(super) fn finish_channel(rule: [i32; 2], zero_point: i8, activation: Activation, sum: i32) -> i8 {
    let [bias, multiplier] = rule;
    let rule = Requantise { multipliers: &[multiplier], shift: 0, zero_point, activation };
    requantise(sum.wrapping_add(bias), 0, &rule)
}
