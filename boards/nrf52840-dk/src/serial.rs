//! The buffered UART as a byte stream that waits, and what is left of it after a panic.

use core::convert::Infallible;
use embassy_futures::block_on;
use embassy_nrf::{
    buffered_uarte::{BufferedUarte, Error},
    pac::UARTE0,
};
use embedded_io::{ErrorType, Read, Write};

/// DMA fills its buffer while a request is being handled: no byte is lost.
pub(crate) struct Serial<'d>(pub(crate) BufferedUarte<'d>);

impl ErrorType for Serial<'_> {
    type Error = Error;
}

impl Read for Serial<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        block_on(self.0.read(buffer))
    }
}

impl Write for Serial<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        block_on(self.0.write(bytes))
    }

    fn flush(&mut self) -> Result<(), Error> {
        block_on(self.0.flush())
    }
}

/// The UART after a panic, when the HAL's buffers may be in any state: it is still on, and DMA sends from RAM.
pub(crate) struct LastWords;

impl ErrorType for LastWords {
    type Error = Infallible;
}

impl Write for LastWords {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            let byte = [*byte];
            UARTE0.dma().tx().ptr().write_value(byte.as_ptr() as u32);
            UARTE0.dma().tx().maxcnt().write(|count| count.set_maxcnt(1));
            UARTE0.events_dma().tx().end().write_value(0);
            UARTE0.tasks_dma().tx().start().write_value(1);
            while UARTE0.events_dma().tx().end().read() == 0 {}
            // The byte must live until it was read.
            core::hint::black_box(&byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
