//! Holds the kernels of this core against the scalar ones on every generated problem.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
mod firmware {
    // Its critical sections are what the heap uses.
    use cortex_m as _;
    use niwaki_kernels::{Isa, problem};

    unsafe extern "C" {
        static _ram_end: u8;
    }

    /// Problems that differ are named, up to this many.
    const NAMED: usize = 10;

    #[cortex_m_rt::entry]
    fn main() -> ! {
        // SAFETY: every memory.x of a board defines it, behind its RAM.
        unsafe { any_core::init_heap(&raw const _ram_end as usize) };
        trap_unaligned();
        let (mut solved, mut wrong) = (0, 0);
        for problem in problem::all(1) {
            for isa in Isa::AVAILABLE {
                solved += 1;
                if let Err(difference) = problem.check(*isa) {
                    wrong += 1;
                    if wrong <= NAMED {
                        any_core::print(format_args!("{difference}"));
                    }
                }
            }
        }
        any_core::print(format_args!("{:?}: {solved} problems, {wrong} wrong", Isa::CURRENT));
        any_core::exit(wrong == 0 && solved > 1000)
    }

    /// ARMv6-M code that runs on a larger core must not profit from what that core can do.
    fn trap_unaligned() {
        if cfg!(any_core_v6m) {
            let control = cortex_m::peripheral::SCB::PTR.cast::<u32>().wrapping_byte_add(0x14).cast_mut();
            // SAFETY: this is SCB.CCR, on every core; bit 3 makes unaligned accesses fault and does nothing else.
            unsafe { control.write_volatile(control.read_volatile() | 1 << 3) }
        }
    }
}
