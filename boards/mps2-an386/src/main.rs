//! Bring-up of the MPS2 board with the AN386 image.
#![no_std]
#![no_main]

use niwaki_board::Mps2;

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

// SAFETY: this is where the image has its first UART and its LEDs.
const BOARD: Mps2 = unsafe { Mps2::new("mps2-an386", 25_000_000, 0x4000_4000, 0x4002_8000) };

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    BOARD.serve::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice())
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    BOARD.panicked(info)
}
