//! Bring-up of the MPS2 board with the AN505 image: UART0, an LED as trigger, SysTick.
//!
//! The core starts in the Secure state and stays there: addresses are those of the Secure aliases.
#![no_std]
#![no_main]

use niwaki_board::{Board, CmsdkUart, FpgaLed, SysTick};

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 20_000_000;
const UART0: usize = 0x5020_0000;
const FPGA_IO: usize = 0x5030_2000;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    if let Some(core) = cortex_m::Peripherals::take() {
        let counter = SysTick::new(core.SYST, CLOCK_HZ);
        // SAFETY: this is where the image has its LEDs.
        let trigger = unsafe { FpgaLed::new(FPGA_IO) };
        let board = Board { name: "mps2-an505", serial: uart(), trigger, counter };
        let Ok(()) = board.serve::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice());
    }
    // A UART is never closed.
    loop {
        cortex_m::asm::wfi();
    }
}

fn uart() -> CmsdkUart {
    // SAFETY: this is where the image has its first UART.
    unsafe { CmsdkUart::new(UART0, CLOCK_HZ) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    niwaki_board::panicked(info, uart())
}
