//! Plain problems in the layouts of packed and sparse kinds.

use super::{Problem, Random};
use crate::layout::{Rows, depthwise, filled, rules};
use alloc::{boxed::Box, format};
use niwaki_blob::{CONV_STEP, FULLY_CONNECTED_STEP, INTERLEAVED_STEP, OpKind, WINOGRAD_ROWS};

/// A layout of weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Every weight is there.
    Dense,
    /// Blocks of zeros are left out.
    Sparse {
        /// Rows of a block: 1 or 2, or 4 in a fully connected layer.
        rows: usize,
        /// How many blocks of a hundred are kept.
        kept: u8,
    },
    /// Interleaved weights of four rows.
    Interleaved {
        /// How many blocks of a hundred are kept; all, and dense, where it says nothing.
        kept: Option<u8>,
    },
    /// Winograd weights.
    Winograd,
    /// Only the weights that are not zero.
    Compact {
        /// How many weights of a hundred are kept.
        kept: u8,
    },
    /// Block weights of whole bytes.
    Blocks {
        /// Rows of a block: 1, 2 or 4.
        rows: usize,
        /// Blocks of a unit: 2 or 4.
        unit: usize,
        /// How many blocks of a hundred are kept; all, without an index, where it says nothing.
        kept: Option<u8>,
    },
}

impl Problem {
    /// The same problem with its weights in another layout, as far as that can hold them: weights of -128 become
    /// -127, blocks that are not kept 0, and there is no shift. `None` for kinds and geometries without that layout.
    pub fn packed(mut self, form: Form, seed: u64) -> Option<Self> {
        if let Form::Blocks { rows, unit, kept } = form {
            return self.in_blocks(rows, unit, kept, seed);
        }
        if let Form::Compact { kept } = form {
            return self.compact(kept, seed);
        }
        if let Form::Interleaved { kept } = form {
            return self.interleaved(kept, seed);
        }
        let (kind, rows, step) = match (self.kind, form) {
            (OpKind::FullyConnected, Form::Winograd) => (OpKind::WinogradFullyConnected, WINOGRAD_ROWS, 0),
            (OpKind::Conv2d, _) if self.groups != 1 => return None,
            (OpKind::Conv2d, Form::Dense) => (OpKind::PackedConv2d, 2, 0),
            (OpKind::FullyConnected, Form::Dense) => (OpKind::PackedFullyConnected, 4, 0),
            (OpKind::Conv2d, Form::Sparse { rows: 4, .. }) => return None,
            (OpKind::Conv2d, Form::Sparse { rows, .. }) => (OpKind::SparseConv2d, rows, CONV_STEP),
            (OpKind::FullyConnected, Form::Sparse { rows, .. }) => {
                (OpKind::SparseFullyConnected, rows, FULLY_CONNECTED_STEP)
            }
            (OpKind::DepthwiseConv2d, Form::Dense) => (OpKind::PackedDepthwiseConv2d, 1, 0),
            _ => return None,
        };
        self.shift = 0;
        let outputs = self.bias.len();
        let terms = self.weights.len() / outputs;
        if kind != OpKind::PackedDepthwiseConv2d {
            self.weights.iter_mut().for_each(|weight| *weight = (*weight).max(-127));
        } else if self.window.kernel != [3, 3] || self.window.dilation != [1, 1] {
            return None;
        }
        if let Form::Sparse { rows, kept } = form {
            self.drop_blocks(rows, terms, kept, seed);
        }
        let plain = self.clone();
        let all = Rows { weights: &plain.weights, terms };
        self.weights = match (kind, form) {
            (OpKind::PackedDepthwiseConv2d, _) => depthwise(&plain.weights, outputs),
            (OpKind::WinogradFullyConnected, _) => all.winograd(),
            (OpKind::SparseFullyConnected, Form::Sparse { rows: 2, .. }) => all.pair_streams(step),
            (_, Form::Sparse { rows, .. }) => all.streams(rows, step),
            _ => all.dense(rows),
        };
        let grouped = if (kind, rows) == (OpKind::SparseFullyConnected, 2) { 4 } else { rows };
        self.bias = rules(&plain.bias, &plain.multipliers, grouped);
        self.name = format!("{} as {form:?}", plain.name);
        (self.kind, self.rows) = (kind, rows);
        self.plain = Some(Box::new(plain));
        Some(self)
    }

