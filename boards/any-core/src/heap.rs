//! The heap: all memory between the statics and the end of RAM.

use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Call it once, before anything is allocated.
///
/// # Safety
/// `end` must be the end of the memory that cortex-m-rt's linker script calls RAM, and nothing else may use what lies
/// behind the statics.
pub unsafe fn init(end: usize) {
    let start = cortex_m_rt::heap_start() as usize;
    // SAFETY: from the end of the statics to the end of RAM nothing else lives: boards keep their stack elsewhere.
    unsafe { HEAP.init(start, end - start) }
}
