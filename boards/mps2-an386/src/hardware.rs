//! The two peripherals that the link and the trigger need (Arm DAI0386, "Cortex-M System Design Kit" UART).

use core::convert::Infallible;
use embedded_hal::digital::{self, OutputPin};
use embedded_io::{ErrorType, Read, Write};

const UART0: usize = 0x4000_4000;
const DATA: usize = UART0;
const STATE: usize = UART0 + 0x04;
const CONTROL: usize = UART0 + 0x08;
const BAUD_DIVIDER: usize = UART0 + 0x10;

const TRANSMIT_FULL: u32 = 1 << 0;
const RECEIVE_FULL: u32 = 1 << 1;

const FPGA_LEDS: usize = 0x4002_8000;

fn read(register: usize) -> u32 {
    // SAFETY: only the constants above are passed: aligned, always mapped device registers; reading has no effect on
    // memory.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as in `read`; neither the UART nor the LEDs can write to memory.
    unsafe { (register as *mut u32).write_volatile(value) }
}

/// UART0, polled.
pub(crate) struct Uart;

impl Uart {
    /// Switches it on. May be called again: it changes nothing then.
    pub(crate) fn new() -> Self {
        // 25 MHz / 217 = 115 200 baud; QEMU ignores it, but refuses to send with less than 16.
        write(BAUD_DIVIDER, 217);
        write(CONTROL, 0b11);
        Self
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(byte) = buffer.first_mut() else { return Ok(0) };
        while read(STATE) & RECEIVE_FULL == 0 {}
        *byte = read(DATA) as u8;
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            while read(STATE) & TRANSMIT_FULL != 0 {}
            write(DATA, u32::from(*byte));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while read(STATE) & TRANSMIT_FULL != 0 {}
        Ok(())
    }
}

/// LED 0.
pub(crate) struct Led;

impl digital::ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        write(FPGA_LEDS, 0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        write(FPGA_LEDS, 1);
        Ok(())
    }
}
