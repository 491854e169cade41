//! The `.nwk` format: a quantised network as bytes, written on a host and read in place on a device.
//!
//! `SPEC.md` beside this crate is the format; the code follows it. [`Blob::read`] checks everything once. After that
//! every accessor is infallible, copies nothing, and no kernel that is given its views can leave the blob or the arena.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("a .nwk blob is little-endian and is read in place: big-endian targets are not supported");

mod block;
mod check;
mod compact;
mod fits;
mod header;
mod kind;
mod manifest;
mod op;
mod packed;
mod read;
mod record;
mod requantise;
mod sequence;
mod winograd;
#[cfg(feature = "std")]
mod write;

pub use block::{BLOCK_OUTPUTS, BlockConv2d, BlockFullyConnected, BlockWeights};
pub use check::ReadError;
pub use compact::{CompactConv2d, CompactFullyConnected};
pub use header::{HEADER_BYTES, MAGIC, VERSION, arena_bytes, op_set};
pub use kind::OpKind;
pub use manifest::{Interface, MAX_INTERFACES, MAX_RANK, Manifest};
pub use op::{
    Activation, AvgPool, Binary, CONV_STEP, Concat, Conv2d, FULLY_CONNECTED_STEP, FullyConnected, INTERLEAVED_STEP,
    Lut, MaxPool, Op, PackedConv2d, PackedFullyConnected, PackedWeights, Pad, Requantise, STREAM_SLACK, Shape, Softmax,
    Transpose, Window,
};
pub use read::{Blob, Tensor};
pub use record::{NO_INPUT, OpRecord, TensorRecord};
pub use requantise::{ADD_SHIFT, MAX_ADD_MULTIPLIER, MAX_ADD_OFFSET, multiply_round, requantise, round_multiplier};
pub use sequence::{Constant, Embedding, LayerNorm, MatMul};
pub use winograd::{
    WINOGRAD_BLOCK, WINOGRAD_CONSTANTS, WINOGRAD_QUADS, WINOGRAD_ROWS, winograd_bytes, winograd_constants,
};
#[cfg(feature = "std")]
pub use write::{AlignedBytes, WriteError, Writer};
