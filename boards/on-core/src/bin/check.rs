//! Firmware: solves every generated problem with the kernels of this core and with the scalar ones.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
#[cortex_m_rt::entry]
fn main() -> ! {
    use core::fmt::Write;
    use niwaki_kernels::{Isa, problem};
    use on_core::device::{self, Line};

    device::start();
    let mut line = Line::new();
    let (mut solved, mut wrong) = (0, 0);
    for problem in problem::all(1) {
        if let Err(error) = problem.check(Isa::CURRENT) {
            wrong += 1;
            let _ = writeln!(line, "{error}");
        }
        solved += 1;
    }
    let _ = writeln!(line, "{:?}: {solved} problems, {wrong} wrong", Isa::CURRENT);
    device::exit(wrong == 0 && Isa::CURRENT != Isa::Scalar)
}
