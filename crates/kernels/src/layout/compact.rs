//! Plain weights as what SPEC.md calls compact weights.

use super::Rows;
use alloc::{vec, vec::Vec};

impl Rows<'_> {
    /// The weights that are not zero, and the bits that say which they are.
    pub fn compact(&self) -> (Vec<i8>, Vec<u8>) {
        let row = self.terms.div_ceil(8);
        let mut bits = vec![0u8; self.weights.len() / self.terms.max(1) * row];
        for (output, weights) in self.weights.chunks(self.terms.max(1)).enumerate() {
            for (term, _) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0) {
                bits[output * row + term / 8] |= 1 << (term % 8);
            }
        }
        (self.weights.iter().copied().filter(|weight| *weight != 0).collect(), bits)
    }
}
