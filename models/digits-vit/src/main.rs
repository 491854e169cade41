//! The command line of the vision transformer for digits.

fn main() -> std::process::ExitCode {
    niwaki_compile::main(digits_vit::project())
}
