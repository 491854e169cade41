//! Holds the kernels of this core against the scalar ones on every generated problem.
#![cfg_attr(any_core_cortex_m, no_std, no_main)]

// 64-bit Arm checks its kernels under user-mode emulation, with cargo test.
#[cfg(not(any_core_cortex_m))]
fn main() {}

#[cfg(any_core_cortex_m)]
#[cortex_m_rt::entry]
fn main() -> ! {
    use any_core::{Machine, exit, print};
    use niwaki_kernels::{ALL_OPS, Isa, problem};

    /// Problems that differ are named, up to this many.
    const NAMED: usize = 10;

    let Some(mut machine) = Machine::take() else { exit(false) };
    machine.make_heap();
    machine.trap_unaligned();
    let (mut solved, mut wrong, mut kinds) = (0, 0, 0);
    for problem in problem::all(1) {
        kinds |= problem.kind.bit();
        for isa in Isa::AVAILABLE {
            solved += 1;
            if let Err(difference) = problem.check(*isa) {
                wrong += 1;
                if wrong <= NAMED {
                    print(format_args!("{difference}"));
                }
            }
        }
    }
    print(format_args!("{:?}: {solved} problems, {wrong} wrong", Isa::CURRENT));
    if kinds != ALL_OPS {
        print(format_args!("kinds without a problem: {:#x}", ALL_OPS & !kinds));
    }
    exit(wrong == 0 && solved > 1000 && kinds == ALL_OPS)
}
