//! What firmware that runs under an emulator needs and a board has no part in: memory, a counter, lines and files of the
//! host, an end.
//!
//! Lines, files and the end go through semihosting, so the same firmware runs on every Cortex-M and on every 64-bit Arm
//! core that QEMU emulates.
#![no_std]
#![cfg(any(any_core_cortex_m, any_core_aarch64))]

#[cfg(any_core_aarch64)]
mod aarch64;
#[cfg(any_core_cortex_m)]
mod cortex_m;
mod program;
mod semihosting;

#[cfg(any_core_aarch64)]
pub use aarch64::Machine;
#[cfg(any_core_cortex_m)]
pub use cortex_m::Machine;
pub use program::{ALIGNMENT, aligned, ints, read_blob, run};
pub use semihosting::{File, exit, print};

/// Instructions of the loop that says how many ticks one takes.
pub const KNOWN: u32 = 10_000;

/// Where an emulator that counts by addresses begins to count.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn niwaki_count_begin() {
    // SAFETY: does nothing, and keeps the function from being merged with another.
    unsafe { core::arch::asm!("nop", "nop") };
}

/// Where it ends.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn niwaki_count_end() {
    // SAFETY: as above.
    unsafe { core::arch::asm!("nop") };
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print(format_args!("{info}"));
    exit(false)
}
