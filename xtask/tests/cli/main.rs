//! The program as a user meets it: its answers, its one-line errors and its exit codes, without Burn.

#[path = "../../src/sample.rs"]
mod sample;

mod errors;
mod fake;
#[cfg(unix)]
mod real;
mod street;

use std::process::{Command, Output};

/// Runs xtask with these arguments.
fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).env_remove("NIWAKI_DATA");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asserts exit code 1 and an empty stdout, and gives the last line on stderr: the error.
fn error(output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(text(&output.stdout), "", "stdout is for results");
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{stderr}");
    last.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {stderr}")).to_string()
}
