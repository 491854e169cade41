//! Bring-up of the MPS2 board with the AN385 image: UART0, an LED as trigger, SysTick.
#![no_std]
#![no_main]

use niwaki_board::{Board, CmsdkUart, FpgaLed, SysTick};

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 25_000_000;
const UART0: usize = 0x4000_4000;
const FPGA_IO: usize = 0x4002_8000;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    if let Some(core) = cortex_m::Peripherals::take() {
        let counter = SysTick::new(core.SYST, CLOCK_HZ);
        // SAFETY: this is where the image has its LEDs.
        let trigger = unsafe { FpgaLed::new(FPGA_IO) };
        let board = Board { name: "mps2-an385", serial: uart(), trigger, counter };
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
