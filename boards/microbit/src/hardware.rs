//! The three peripherals of the nRF51822 that the link, the trigger and the counter need (nRF51 Series Reference Manual).

use core::convert::Infallible;
use embedded_hal::digital::{self, OutputPin};
use embedded_io::{ErrorType, Read, Write};
use niwaki_board::{Counter, CounterKind, known_loop};

const UART: usize = 0x4000_2000;
const TIMER0: usize = 0x4000_8000;
const GPIO: usize = 0x5000_0000;

fn read(register: usize) -> u32 {
    // SAFETY: only registers of the peripherals above are passed: aligned and always mapped; reading has no effect on
    // memory.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as in `read`; none of the three peripherals can write to memory.
    unsafe { (register as *mut u32).write_volatile(value) }
}

/// The UART on the pins of the USB interface chip, polled.
pub(crate) struct Uart;

impl Uart {
    const START_RECEIVING: usize = UART;
    const START_SENDING: usize = UART + 0x008;
    const RECEIVED: usize = UART + 0x108;
    const SENT: usize = UART + 0x11c;
    const ENABLE: usize = UART + 0x500;
    const PIN_TX: usize = UART + 0x50c;
    const PIN_RX: usize = UART + 0x514;
    const RXD: usize = UART + 0x518;
    const TXD: usize = UART + 0x51c;
    const BAUD_RATE: usize = UART + 0x524;

    /// Switches it on. May be called again: it changes nothing then.
    pub(crate) fn new() -> Self {
        write(GPIO + 0x508, 1 << 24);
        write(GPIO + 0x518, 1 << 24);
        write(Self::PIN_TX, 24);
        write(Self::PIN_RX, 25);
        // The manual's value for 115 200 baud.
        write(Self::BAUD_RATE, 0x01d7_e000);
        write(Self::ENABLE, 4);
        write(Self::START_RECEIVING, 1);
        write(Self::START_SENDING, 1);
        Self
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(byte) = buffer.first_mut() else { return Ok(0) };
        while read(Self::RECEIVED) == 0 {}
        // The event is cleared before the byte is taken: the next byte may raise it at once.
        write(Self::RECEIVED, 0);
        *byte = read(Self::RXD) as u8;
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            write(Self::SENT, 0);
            write(Self::TXD, u32::from(*byte));
            while read(Self::SENT) == 0 {}
        }
        Ok(bytes.len())
    }

    // `write` returns when the last byte has gone.
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The first row of LEDs.
pub(crate) struct LedRow;

impl LedRow {
    const PIN: u32 = 1 << 13;

    pub(crate) fn new() -> Self {
        write(GPIO + 0x518, Self::PIN);
        Self
    }
}

impl digital::ErrorType for LedRow {
    type Error = Infallible;
}

impl OutputPin for LedRow {
    fn set_low(&mut self) -> Result<(), Infallible> {
        write(GPIO + 0x50c, Self::PIN);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        write(GPIO + 0x508, Self::PIN);
        Ok(())
    }
}

/// TIMER0 at 16 MHz, the core's clock. The nRF51's Cortex-M0 has no SysTick, and only this timer has 32 bits.
pub(crate) struct Timer0 {
    /// Ticks at the last reading since `restart`.
    last: u64,
}

impl Timer0 {
    const START: usize = TIMER0;
    const STOP: usize = TIMER0 + 0x004;
    const CLEAR: usize = TIMER0 + 0x00c;
    const CAPTURE: usize = TIMER0 + 0x040;
    const MODE: usize = TIMER0 + 0x504;
    const BIT_MODE: usize = TIMER0 + 0x508;
    const PRESCALER: usize = TIMER0 + 0x510;
    const CAPTURED: usize = TIMER0 + 0x540;

    pub(crate) fn new() -> Self {
        write(Self::STOP, 1);
        write(Self::MODE, 0);
        write(Self::BIT_MODE, 3);
        write(Self::PRESCALER, 0);
        write(Self::CLEAR, 1);
        write(Self::START, 1);
        Self { last: 0 }
    }

    // Not inlined: both lengths that are subtracted run the same code around the loop.
    #[inline(never)]
    fn time_loop(&mut self, instructions: u32) -> u64 {
        self.restart();
        let start = self.now();
        known_loop(instructions);
        self.now().saturating_sub(start)
    }
}

impl Counter for Timer0 {
    const KIND: CounterKind = CounterKind::Cycles;

    fn hz(&self) -> u32 {
        16_000_000
    }

    fn restart(&mut self) {
        write(Self::CLEAR, 1);
        self.last = 0;
    }

    /// Sees one wrap between two readings: a layer may take four minutes and a half.
    // Not inlined: a reading takes the same instructions wherever it is made.
    #[inline(never)]
    fn now(&mut self) -> u64 {
        write(Self::CAPTURE, 1);
        let ticks = u64::from(read(Self::CAPTURED));
        let turns = self.last >> 32;
        let turns = if ticks < self.last & 0xffff_ffff { turns + 1 } else { turns };
        self.last = turns << 32 | ticks;
        self.last
    }

    fn known_loop(&mut self, instructions: u32) -> Option<u64> {
        const SHORTEST: u32 = 4;
        let base = self.time_loop(SHORTEST);
        Some(self.time_loop(instructions.saturating_add(SHORTEST)).saturating_sub(base))
    }
}
