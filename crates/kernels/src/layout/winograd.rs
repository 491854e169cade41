//! Plain weights as what SPEC.md calls Winograd weights.

use super::Rows;
use alloc::vec::Vec;
use niwaki_blob::{WINOGRAD_QUADS, WINOGRAD_ROWS, winograd_constants};

impl Rows<'_> {
    /// Whether Winograd weights can hold these.
    pub fn pairable(&self) -> bool {
        !self.weights.contains(&i8::MIN)
    }

    /// Words and constants, `[group][chunk]`.
    pub fn winograd(&self) -> Vec<i8> {
        let quads = self.terms.div_ceil(4);
        let mut bytes = Vec::new();
        for group in 0..self.outputs().div_ceil(WINOGRAD_ROWS) {
            for first in (0..quads).step_by(WINOGRAD_QUADS) {
                let pairs = 2 * first..2 * quads.min(first + WINOGRAD_QUADS);
                let halves = pairs.flat_map(|pair| [0, 4].map(|half| (pair, half)));
                let words = halves.flat_map(|(pair, half)| [0, 1].map(|k| (2 * pair + k, half)));
                let places = words.flat_map(|(term, half)| [0, 1, 2, 3].map(|row| (half + row, term)));
                let words: Vec<i8> =
                    places.map(|(row, term)| self.at(group * WINOGRAD_ROWS + row, term) ^ i8::MIN).collect();
                let constants = winograd_constants(&words).map(i32::to_le_bytes);
                bytes.extend(constants.as_flattened().iter().map(|byte| *byte as i8));
                bytes.extend(words);
            }
        }
        bytes
    }
}
