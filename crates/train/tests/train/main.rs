//! One binary for all of the crate's integration tests: linking Burn once is what takes the time.

mod common;
mod gates;
mod observing;
mod operations;
mod parity;
mod training;
