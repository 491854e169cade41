//! A board that is a process of this machine: `host BLOB` serves the link on standard input and output.

use std::process::ExitCode;

fn main() -> ExitCode {
    niwaki_board::process::main("host")
}
