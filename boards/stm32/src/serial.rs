//! A serial line, polled.

use core::panic::PanicInfo;
use cortex_m::peripheral::SCB;
use embassy_stm32::{
    mode::Blocking,
    usart::{ConfigError, Error, Uart},
};
use embedded_io::{ErrorType, Read, Write};

/// A UART of the HAL as a byte stream: the HAL's own waits until a buffer is full.
pub struct Serial<'d>(pub Uart<'d, Blocking>);

impl ErrorType for Serial<'_> {
    type Error = Error;
}

impl Read for Serial<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let Some(byte) = buffer.first_mut() else { return Ok(0) };
        self.0.blocking_read(core::slice::from_mut(byte))?;
        Ok(1)
    }
}

impl Write for Serial<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0.blocking_write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.blocking_flush()
    }
}

/// For a board's panic handler: says so on the line that the board had, and starts anew.
pub fn panicked(info: &PanicInfo<'_>, uart: Result<Uart<'_, Blocking>, ConfigError>) -> ! {
    match uart {
        Ok(uart) => niwaki_board::panicked(info, Serial(uart)),
        Err(_) => SCB::sys_reset(),
    }
}
