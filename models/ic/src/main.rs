//! The ic model's command line.

fn main() -> std::process::ExitCode {
    niwaki_compile::main(ic::project())
}
