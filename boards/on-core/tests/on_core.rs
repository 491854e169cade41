//! Every kernel of an emulated core against the scalar ones: builds the firmware and runs it in QEMU.

mod emulator;

use emulator::{MPS2_AN386, firmware, run};

#[test]
fn cortex_m4_kernels_agree_with_scalar_ones() {
    let firmware = firmware("check", MPS2_AN386.target).expect("the firmware builds");
    let (good, said) = run(&MPS2_AN386, &firmware, &[]).expect("QEMU starts: cargo xtask setup");
    assert!(good && said.contains("problems, 0 wrong"), "{said}");
}
