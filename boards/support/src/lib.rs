//! What every board shares: it serves the link, runs the model, times layers and logs.
//!
//! A board brings a serial line (`embedded-io`), a pin that frames each inference for a power analyser
//! (`embedded-hal`) and a [`Counter`]; [`Board::serve`] does the rest. The same code runs on microcontrollers, in the
//! process that is `boards/host`, and in this crate's tests.
#![no_std]

#[cfg(any(test, feature = "process"))]
extern crate std;

mod counter;
mod inference;
mod log;
mod ports;
mod probe;
#[cfg(feature = "process")]
pub mod process;
mod serve;
mod stopwatch;

#[cfg(all(target_os = "none", target_arch = "arm"))]
mod cortex_m;

#[cfg(all(target_os = "none", target_arch = "arm"))]
pub use cortex_m::{CmsdkUart, CycleCounter, FpgaLed, Mps2, SysTick, known_loop, panicked};
pub use counter::{Counter, NoCounter};
pub use log::Ring;
pub use niwaki_link::{Calibration, CounterKind};
pub use serve::{Board, MAX_LAYERS};
