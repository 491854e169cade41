//! Fixed-width records, as they lie in flash.

use bytemuck::{Pod, Zeroable};
use core::ops::Range;

/// Stands for "no tensor" in [`OpRecord::inputs`].
pub const NO_INPUT: u16 = u16::MAX;

/// One activation tensor: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct TensorRecord {
    /// First byte in the arena.
    pub offset: u32,
    /// Height, width, channels: NHWC with N = 1. A vector is `[1, 1, n]`.
    pub shape: [u16; 3],
    /// The int8 value that stands for zero.
    pub zero_point: i8,
    /// Always 0.
    pub reserved: u8,
    /// Real value of one step.
    pub scale: f32,
}

/// One operation: 64 bytes. What `p` and `q` hold depends on `kind`; SPEC.md has the table.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct OpRecord {
    /// An [`crate::OpKind`].
    pub kind: u8,
    /// Left shift before the multiplier.
    pub shift: u8,
    /// Smallest output.
    pub min: i8,
    /// Largest output.
    pub max: i8,
    /// Input tensors; [`NO_INPUT`] where there is no second one.
    pub inputs: [u16; 2],
    /// Output tensor.
    pub output: u16,
    /// Groups of a convolution.
    pub groups: u16,
    /// Geometry.
    pub p: [u16; 8],
    /// Offset of weights or a table in the data section.
    pub weights: u32,
    /// Offset of the bias in the data section.
    pub bias: u32,
    /// Offset of the multipliers in the data section.
    pub multipliers: u32,
    /// Scalars.
    pub q: [i32; 3],
    /// First byte of the kernel's scratch in the arena, and its bytes.
    pub scratch: [u32; 2],
    /// Always 0.
    pub reserved: u32,
}

impl OpRecord {
    /// Where its kernel's scratch lies in the arena.
    pub fn scratch_range(&self) -> Range<usize> {
        let [start, bytes] = self.scratch.map(|number| number as usize);
        start..start.saturating_add(bytes)
    }

    /// A record of this kind in which everything else is zero, the output range is all of int8, and there is no
    /// second input.
    pub fn new(kind: crate::OpKind, input: u16, output: u16) -> Self {
        Self { kind: kind as u8, min: i8::MIN, max: i8::MAX, inputs: [input, NO_INPUT], output, ..Zeroable::zeroed() }
    }
}
