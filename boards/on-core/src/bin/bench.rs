//! Firmware: runs every case once, between marks that an emulator can count by, and reads SysTick around it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
#[cortex_m_rt::entry]
fn main() -> ! {
    use core::fmt::Write;
    use on_core::{cases, device};

    device::start();
    let mut line = device::Line::new();
    let begin = device::niwaki_count_begin as *const () as usize & !1;
    let end = device::niwaki_count_end as *const () as usize & !1;
    let _ = writeln!(line, "marks {begin:#x} {end:#x}");
    let mut timer = timer();
    for case in cases::all() {
        let counted = case.problem().and_then(|problem| count(&problem, &mut timer));
        let _ = match counted {
            Some([ticks, scratch]) => {
                writeln!(line, "case {} {} ticks {ticks} scratch {scratch}", case.model, case.layer.replace(' ', "_"))
            }
            None => writeln!(line, "no kernel for {} {}", case.model, case.layer),
        };
    }
    device::exit(true)
}

#[cfg(target_os = "none")]
fn timer() -> cortex_m::peripheral::SYST {
    use cortex_m::peripheral::syst::SystClkSource;
    let mut timer = cortex_m::Peripherals::take().expect("taken once").SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(0x00ff_ffff);
    timer.clear_current();
    timer.enable_counter();
    timer
}

/// Ticks of one run, and bytes of scratch.
#[cfg(target_os = "none")]
fn count(problem: &niwaki_kernels::problem::Problem, timer: &mut cortex_m::peripheral::SYST) -> Option<[usize; 2]> {
    extern crate alloc;
    use alloc::vec;
    use cortex_m::peripheral::SYST;
    use niwaki_kernels::{ALL_OPS, Isa, Operands, run, scratch_bytes};
    use on_core::device::{niwaki_count_begin, niwaki_count_end};

    let op = problem.op();
    let needed = scratch_bytes(Isa::CURRENT, &op);
    let (mut scratch, mut output) = (vec![0i8; needed], vec![0i8; problem.output.elements()]);
    let operands = match problem.b.is_empty() {
        true => Operands::One(&problem.a),
        false if problem.kind == niwaki_blob::OpKind::Add => Operands::Two(&problem.a, &problem.b),
        false => Operands::One(&problem.a),
    };
    timer.clear_current();
    let before = SYST::get_current();
    niwaki_count_begin();
    let done = run::<ALL_OPS>(Isa::CURRENT, &op, operands, &mut output, &mut scratch);
    niwaki_count_end();
    let ticks = before.wrapping_sub(SYST::get_current()) & 0x00ff_ffff;
    core::hint::black_box(&output);
    done.then_some([ticks as usize, needed])
}
