//! What layouts of weights cost, to choose between them: measured, per core.
//!
//! The figures are fitted to those of `cargo xtask bench kernels`: the slope between the
//! cases 1x1 and 3x3 64 to 64 (convolutions) and 640 to 128 and 128 to 128 (fully connected), and what is left at none.

use crate::repack::Form;
use niwaki_blob::OpKind::{
    self, BlockConv2d, BlockFullyConnected, Conv2d, FullyConnected, InterleavedFullyConnected, PackedConv2d,
    PackedFullyConnected, SparseConv2d, SparseFullyConnected, SparseInterleavedFullyConnected,
};
use niwaki_kernels::{Isa, layout::Rows};

/// What an operation takes in a form, in units of the core's table: only to be compared with another form's.
pub(crate) fn of(form: Form, isa: Isa, plain: Rows<'_>) -> u64 {
    let table: &[Entry] = match isa {
        Isa::V7m => &V7M,
        Isa::V6m => &V6M,
        Isa::Neon | Isa::NeonDot => &NEON,
        _ => &DSP,
    };
    let rows = if form.unit > 0 && !form.sparse { DENSE } else { form.rows };
    let entry = table.iter().find(|(kind, of, _)| (*kind, *of) == (form.kind, rows));
    // Where there is one form only.
    let Some((_, _, cost)) = entry else { return 0 };
    let rows = form.rows;
    let groups = (plain.weights.len() / plain.terms.max(1)).div_ceil(rows);
    let blocks = if form.sparse { plain.blocks(rows) } else { groups * plain.terms.div_ceil(4) };
    cost.group * groups as u64 + cost.block * blocks as u64
}

/// Stands for the rows of a block kind without an index, whose groups have four.
const DENSE: usize = 0;

/// A kind, the rows of its groups, and what they cost.
type Entry = (OpKind, usize, Cost);

/// A kernel's cost on groups of rows.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// For every group: the pixels of it in a convolution that a kernel takes at a time.
    group: u64,
    /// For every block of a group.
    block: u64,
}

const fn entry(kind: OpKind, rows: usize, group: u64, block: u64) -> Entry {
    (kind, rows, Cost { group, block })
}

/// Cortex-M4, which stands for all cores of [`Isa::Dsp`]: tenths of estimated cycles without wait states.
const DSP: [Entry; 7] = [
    entry(PackedConv2d, 2, 767, 341),
    entry(SparseConv2d, 1, 480, 255),
    entry(SparseConv2d, 2, 810, 381),
    entry(PackedFullyConnected, 4, 580, 215),
    entry(SparseFullyConnected, 1, 350, 120),
    entry(SparseFullyConnected, 2, 450, 150),
    entry(SparseFullyConnected, 4, 460, 241),
];

/// Cortex-M3: tenths of instructions.
const V7M: [Entry; 4] = [
    entry(Conv2d, 1, 800, 285),
    entry(SparseConv2d, 1, 1000, 324),
    entry(InterleavedFullyConnected, 4, 810, 243),
    entry(SparseInterleavedFullyConnected, 4, 760, 291),
];

/// Cortex-M0 and M0+: tenths of instructions.
const V6M: [Entry; 4] = [
    entry(Conv2d, 1, 1340, 510),
    entry(SparseConv2d, 1, 2150, 572),
    entry(InterleavedFullyConnected, 4, 2160, 385),
    entry(SparseInterleavedFullyConnected, 4, 2180, 454),
];

/// Cortex-A76, which stands for all 64-bit Arm cores: hundredths of instructions, in a convolution for eight pixels. One
/// blob is for all of them, and without dot products leaving out blocks saves more.
const NEON: [Entry; 9] = [
    entry(Conv2d, 1, 1300, 284),
    entry(BlockConv2d, 1, 1880, 863),
    entry(BlockConv2d, 2, 2900, 1070),
    entry(BlockConv2d, 4, 8000, 1330),
    entry(FullyConnected, 1, 970, 42),
    entry(BlockFullyConnected, 1, 1880, 542),
    entry(BlockFullyConnected, 2, 2860, 656),
    entry(BlockFullyConnected, 4, 3660, 490),
    // Every block.
    entry(BlockFullyConnected, DENSE, 3020, 166),
];