    /// Only here weights of -128 stay.
    fn interleaved(mut self, kept: Option<u8>, seed: u64) -> Option<Self> {
        if self.kind != OpKind::FullyConnected {
            return None;
        }
        self.shift = 0;
        let terms = self.weights.len() / self.bias.len();
        if let Some(kept) = kept {
            self.drop_blocks(4, terms, kept, seed);
        }
        let plain = self.clone();
        let all = Rows { weights: &plain.weights, terms };
        (self.kind, self.weights) = match kept {
            None => (OpKind::InterleavedFullyConnected, all.interleaved()),
            Some(_) => (OpKind::SparseInterleavedFullyConnected, all.interleaved_streams(INTERLEAVED_STEP)),
        };
        self.bias = rules(&plain.bias, &plain.multipliers, 4);
        self.name = format!("{} interleaved, kept: {kept:?}", plain.name);
        self.rows = 4;
        self.plain = Some(Box::new(plain));
        Some(self)
    }

    fn in_blocks(mut self, rows: usize, unit: usize, kept: Option<u8>, seed: u64) -> Option<Self> {
        let kind = match self.kind {
            OpKind::Conv2d if self.groups == 1 => OpKind::BlockConv2d,
            OpKind::FullyConnected => OpKind::BlockFullyConnected,
            _ => return None,
        };
        self.shift = 0;
        let terms = self.weights.len() / self.bias.len();
        self.weights.iter_mut().for_each(|weight| *weight = (*weight).max(-127));
        if let Some(kept) = kept {
            self.drop_blocks(rows, terms, kept, seed);
        }
        let plain = self.clone();
        let all = Rows { weights: &plain.weights, terms };
        let blocks = if kept.is_some() { all.sparse_blocks(rows, unit) } else { all.dense_blocks(rows, unit) };
        (self.weights, self.index) = (blocks.weights, blocks.index);
        (self.bias, self.multipliers) = (filled(&plain.bias), filled(&plain.multipliers));
        self.name = format!("{} in units of {unit} blocks of {rows} rows, kept: {kept:?}", plain.name);
        (self.kind, self.rows, self.unit) = (kind, rows, unit);
        self.plain = Some(Box::new(plain));
        Some(self)
    }

    /// Here weights of -128 and a shift stay, and groups.
    fn compact(mut self, kept: u8, seed: u64) -> Option<Self> {
        let kind = match self.kind {
            OpKind::Conv2d => OpKind::CompactConv2d,
            OpKind::FullyConnected => OpKind::CompactFullyConnected,
            _ => return None,
        };
        let random = &mut Random::new(seed);
        self.weights.iter_mut().filter(|_| random.between(1, 100) > i64::from(kept)).for_each(|weight| *weight = 0);
        let plain = self.clone();
        let terms = plain.weights.len() / plain.bias.len();
        (self.weights, self.bits) = Rows { weights: &plain.weights, terms }.compact();
        self.name = format!("{} compact, kept: {kept}", plain.name);
        self.kind = kind;
        self.plain = Some(Box::new(plain));
        Some(self)
    }

    fn drop_blocks(&mut self, rows: usize, terms: usize, kept: u8, seed: u64) {
        let random = &mut Random::new(seed);
        for group in self.weights.chunks_mut(rows * terms) {
            for first in (0..terms).step_by(4) {
                if random.between(1, 100) > i64::from(kept) {
                    let quad = first..(first + 4).min(terms);
                    group.chunks_mut(terms).for_each(|row| row[quad.clone()].fill(0));
                }
            }
        }
    }
}
