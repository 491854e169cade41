//! Every instruction set that this machine can run computes what the scalar kernels compute.

use niwaki_kernels::{Isa, problem};

#[test]
fn every_available_instruction_set_agrees_with_scalar() {
    let found: Vec<Isa> = Isa::AVAILABLE.iter().copied().filter(|isa| isa.is_available()).collect();
    // What a test covers depends on the CPU that it runs on or that is emulated.
    println!("instruction sets: {found:?}");
    assert!(found.contains(&Isa::current()));
    let mut solved = 0;
    for mut problem in problem::all(1) {
        found.iter().for_each(|isa| problem.check(*isa).unwrap());
        solved += found.len();
        // Kernels that add products in pairs are others where a weight is -128.
        if problem.weights.contains(&i8::MIN) {
            problem.plain = None;
            problem.weights.iter_mut().for_each(|weight| *weight = (*weight).max(-127));
            found.iter().for_each(|isa| problem.check(*isa).unwrap());
        }
    }
    assert!(solved > 1000, "only {solved} problems were generated");
}
