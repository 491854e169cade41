//! A USART by its registers: for chips whose clocks the HAL does not start under emulation.

use core::convert::Infallible;
use cortex_m::peripheral::SYST;
use embedded_io::{ErrorType, Read, Write};

/// Where a USART has its registers, as offsets.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    status: usize,
    receive: usize,
    transmit: usize,
    baud: usize,
    control: usize,
    enable: u32,
}

impl Layout {
    /// STM32F2 and F4 (RM0090, 30.6).
    pub const F4: Self =
        Self { status: 0x00, receive: 0x04, transmit: 0x04, baud: 0x08, control: 0x0c, enable: 1 << 13 };
    /// STM32L4 and L4+ (RM0351, 40.8).
    pub const L4: Self =
        Self { status: 0x1c, receive: 0x24, transmit: 0x28, baud: 0x0c, control: 0x00, enable: 1 << 0 };
}

const RECEIVED: u32 = 1 << 5;
const ALL_SENT: u32 = 1 << 6;
const MAY_SEND: u32 = 1 << 7;
const RECEIVE: u32 = 1 << 2;
const TRANSMIT: u32 = 1 << 3;
/// Another byte came before the last was taken. On an L4 this has to be cleared, or nothing is received any more.
const OVERRUN: u32 = 1 << 3;
const L4_CLEAR: usize = 0x20;

/// A USART at 115 200 baud, polled.
pub struct Usart {
    base: usize,
    layout: Layout,
    /// SysTick has to run out often while a byte is waited for.
    nudge: bool,
}

impl Usart {
    /// Switches it on. May be called again: it changes nothing then.
    ///
    /// # Safety
    /// `base` must be the address of a USART with this layout, whose bus clock runs.
    pub unsafe fn new(base: usize, layout: Layout, clock_hz: u32) -> Self {
        let usart = Self { base, layout, nudge: false };
        usart.write_register(layout.baud, clock_hz / 115_200);
        usart.write_register(layout.control, layout.enable | RECEIVE | TRANSMIT);
        usart
    }

    /// The same, for QEMU's L4: after a byte was taken, it looks for another only when one of its timers runs out. If
    /// `emulated`, SysTick does that often while a byte is waited for. What it counts then means nothing; whoever counts
    /// with it restarts it.
    pub fn nudged(mut self, emulated: bool) -> Self {
        self.nudge = emulated;
        self
    }

    fn register(&self, offset: usize) -> u32 {
        // SAFETY: whoever made this promised that a USART is here; reading its registers changes no memory.
        unsafe { ((self.base + offset) as *const u32).read_volatile() }
    }

    fn write_register(&self, offset: usize, value: u32) {
        // SAFETY: as in `register`; DMA is never switched on, so that a USART cannot write to memory.
        unsafe { ((self.base + offset) as *mut u32).write_volatile(value) }
    }

    fn is(&self, state: u32) -> bool {
        self.register(self.layout.status) & state != 0
    }
}

/// Changes it, and lets the period begin now.
fn systick_period(reload: u32) {
    // SAFETY: SysTick is at this address on every core that has one. Its owner reads these registers only between
    // `restart` and the end of what it times, and serial lines are silent then.
    unsafe {
        (*SYST::PTR).rvr.write(reload);
        (*SYST::PTR).cvr.write(0);
    }
}

impl ErrorType for Usart {
    type Error = Infallible;
}

impl Read for Usart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(byte) = buffer.first_mut() else { return Ok(0) };
        if self.nudge {
            systick_period(0x0fff);
        }
        while !self.is(RECEIVED) {
            // An F4 clears it when the byte is taken.
            if self.layout.status == Layout::L4.status && self.is(OVERRUN) {
                self.write_register(L4_CLEAR, OVERRUN);
            }
        }
        if self.nudge {
            systick_period(0x00ff_ffff);
        }
        *byte = self.register(self.layout.receive) as u8;
        Ok(1)
    }
}

impl Write for Usart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            while !self.is(MAY_SEND) {}
            self.write_register(self.layout.transmit, u32::from(*byte));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while !self.is(ALL_SENT) {}
        Ok(())
    }
}
