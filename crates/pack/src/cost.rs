//! What layouts of weights cost, to choose between them: measured, per core.
//!
//! The figures are fitted to `cargo bench -p on-core --bench kernels` in `boards/`: the slope between the
//! cases `mpw` and `s3c2` (convolutions) and `fc1` and `fc2` (fully connected), and what is left at none.

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
        (1, Cost { group: 350, block: 120 }),
        (2, Cost { group: 450, block: 150 }),
        (4, Cost { group: 460, block: 241 }),
    ];
}
