//! What layouts of weights cost, to choose between them: measured, per core.
//!
//! The figures are fitted to those of `cargo xtask bench kernels`: the slope between the
//! cases 1x1 and 3x3 64 to 64 (convolutions) and 640 to 128 and 128 to 128 (fully connected), and what is left at none.

use crate::repack::Form;
use niwaki_blob::OpKind;
use niwaki_kernels::layout::Rows;

/// Tenths of a cycle that an operation takes in a form; only to be compared with another form's.
pub(crate) fn of(form: Form, plain: Rows<'_>) -> u64 {
    let outputs = plain.weights.len() / plain.terms.max(1);
    let quads = plain.terms.div_ceil(4);
    let dense = |rows: usize, cost: Cost| cost.of(outputs.div_ceil(rows), outputs.div_ceil(rows) * quads);
    let sparse = |costs: &[(usize, Cost)]| {
        let cost = costs.iter().find(|(rows, _)| *rows == form.rows).map(|(_, cost)| *cost);
        cost.map_or(u64::MAX, |cost| cost.of(outputs.div_ceil(form.rows), plain.blocks(form.rows)))
    };
    match form.kind {
        OpKind::PackedConv2d => dense(2, dsp::CONV_DENSE),
        OpKind::PackedFullyConnected => dense(4, dsp::CONNECTED_DENSE),
        OpKind::SparseConv2d => sparse(&dsp::CONV_SPARSE),
        OpKind::SparseFullyConnected => sparse(&dsp::CONNECTED_SPARSE),
        _ => 0,
    }
}

/// A kernel's cost on groups of rows, in tenths of a cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// For every group: four pixels of it in a convolution.
    group: u64,
    /// For every block of a group.
    block: u64,
}

impl Cost {
    /// Of this many groups with this many blocks in all.
    pub(crate) fn of(self, groups: usize, blocks: usize) -> u64 {
        self.group * groups as u64 + self.block * blocks as u64
    }
}

/// Cortex-M4, which stands for all cores of [`niwaki_kernels::Isa::Dsp`]: estimated cycles without wait states.
pub(crate) mod dsp {
    use super::Cost;

    pub(crate) const CONV_DENSE: Cost = Cost { group: 767, block: 341 };

    /// By rows of a block.
    pub(crate) const CONV_SPARSE: [(usize, Cost); 2] =
        [(1, Cost { group: 480, block: 276 }), (2, Cost { group: 810, block: 381 })];

    pub(crate) const CONNECTED_DENSE: Cost = Cost { group: 580, block: 215 };

    /// By rows of a block.
    pub(crate) const CONNECTED_SPARSE: [(usize, Cost); 3] = [
        (1, Cost { group: 350, block: 150 }),
        (2, Cost { group: 450, block: 180 }),
        (4, Cost { group: 500, block: 251 }),
    ];
}
