//! Weights for inner products by Winograd's algorithm: SPEC.md, "Winograd weights".

use crate::PackedWeights;

/// Rows of a group.
pub const WINOGRAD_ROWS: usize = 8;

/// Quads of a chunk, at most.
pub const WINOGRAD_QUADS: usize = 128;

/// Bytes of the constants before a chunk's words.
pub const WINOGRAD_CONSTANTS: usize = 24;

/// Bytes of a group's words for one quad.
pub const WINOGRAD_BLOCK: usize = 4 * WINOGRAD_ROWS;

/// Bytes of weights.
pub const fn winograd_bytes(outputs: usize, quads: u64) -> u64 {
    let chunks = quads.div_ceil(WINOGRAD_QUADS as u64).saturating_mul(WINOGRAD_CONSTANTS as u64);
    let words = quads.saturating_mul(WINOGRAD_BLOCK as u64);
    words.saturating_add(chunks).saturating_mul(outputs.div_ceil(WINOGRAD_ROWS) as u64)
}

/// The constants that stand before a chunk's words.
pub fn winograd_constants(words: &[i8]) -> [i32; 6] {
    let mut constants = [[0u32; 3]; 2];
    for halves in words.as_chunks::<8>().0.as_chunks::<2>().0 {
        for ([whole, upper, swapped], terms) in constants.iter_mut().zip(halves) {
            let [a, b, c, d, e, f, g, h] = terms.map(|byte| byte as u8);
            let (u, v) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
            *whole = whole.wrapping_add(constant(u, v, 0x1_0001));
            *upper = upper.wrapping_add(constant(u >> 16, v >> 16, 1));
            let (u, v) = (u32::from_le_bytes([b, a, d, c]), u32::from_le_bytes([f, e, h, g]));
            *swapped = swapped.wrapping_add(constant(u, v, 0x1_0001));
        }
    }
    let [[a, b, c], [d, e, f]] = constants;
    [a, b, c, d, e, f].map(|constant| constant as i32)
}

fn constant(u: u32, v: u32, factor: u32) -> u32 {
    u.wrapping_add(v).wrapping_mul(127 * factor).wrapping_sub(u.wrapping_mul(v))
}

/// Whether every chunk has its constants, and no weight is -128.
pub(crate) fn fits(packed: &PackedWeights<'_>, outputs: usize, quads: usize) -> bool {
    let mut rest = packed.weights;
    for _ in 0..outputs.div_ceil(WINOGRAD_ROWS) {
        let mut left = quads;
        while left > 0 {
            let chunk = left.min(WINOGRAD_QUADS);
            let parts = rest.split_first_chunk::<WINOGRAD_CONSTANTS>();
            let parts =
                parts.and_then(|(constants, rest)| Some((constants, rest.split_at_checked(chunk * WINOGRAD_BLOCK)?)));
            let Some((constants, (words, behind))) = parts else { return false };
            let expected = winograd_constants(words).map(i32::to_le_bytes);
            let same = expected.as_flattened().iter().zip(constants).all(|(a, b)| *a == *b as u8);
            if !same || words.contains(&0) {
                return false;
            }
            (rest, left) = (behind, left - chunk);
        }
    }
    quads > 0 && rest.is_empty()
}
