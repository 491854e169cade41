//! Layers with compact weights, the same on every core: they are for room in flash, and take longer than plain ones.

use crate::scalar::axis::Axis;
use niwaki_blob::{CompactConv2d, CompactFullyConnected, requantise};

/// As [`crate::scalar::conv2d`], with the weights that are there.
pub(crate) fn compact_conv2d(op: &CompactConv2d<'_>, input: &[i8], output: &mut [i8]) {
    let conv = &op.conv;
    let channels = conv.output.channels.max(1);
    let per_group = channels.checked_div(conv.groups).unwrap_or(0).max(1);
    let depth = conv.input.channels.checked_div(conv.groups).unwrap_or(0);
    let (rows, columns) = (Axis::rows(&conv.window, conv.input), Axis::columns(&conv.window, conv.input));
    let [height, width] = conv.window.kernel;
    for (y, line) in output.chunks_exact_mut((conv.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let mut kept = Kept { bits: op.bits, weights: conv.weights };
            for (channel, out) in pixel.iter_mut().enumerate() {
                let first = channel.checked_div(per_group).unwrap_or(0) * depth;
                let (mut acc, mut terms) = (conv.bias.get(channel).copied().unwrap_or(0), kept.output(op.terms()));
                for tap_y in 0..height {
                    let row = rows.position(y, tap_y);
                    for tap_x in 0..width {
                        let at = row.zip(columns.position(x, tap_x));
                        let run = at.and_then(|(row, column)| {
                            let start = (row * conv.input.width + column) * conv.input.channels + first;
                            input.get(start..start + depth)
                        });
                        for term in 0..depth {
                            if let Some(weight) = terms.next(&mut kept) {
                                let x = run.map_or(Some(conv.input_zero_point), |run| run.get(term).copied());
                                acc = acc.wrapping_add(i32::from(x.unwrap_or(0)) * i32::from(weight));
                            }
                        }
                    }
                }
                *out = requantise(acc, channel, &conv.requantise);
            }
        }
    }
}

/// As [`crate::scalar::fully_connected`], with the weights that are there.
pub(crate) fn compact_fully_connected(op: &CompactFullyConnected<'_>, input: &[i8], output: &mut [i8]) {
    let mut kept = Kept { bits: op.bits, weights: op.layer.weights };
    for (channel, out) in output.iter_mut().enumerate() {
        let (mut acc, mut terms) = (op.layer.bias.get(channel).copied().unwrap_or(0), kept.output(op.layer.inputs));
        for x in input {
            if let Some(weight) = terms.next(&mut kept) {
                acc = acc.wrapping_add(i32::from(*x) * i32::from(weight));
            }
        }
        *out = requantise(acc, channel, &op.layer.requantise);
    }
}

/// What follows the outputs that were computed.
struct Kept<'a> {
    bits: &'a [u8],
    weights: &'a [i8],
}

/// The bits of one output.
struct Terms<'a> {
    bytes: &'a [u8],
    /// What is left of a byte, below a bit that says where it ends.
    byte: u32,
}

impl<'a> Kept<'a> {
    /// The next output's bits.
    #[inline(always)]
    fn output(&mut self, terms: usize) -> Terms<'a> {
        let (bytes, rest) = self.bits.split_at_checked(terms.div_ceil(8)).unwrap_or_default();
        self.bits = rest;
        Terms { bytes, byte: 1 }
    }
}

impl Terms<'_> {
    /// The next term's weight; `None` where it is zero.
    #[inline(always)]
    fn next(&mut self, kept: &mut Kept<'_>) -> Option<i8> {
        if self.byte == 1 {
            let (byte, rest) = self.bytes.split_first()?;
            (self.byte, self.bytes) = (u32::from(*byte) | 1 << 8, rest);
        }
        let there = self.byte & 1 == 1;
        self.byte >>= 1;
        if !there {
            return None;
        }
        let (weight, rest) = kept.weights.split_first()?;
        kept.weights = rest;
        Some(*weight)
    }
}
