//! What firmware that runs under an emulator needs and a board has no part in: a heap, lines to the host, an end.
//!
//! All of it goes through semihosting, so the same firmware runs on every Cortex-M that QEMU emulates.
#![no_std]
#![cfg(all(target_os = "none", target_arch = "arm"))]

extern crate alloc;

mod heap;
mod semihosting;

pub use heap::init as init_heap;
pub use semihosting::{exit, print};

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    let _ = writeln!(semihosting::Lines, "{info}");
    exit(false)
}
