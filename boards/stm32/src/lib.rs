//! What STM32 boards share. A board chooses the chip with a feature of `embassy-stm32`.
//!
//! The HAL starts a chip's clocks only where there are a flash and a power controller. QEMU has neither, so that boards
//! which also run there start by registers: [`Usart`], [`wait_states`], [`within_reason`].
#![no_std]

mod clocks;
mod serial;
mod usart;

pub use clocks::{alternate, at_full_speed, pll_runs, wait_states, within_reason};
pub use serial::{Serial, panicked};
pub use usart::{Layout, Usart};
