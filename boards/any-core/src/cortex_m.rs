//! Cortex-M: SysTick counts, and memory is what lies between the statics and the end of RAM.

use crate::KNOWN;
use embedded_alloc::LlffHeap;
use niwaki_board::{Counter, SysTick};

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

unsafe extern "C" {
    /// Every memory.x of a board defines it, behind its RAM.
    static _ram_end: u8;
}

/// The one machine that the firmware runs on.
pub struct Machine {
    counter: SysTick,
    memory: Option<&'static mut [u8]>,
}

impl Machine {
    /// Takes it; `None` the second time.
    pub fn take() -> Option<Self> {
        let core = cortex_m::Peripherals::take()?;
        let start = cortex_m_rt::heap_start() as usize;
        let bytes = (&raw const _ram_end as usize).saturating_sub(start);
        // SAFETY: nothing else lives between the statics and the end of RAM, as boards keep their stack elsewhere; and
        // this is done once, as the peripherals are taken once. Every byte is a valid u8.
        let memory = unsafe { core::slice::from_raw_parts_mut(start as *mut u8, bytes) };
        Some(Self { counter: SysTick::new(core.SYST, 0), memory: Some(memory) })
    }

    /// All free memory; nothing the second time.
    pub fn memory(&mut self) -> &'static mut [u8] {
        self.memory.take().unwrap_or_default()
    }

    /// Makes all free memory a heap.
    pub fn make_heap(&mut self) {
        let memory = self.memory();
        if !memory.is_empty() {
            // SAFETY: nothing else refers to the memory, and it is given away once.
            unsafe { HEAP.init(memory.as_mut_ptr() as usize, memory.len()) }
        }
    }

    /// Ticks of the loop of [`KNOWN`] instructions.
    pub fn known_loop(&mut self) -> u64 {
        self.counter.known_loop(KNOWN).unwrap_or(0)
    }

    /// Ticks while `work` runs, without those of reading the counter.
    #[inline(never)]
    pub fn ticks(&mut self, work: impl FnOnce()) -> u64 {
        self.counter.restart();
        let start = self.counter.now();
        let none = self.counter.now() - start;
        let start = self.counter.now();
        work();
        (self.counter.now() - start).saturating_sub(none)
    }

    /// ARMv6-M code that runs on a larger core must not profit from what that core can do.
    pub fn trap_unaligned(&self) {
        if cfg!(any_core_v6m) {
            let control = cortex_m::peripheral::SCB::PTR.cast::<u32>().wrapping_byte_add(0x14).cast_mut();
            // SAFETY: this is SCB.CCR, on every core; bit 3 makes unaligned accesses fault and does nothing else.
            unsafe { control.write_volatile(control.read_volatile() | 1 << 3) }
        }
    }
}
