//! Semihosting: requests to the emulator by a breakpoint (Arm, "Semihosting for AArch32 and AArch64").

use core::arch::asm;
use core::fmt;

const OPEN: usize = 0x01;
const WRITE0: usize = 0x04;
const READ: usize = 0x06;
const EXIT_EXTENDED: usize = 0x20;
const APPLICATION_EXIT: usize = 0x2_0026;
/// The mode of `fopen`'s "rb".
const BINARY: usize = 1;

fn call(operation: usize, argument: *const u8) -> usize {
    let result;
    // SAFETY: what the operations used here read or write is what `argument` points to or holds, which the callers own
    // for the time of the call. Without an emulator the breakpoint faults.
    #[cfg(any_core_cortex_m)]
    unsafe {
        asm!("bkpt 0xab", inout("r0") operation => result, in("r1") argument)
    }
    // SAFETY: as above.
    #[cfg(any_core_aarch64)]
    unsafe {
        asm!("hlt #0xf000", inout("x0") operation => result, in("x1") argument)
    }
    result
}

/// Text to the host's standard error.
struct Lines;

impl fmt::Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(63) {
            let mut line = [0; 64];
            for (to, from) in line.iter_mut().zip(piece) {
                *to = *from;
            }
            call(WRITE0, line.as_ptr());
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
    let block = [APPLICATION_EXIT, usize::from(!well)];
    loop {
        call(EXIT_EXTENDED, block.as_ptr().cast());
    }
}

/// A file of the host, read from its start to its end.
pub struct File(usize);

impl File {
    /// Opens a file in the folder that the emulator was started in. `None` if there is none.
    pub fn open(name: &core::ffi::CStr) -> Option<Self> {
        let block = [name.as_ptr() as usize, BINARY, name.count_bytes()];
        let handle = call(OPEN, block.as_ptr().cast());
        (handle != usize::MAX).then_some(Self(handle))
    }

    /// Fills the buffer with the next bytes; gives how many there were.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let block = [self.0, buffer.as_mut_ptr() as usize, buffer.len()];
        let missing = call(READ, block.as_ptr().cast());
        buffer.len().saturating_sub(missing)
    }
}
