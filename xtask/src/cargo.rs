//! Runs cargo, shows how far it is, and finds what it built.

use crate::{children::Running, progress};
use anyhow::{Context, anyhow};
use serde::Deserialize;
use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

/// The cargo that runs us, in this folder.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// A program that cargo built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Executable {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Cargo's last words, in a build that failed.
#[derive(Debug)]
pub(crate) struct BuildFailed {
    /// Everything it and the compilers said, without progress.
    pub(crate) said: String,
}

impl BuildFailed {
    /// Shows the compilers' words, and makes the line that comes after them.
    pub(crate) fn explained(&self, what: &str) -> anyhow::Error {
        progress::println(self.said.trim_end());
        anyhow!("{what} does not compile; the compiler's words are above")
    }
}

impl std::fmt::Display for BuildFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.said.trim_end())
    }
}

impl std::error::Error for BuildFailed {}

/// Runs a `cargo build` and gives the programs that it made, freshly built or not.
///
/// # Errors
/// [`BuildFailed`] if it does not compile; nothing has been printed then.
pub(crate) fn build(mut command: Command, what: &str) -> anyhow::Result<Vec<Executable>> {
    command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = Running::start(&mut command, "cargo")?;
    let (stdout, stderr) = {
        let mut child = running.child();
        (child.stdout.take(), child.stderr.take())
    };
    let (stdout, stderr) = stdout.zip(stderr).context("cargo's output cannot be read")?;
    let listener = {
        let what = what.to_string();
        thread::spawn(move || listen(stderr, &what))
    };
    let executables = BufReader::new(stdout).lines().map_while(Result::ok).filter_map(|line| executable(&line));
    let executables: Vec<Executable> = executables.collect();
    let said = listener.join().map_err(|_| anyhow!("cargo's output cannot be read"))?;
    if !running.wait().success() {
        return Err(BuildFailed { said }.into());
    }
    if !said.trim().is_empty() {
        progress::println(said.trim_end());
    }
    Ok(executables)
}

/// Shows cargo's progress and keeps the rest.
fn listen(stderr: impl Read, what: &str) -> String {
    let spinner = progress::spinner(what);
    let (mut crates, mut rest) = (0, String::new());
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        match status(&line) {
            Some(("Compiling", name)) => {
                crates += 1;
                spinner.say(&format!("({crates} crates) {name}"));
            }
            Some(("Blocking", _)) => spinner.say("waiting for another cargo"),
            Some(_) => {}
            None => {
                rest.push_str(&line);
                rest.push('\n');
            }
        }
    }
    rest
}

/// Cargo's status lines: a verb that ends in column 12.
pub(crate) fn status(line: &str) -> Option<(&str, &str)> {
    let (verb, rest) = line.split_at_checked(12)?;
    let verb = verb.trim_start();
    let capital = verb.starts_with(|letter: char| letter.is_ascii_uppercase());
    (capital && rest.starts_with(' ') && verb.chars().all(|letter| letter.is_ascii_alphabetic()))
        .then(|| (verb, rest.trim_start()))
}

/// The program in one of cargo's messages, if there is one.
fn executable(line: &str) -> Option<Executable> {
    #[derive(Deserialize)]
    struct Message {
        target: Target,
        executable: PathBuf,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    Some(Executable { name: message.target.name, path: message.executable })
}

/// The program of this name; the only one, if there is one only.
pub(crate) fn pick(executables: &[Executable], name: &str) -> Option<PathBuf> {
    let named = executables.iter().find(|executable| executable.name == name);
    let only = match executables {
        [only] => Some(only),
        _ => None,
    };
    named.or(only).map(|executable| executable.path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_told_from_messages() {
        assert_eq!(status("   Compiling burn v0.22.1"), Some(("Compiling", "burn v0.22.1")));
        assert_eq!(
            status("    Finished `release` profile [optimized] target(s) in 0.03s"),
            Some(("Finished", "`release` profile [optimized] target(s) in 0.03s"))
        );
        assert_eq!(status("error[E0308]: mismatched types"), None);
        assert_eq!(status("warning: unused variable: `x`"), None);
        assert_eq!(status("  --> src/main.rs:1:1"), None);
        assert_eq!(status(""), None);
    }

    #[test]
    fn programs_are_found_in_messages() {
        let line =
            r#"{"reason":"compiler-artifact","target":{"name":"digits","kind":["bin"]},"executable":"/t/digits"}"#;
        let digits = Executable { name: "digits".into(), path: "/t/digits".into() };
        assert_eq!(executable(line), Some(digits.clone()));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","target":{"name":"x"},"executable":null}"#), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(pick(std::slice::from_ref(&digits), "other"), Some("/t/digits".into()));
        assert_eq!(pick(&[digits.clone(), Executable { name: "b".into(), path: "/t/b".into() }], "other"), None);
    }
}
