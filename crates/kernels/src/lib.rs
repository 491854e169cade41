//! int8 kernels: `scalar` is the specification, and each further instruction set is a folder that must agree with it
//! bit for bit.
//!
//! Kernels are given an operation of a checked blob ([`niwaki_blob::Op`]) and slices of exactly the lengths that its
//! shapes say. With anything else they compute something useless, but they neither panic nor touch other memory.
#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "packing")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod bands;
mod compact;
mod dispatch;
#[cfg(niwaki_dsp)]
#[allow(unsafe_code, reason = "assembly and word-wide memory; every block argues why it is right")]
mod dsp;
#[cfg(niwaki_helium)]
#[allow(unsafe_code, reason = "assembly; every call argues why it is right")]
mod helium;
mod isa;
#[cfg(any(niwaki_v7m, niwaki_v6m, test))]
#[cfg_attr(test, allow(dead_code, unused_imports, reason = "a host tests its arithmetic only"))]
#[allow(unsafe_code, reason = "words in scratch memory, calls of assembly; every block argues why it is right")]
mod lanes;
#[cfg(feature = "packing")]
pub mod layout;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(niwaki_neon32)]
mod neon32;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "others only ask for the bytes"))]
mod planes;
#[cfg(feature = "testing")]
pub mod problem;
pub mod scalar;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64", niwaki_neon32))]
mod simd;
#[cfg(niwaki_v6m)]
#[allow(unsafe_code, reason = "assembly; every call argues why it is right")]
mod v6m;
#[cfg(niwaki_v7m)]
#[allow(unsafe_code, reason = "assembly; every call argues why it is right")]
mod v7m;

pub use dispatch::{ALL_OPS, Operands, run};
pub use isa::{Isa, scratch_bytes};
