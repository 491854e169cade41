//! Places in the firmware by which an emulator tells the parts of a run apart: it knows them by their symbols, and they
//! do nothing. Each has a body of its own, so that the linker has no reason to make one of them all.

use core::arch::naked_asm;

/// What is timed begins.
// SAFETY: it follows the C calling convention and changes nothing.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn niwaki_mark_start() {
    naked_asm!("bx lr")
}

/// A layer has ended.
// SAFETY: as above.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn niwaki_mark_layer() {
    naked_asm!("nop", "bx lr")
}

/// What is timed ends.
// SAFETY: as above.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn niwaki_mark_stop() {
    naked_asm!("nop", "nop", "bx lr")
}
