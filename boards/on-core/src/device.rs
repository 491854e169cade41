//! What firmware here needs of a board: a heap, a line to write to, an end, and marks around what is counted.

use core::{arch::asm, fmt::Write, mem::MaybeUninit};
// Brings critical sections, which the heap needs.
use cortex_m as _;
use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

const HEAP_BYTES: usize = 3 << 20;

/// Prepares the heap. To be called once, first.
pub fn start() {
    static mut MEMORY: MaybeUninit<[u8; HEAP_BYTES]> = MaybeUninit::uninit();
    // SAFETY: called once, before anything allocates, and nothing else refers to the memory.
    unsafe { HEAP.init((&raw mut MEMORY) as usize, HEAP_BYTES) };
}

/// UART0 of the MPS2 board, write only.
pub struct Line;

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
const STATE: *const u32 = 0x4000_4004 as *const u32;
const CONTROL: *mut u32 = 0x4000_4008 as *mut u32;
const DIVIDER: *mut u32 = 0x4000_4010 as *mut u32;

impl Line {
    /// Switches it on.
    pub fn new() -> Self {
        // SAFETY: registers of the UART, which cannot write to memory.
        unsafe {
            DIVIDER.write_volatile(16);
            CONTROL.write_volatile(1);
        }
        Self
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            // SAFETY: as in `new`.
            unsafe {
                while STATE.read_volatile() & 1 != 0 {}
                DATA.write_volatile(u32::from(byte));
            }
        }
        Ok(())
    }
}

/// Ends the emulation through semihosting: as a success or not.
pub fn exit(good: bool) -> ! {
    // ADP_Stopped_ApplicationExit, or ADP_Stopped_RunTimeErrorUnknown.
    let reason: u32 = if good { 0x20026 } else { 0x20023 };
    loop {
        // SAFETY: the debugger that is QEMU takes SYS_EXIT from r0 and r1 and does not return.
        unsafe { asm!("bkpt #0xab", inout("r0") 0x18 => _, in("r1") reason) };
    }
}

/// Where counting begins: an address that a counting emulator is told.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn niwaki_count_begin() {
    // SAFETY: does nothing, and keeps the function from being merged with another.
    unsafe { asm!("nop", "nop") };
}

/// Where counting ends.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn niwaki_count_end() {
    // SAFETY: as above.
    unsafe { asm!("nop") };
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Line::new(), "panicked: {info}");
    exit(false)
}
