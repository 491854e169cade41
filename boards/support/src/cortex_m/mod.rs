//! What Cortex-M boards share: counters, known loops, the peripherals of Arm's FPGA boards, and what happens
//! when something goes wrong.

mod cmsdk;
mod cycles;
mod forever;
mod known_loop;
pub(crate) mod mark;
mod mps2;
pub(crate) mod stack;
mod systick;
mod trouble;

pub use cmsdk::{CmsdkUart, FpgaLed};
pub use cycles::CycleCounter;
pub use known_loop::known_loop;
pub use mps2::Mps2;
pub use systick::SysTick;
pub use trouble::panicked;
