//! Every kernel of emulated cores against the scalar ones: builds the firmware and runs it in QEMU.

mod emulator;

use emulator::{MPS2_AN386, MPS2_AN500, firmware, run};

#[test]
fn dsp_kernels_agree_with_scalar_ones() {
    // One build serves both: M4 and M7 differ in timing only.
    let firmware = firmware("check", MPS2_AN386.target).expect("the firmware builds");
    for machine in [&MPS2_AN386, &MPS2_AN500] {
        let (good, said) = run(machine, &firmware, &[]).expect("QEMU starts: cargo xtask setup");
        assert!(good && said.contains("problems, 0 wrong"), "{said}");
    }
}
