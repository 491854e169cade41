//! Raspberry Pi: `raspberry-pi BLOB` serves the link on standard input and output, with the kernels that its CPU has.

use std::process::ExitCode;

fn main() -> ExitCode {
    niwaki_board::process::main("raspberry-pi")
}
