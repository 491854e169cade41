//! Bring-up of the BBC micro:bit: its UART, a row of its LEDs as trigger, TIMER0.
#![no_std]
#![no_main]

mod hardware;

use hardware::{LedRow, Timer0, Uart};
use niwaki_board::Board;

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    let board = Board { name: "microbit", serial: Uart::new(), trigger: LedRow::new(), counter: Timer0::new() };
    board.serve_for_ever::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice())
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    niwaki_board::panicked(info, Uart::new())
}
