//! How much of the stack was ever used: it is painted at the start, and what is no longer painted was used.

/// What an unused word of the stack holds.
const PAINT: u32 = 0xc5c5_c5c5;

/// Bytes below the stack pointer that are left alone while painting: what the painting itself may use.
const MARGIN: usize = 256;

unsafe extern "C" {
    // Both are symbols of memory.x or the linker script; only their addresses mean something.
    static mut _stack_end: u32;
    static mut _stack_start: u32;
}

/// The stack's lowest address and the one behind its highest.
fn bounds() -> (usize, usize) {
    ((&raw const _stack_end) as usize, (&raw const _stack_start) as usize)
}

/// Paints what is free of the stack. Interrupts may happen: they only use words that are about to be painted or were.
pub(crate) fn paint() {
    let (end, start) = bounds();
    let top = (cortex_m::register::msp::read() as usize).saturating_sub(MARGIN).min(start);
    let mut place = end.next_multiple_of(4);
    while place + 4 <= top {
        // SAFETY: the word lies in the memory that the linker script gives to the stack, and below everything that is on
        // it now, this function's own frame included.
        unsafe { (place as *mut u32).write_volatile(PAINT) };
        place += 4;
    }
}

/// Bytes of the stack that were used since [`paint`], at most, and bytes that there are.
pub(crate) fn used() -> (u32, u32) {
    let (end, start) = bounds();
    let mut place = end.next_multiple_of(4);
    // SAFETY: as in `paint`; reading changes nothing.
    while place + 4 <= start && unsafe { (place as *const u32).read_volatile() } == PAINT {
        place += 4;
    }
    (start.saturating_sub(place) as u32, start.saturating_sub(end) as u32)
}
