//! The peripherals that the MPS2 and MPS3 boards have in common: a UART and LEDs (Arm DAI0386, Arm DDI0479).

use core::convert::Infallible;
use embedded_hal::digital::{self, OutputPin};
use embedded_io::{ErrorType, Read, Write};

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CONTROL: usize = 0x08;
const BAUD_DIVIDER: usize = 0x10;

const TRANSMIT_FULL: u32 = 1 << 0;
const RECEIVE_FULL: u32 = 1 << 1;

/// A register that is only reached through here.
#[derive(Clone, Copy, Debug)]
struct Register(usize);

impl Register {
    fn read(self) -> u32 {
        // SAFETY: whoever made the peripheral promised that its registers are here; reading them changes no memory.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    fn write(self, value: u32) {
        // SAFETY: as in `read`; neither the UART nor the LEDs can write to memory.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}

/// A CMSDK UART, polled.
#[derive(Debug)]
pub struct CmsdkUart {
    base: usize,
}

impl CmsdkUart {
    /// Switches it on. May be called again: it changes nothing then.
    ///
    /// # Safety
    /// `base` must be the address of a CMSDK UART.
    pub unsafe fn new(base: usize, clock_hz: u32) -> Self {
        let uart = Self { base };
        // QEMU ignores the rate, but refuses to send with a divider of less than 16.
        uart.register(BAUD_DIVIDER).write((clock_hz / 115_200).max(16));
        uart.register(CONTROL).write(0b11);
        uart
    }

    fn register(&self, offset: usize) -> Register {
        Register(self.base + offset)
    }

    fn state(&self) -> u32 {
        self.register(STATE).read()
    }
}

impl ErrorType for CmsdkUart {
    type Error = Infallible;
}

impl Read for CmsdkUart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(byte) = buffer.first_mut() else { return Ok(0) };
        while self.state() & RECEIVE_FULL == 0 {}
        *byte = self.register(DATA).read() as u8;
        Ok(1)
    }
}

impl Write for CmsdkUart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            while self.state() & TRANSMIT_FULL != 0 {}
            self.register(DATA).write(u32::from(*byte));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while self.state() & TRANSMIT_FULL != 0 {}
        Ok(())
    }
}

/// LED 0 of the FPGA's system registers, as the trigger.
#[derive(Debug)]
pub struct FpgaLed(Register);

impl FpgaLed {
    /// The LED.
    ///
    /// # Safety
    /// `base` must be the address of the board's FPGAIO registers, of which the first drives the LEDs.
    pub unsafe fn new(base: usize) -> Self {
        Self(Register(base))
    }
}

impl digital::ErrorType for FpgaLed {
    type Error = Infallible;
}

impl OutputPin for FpgaLed {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.write(0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.write(1);
        Ok(())
    }
}
