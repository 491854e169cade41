//! What stands before and after a network on a microcontroller: from microphone samples or camera pixels to int8 inputs,
//! and from int8 outputs to an answer.
//!
//! | | |
//! |---|---|
//! | [`Mfcc`] | mel-frequency cepstral coefficients, as MLPerf Tiny's keyword spotting takes them |
//! | [`LogMel`] | logarithmic mel spectra, as its anomaly detection takes them |
//! | [`image`] | bilinear resizing, pixels to int8 |
//! | [`top_k`], [`squared_error`] | the best classes, the reconstruction error of an autoencoder |
//!
//! The feature `testing` adds generated signals, and digests of what is made of them.
//!
//! `no_std`, without heap and without panics. Everything is computed in integers, with tables made at compile time: a
//! host and every core give the same bytes.

#![no_std]
#![forbid(unsafe_code)]

mod fft;
pub mod image;
mod log_mel;
mod logarithm;
mod math;
mod mfcc;
mod post;
mod quantiser;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use log_mel::LogMel;
pub use mfcc::Mfcc;
pub use post::{Fixed, squared_error, top_k};
pub use quantiser::Quantiser;
