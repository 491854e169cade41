//! 64-bit Arm, QEMU's machine virt: start, the counter, and the memory behind the program.

use crate::KNOWN;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, global_asm};

global_asm!(include_str!("start.s"));

/// Bytes of RAM behind the program that QEMU is started with at least.
const MEMORY_BYTES: usize = 64 << 20;

unsafe extern "C" {
    static mut heap_start: u8;
}

/// The one machine that the firmware runs on.
pub struct Machine {
    memory: Option<&'static mut [u8]>,
}

impl Machine {
    /// Takes it. There is one caller: the start of the program.
    pub fn take() -> Option<Self> {
        // SAFETY: nothing else lives behind the program, and the linker script aligns its end.
        let memory = unsafe { core::slice::from_raw_parts_mut(&raw mut heap_start, MEMORY_BYTES) };
        Some(Self { memory: Some(memory) })
    }

    /// All free memory; nothing the second time.
    pub fn memory(&mut self) -> &'static mut [u8] {
        self.memory.take().unwrap_or_default()
    }

    /// The counter.
    pub fn now(&self) -> u64 {
        now()
    }

    /// Ticks of the loop of [`KNOWN`] instructions.
    pub fn known_loop(&mut self) -> u64 {
        let of = |rounds: u32| {
            // SAFETY: counts a register down.
            move || unsafe { asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) u64::from(rounds) => _) }
        };
        let short = self.ticks(of(KNOWN / 2));
        self.ticks(of(KNOWN)).saturating_sub(short)
    }

    /// Ticks while `work` runs, without those of reading the counter. Under `-icount` they depend on the number of
    /// instructions only.
    #[inline(never)]
    pub fn ticks(&mut self, work: impl FnOnce()) -> u64 {
        let start = now();
        let none = now() - start;
        let start = now();
        work();
        (now() - start).saturating_sub(none)
    }
}

#[inline(always)]
fn now() -> u64 {
    let ticks;
    // SAFETY: reads a counter.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", "isb", out(reg) ticks) };
    ticks
}

/// Generated problems, which allocate, are not for this machine: the kernels are checked under user-mode emulation.
struct NoHeap;

#[global_allocator]
static HEAP: NoHeap = NoHeap;

// SAFETY: it gives no memory.
unsafe impl GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
