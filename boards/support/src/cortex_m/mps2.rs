//! Arm's MPS2 and MPS3 boards: alike but for their core's clock and where their peripherals are.

use super::{CmsdkUart, FpgaLed, SysTick, panicked};
use crate::Board;
use core::panic::PanicInfo;

/// Such a board: UART0 is the link, LED 0 the trigger, SysTick the counter.
#[derive(Clone, Copy, Debug)]
pub struct Mps2 {
    name: &'static str,
    clock_hz: u32,
    uart: usize,
    fpga_io: usize,
}

impl Mps2 {
    /// The board of this name: its core's clock, and the addresses of its first UART and its FPGAIO registers.
    ///
    /// # Safety
    /// A CMSDK UART must be at `uart`, and registers that cannot write to memory at `fpga_io`.
    pub const unsafe fn new(name: &'static str, clock_hz: u32, uart: usize, fpga_io: usize) -> Self {
        Self { name, clock_hz, uart, fpga_io }
    }

    /// Serves the link for ever; see [`Board::serve`].
    pub fn serve<const OPS: u32>(self, blob: &[u8], arena: &mut [i8]) -> ! {
        let counter = SysTick::take(self.clock_hz);
        // SAFETY: whoever made this promised that the registers are there.
        let trigger = unsafe { FpgaLed::new(self.fpga_io) };
        Board { name: self.name, serial: self.uart(), trigger, counter }.serve_for_ever::<OPS>(blob, arena)
    }

    /// For the board's panic handler: see [`panicked`].
    pub fn panicked(self, info: &PanicInfo<'_>) -> ! {
        panicked(info, self.uart())
    }

    fn uart(self) -> CmsdkUart {
        // SAFETY: whoever made this promised that the UART is there.
        unsafe { CmsdkUart::new(self.uart, self.clock_hz) }
    }
}
