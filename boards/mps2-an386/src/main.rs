//! Bring-up of the MPS2 board with the AN386 image: UART0, an LED as trigger, SysTick.
#![no_std]
#![no_main]

mod hardware;

use hardware::{Led, Uart};
use niwaki_board::{Board, SysTick};

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 25_000_000;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    if let Some(core) = cortex_m::Peripherals::take() {
        let counter = SysTick::new(core.SYST, CLOCK_HZ);
        let board = Board { name: "mps2-an386", serial: Uart::new(), trigger: Led, counter };
        let Ok(()) = board.serve::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice());
    }
    // A UART is never closed.
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    niwaki_board::panicked(info, Uart::new())
}
