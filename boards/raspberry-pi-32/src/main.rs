//! Raspberry Pi with a 32-bit Linux: `raspberry-pi-32 BLOB` serves the link on standard input and output.

use std::process::ExitCode;

fn main() -> ExitCode {
    niwaki_board::process::main("raspberry-pi-32")
}
