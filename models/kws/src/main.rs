//! The kws model's command line.

fn main() -> std::process::ExitCode {
    niwaki_compile::main(kws::project())
}
