//! Every instruction set that this machine can run computes what the scalar kernels compute.

use niwaki_kernels::{Isa, problem};

#[test]
fn every_available_instruction_set_agrees_with_scalar() {
    let mut solved = 0;
    for problem in problem::all(1) {
        for isa in Isa::AVAILABLE.iter().filter(|isa| isa.is_available()) {
            problem.check(*isa).unwrap();
            solved += 1;
        }
    }
    assert!(solved > 1000, "only {solved} problems were generated");
}
