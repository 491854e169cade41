//! Kernels on an emulated core: generated problems against the scalar kernels, and counts of instructions.
//!
//! `check` and `bench` are firmware for QEMU's mps2-an386; on a host they do nothing. `tests/` runs the first,
//! `benches/kernels.rs` the second.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

pub mod cases;
#[cfg(target_os = "none")]
pub mod device;
