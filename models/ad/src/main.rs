//! The ad model's command line.

fn main() -> std::process::ExitCode {
    niwaki_compile::main(ad::project())
}
