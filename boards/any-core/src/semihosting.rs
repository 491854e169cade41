//! Semihosting: requests to the emulator by a breakpoint (Arm, "Semihosting for AArch32 and AArch64").

use core::arch::asm;
use core::fmt;

const WRITE: u32 = 0x04;
const EXIT_EXTENDED: u32 = 0x20;
const APPLICATION_EXIT: u32 = 0x2_0026;

fn call(operation: u32, argument: *const u8) {
    // SAFETY: both operations used here only read what `argument` points to, which outlives the call. Without an
    // emulator the breakpoint faults.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument) }
}

/// Text to the host's standard error.
pub(crate) struct Lines;

impl fmt::Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(63) {
            let mut line = [0; 64];
            for (to, from) in line.iter_mut().zip(piece) {
                *to = *from;
            }
            call(WRITE, line.as_ptr());
        }
        Ok(())
    }
}

/// A line to the host's standard error.
pub fn print(line: fmt::Arguments<'_>) {
    let _ = fmt::write(&mut Lines, format_args!("{line}\n"));
}

/// Ends the emulation: status 0 if all went well, else 1.
pub fn exit(well: bool) -> ! {
    let block = [APPLICATION_EXIT, u32::from(!well)];
    call(EXIT_EXTENDED, block.as_ptr().cast());
    loop {
        cortex_m::asm::wfi();
    }
}
