//! Code whose instructions can be counted by reading it.

use crate::Counter;
use core::arch::naked_asm;

/// Executes exactly `instructions` instructions (at least 4) and three more: LSRS, the first branch, and BX. An odd
/// count takes the way with the NOP. ARMv6-M has all of them.
// SAFETY: it follows the C calling convention: the argument is in r0, r0 and r1 may be changed, lr is left alone. It uses
// no memory.
#[unsafe(naked)]
pub extern "C" fn known_loop(instructions: u32) {
    naked_asm!(
        "lsrs r1, r0, #1",
        "bcs 2f",
        ".balign 4",
        "1:",
        "subs r1, #1",
        "bne 1b",
        "bx lr",
        "2:",
        "nop",
        "3:",
        "subs r1, #1",
        "bne 3b",
        "bx lr",
    )
}

/// Ticks for a loop of exactly this many instructions, whatever calling it takes.
pub(super) fn timed(counter: &mut impl Counter, instructions: u32) -> u64 {
    const SHORTEST: u32 = 4;
    let base = time(counter, SHORTEST);
    time(counter, instructions.saturating_add(SHORTEST)).saturating_sub(base)
}

// Not inlined: both lengths that are subtracted run the same code around the loop.
#[inline(never)]
fn time(counter: &mut impl Counter, instructions: u32) -> u64 {
    counter.restart();
    let start = counter.now();
    known_loop(instructions);
    counter.now().saturating_sub(start)
}
