//! The digits model's command line.

use digits::{Digits, SIDE, shift, split};
use niwaki_compile::{Project, capture};

fn main() -> std::process::ExitCode {
    niwaki_compile::main(Project {
        name: env!("CARGO_PKG_NAME"),
        folder: env!("CARGO_MANIFEST_DIR"),
        model: Digits::new,
        capture: |model| capture(model, [1, 1, SIDE, SIDE], Digits::forward),
        data: split,
        augment: Some(shift),
    })
}
