//! QEMU's machine virt: start, semihosting, the counter, a heap that only grows.

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::{asm, global_asm},
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

global_asm!(include_str!("start.s"));

/// Writes to QEMU's console.
pub(crate) struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SYS_WRITEC
            semihosting(3, &raw const byte as usize);
        }
        Ok(())
    }
}

/// Ends QEMU with an exit status.
pub(crate) fn exit(status: usize) -> ! {
    // SYS_EXIT with ADP_Stopped_ApplicationExit
    let block = [0x2_0026, status];
    loop {
        semihosting(0x18, block.as_ptr() as usize);
    }
}

fn semihosting(operation: usize, argument: usize) {
    // SAFETY: QEMU is started with semihosting; the operations used here read what `argument` points to.
    unsafe { asm!("hlt #0xf000", inout("x0") operation => _, in("x1") argument) };
}

/// Ticks of the counter while `work` runs. Under `-icount` they depend on the number of instructions only.
pub(crate) fn ticks(work: impl FnOnce()) -> u64 {
    let start = now();
    work();
    now() - start
}

#[inline(always)]
fn now() -> u64 {
    let ticks;
    // SAFETY: reads a counter.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", "isb", out(reg) ticks) };
    ticks
}

/// Runs `2 * rounds` instructions and a few.
pub(crate) fn known_loop(rounds: u64) {
    // SAFETY: counts a register down.
    unsafe { asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) rounds => _) };
}

/// Gives memory and takes none back.
struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

static USED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of RAM behind the program that QEMU is started with at least.
const HEAP_BYTES: usize = 192 << 20;

// SAFETY: every piece is given once, aligned, inside the RAM behind the program.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe extern "C" {
            static mut heap_start: u8;
        }
        let size = layout.size() + layout.align();
        let at = USED.fetch_add(size, Ordering::Relaxed);
        if at + size > HEAP_BYTES {
            return core::ptr::null_mut();
        }
        let start = (&raw mut heap_start).wrapping_add(at);
        start.wrapping_add(start.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use fmt::Write;
    let _ = writeln!(Console, "{info}");
    exit(1)
}
