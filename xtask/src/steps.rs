//! Steps of a test run: each is done, timed and counted, and none stops the next.

use crate::{cargo::status, children::Running, progress};
use serde::Serialize;
use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

/// How a step came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// What was left out, each with its reason.
    pub(crate) skipped: Vec<String>,
    /// What a failed step said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) said: String,
}

impl Outcome {
    /// One check that passed.
    pub(crate) fn passed() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One check that failed.
    pub(crate) fn failed(said: impl Into<String>) -> Self {
        Self { failed: 1, said: said.into(), ..Self::default() }
    }

    /// Something left out.
    pub(crate) fn skipped(reason: &str) -> Self {
        Self { skipped: vec![reason.to_string()], ..Self::default() }
    }
}

impl From<anyhow::Result<()>> for Outcome {
    fn from(result: anyhow::Result<()>) -> Self {
        match result {
            Ok(()) => Self::passed(),
            Err(error) => Self::failed(format!("{error:#}")),
        }
    }
}

/// A step that is over.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// All steps so far.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Run {
    /// Only steps whose names hold this are done.
    #[serde(skip)]
    pub(crate) only: Option<String>,
    pub(crate) steps: Vec<Step>,
}

impl Run {
    /// Does a step and says how it went.
    pub(crate) fn step(&mut self, name: &str, action: impl FnOnce() -> Outcome) {
        if self.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            return;
        }
        let start = Instant::now();
        let outcome = action();
        let seconds = start.elapsed().as_secs_f64();
        let word = match &outcome {
            Outcome { failed: 1.., .. } => "FAILED",
            Outcome { passed: 0, .. } => "skipped",
            _ => "ok",
        };
        let tests = if outcome.passed > 1 { format!(" ({} tests)", outcome.passed) } else { String::new() };
        progress::println(&format!("{word:8}{seconds:7.1} s  {name}{tests}"));
        if outcome.failed > 0 {
            progress::println(outcome.said.trim_end());
        }
        self.steps.push(Step { name: name.to_string(), seconds, outcome });
    }

    /// Names what was skipped and counts everything.
    pub(crate) fn summary(&self) -> String {
        let skipped = self.steps.iter().flat_map(|step| step.outcome.skipped.iter().map(move |why| (&step.name, why)));
        let mut text: String = skipped.map(|(name, why)| format!("skipped: {name}: {why}\n")).collect();
        text.push_str(&format!("{} passed, {} failed, {} skipped", self.passed(), self.failed(), self.skipped()));
        text
    }

    fn passed(&self) -> usize {
        self.steps.iter().map(|step| step.outcome.passed).sum()
    }

    /// Checks that failed.
    pub(crate) fn failed(&self) -> usize {
        self.steps.iter().map(|step| step.outcome.failed).sum()
    }

    fn skipped(&self) -> usize {
        self.steps.iter().map(|step| step.outcome.skipped.len()).sum()
    }
}

/// Runs a program as one check.
pub(crate) fn check(command: &mut Command, what: &str) -> Outcome {
    let (success, said) = run(command, what);
    if success { Outcome::passed() } else { Outcome::failed(said) }
}

/// Runs `cargo test` and counts its tests.
pub(crate) fn tests(command: &mut Command, what: &str) -> Outcome {
    let (success, said) = run(command, what);
    let mut outcome = count(&said);
    if !success {
        // A test that does not compile counts nowhere else.
        outcome.failed = outcome.failed.max(1);
        outcome.said = said;
    }
    outcome
}

fn run(command: &mut Command, what: &str) -> (bool, String) {
    let running = match Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), what)
    {
        Ok(running) => running,
        Err(error) => return (false, format!("{error:#}")),
    };
    let (stdout, stderr) = {
        let mut child = running.child();
        (child.stdout.take(), child.stderr.take())
    };
    let said = Arc::new(Mutex::new(String::new()));
    let spinner = Arc::new(progress::spinner(what));
    let streams =
        [stdout.map(|stream| Box::new(stream) as Box<dyn Read + Send>), stderr.map(|stream| Box::new(stream) as _)];
    let listeners = streams.into_iter().flatten().map(|stream| {
        let (said, spinner) = (Arc::clone(&said), Arc::clone(&spinner));
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                spinner.say(line.trim());
                if status(&line).is_some() {
                    continue;
                }
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&line);
                said.push('\n');
            }
        })
    });
    for listener in listeners.collect::<Vec<_>>() {
        // A listener that panicked has lost words, no result.
        let _ = listener.join();
    }
    let success = running.wait().success();
    let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (success, said)
}

/// Adds up what the test harness says.
fn count(said: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in said.lines() {
        if let Some(result) = line.strip_prefix("test result: ") {
            let number = |word: &str| {
                let before = result.split(word).next().unwrap_or_default();
                before.trim_end().rsplit([' ', '.']).next().and_then(|number| number.parse::<usize>().ok()).unwrap_or(0)
            };
            outcome.passed += number(" passed");
            outcome.failed += number(" failed");
        }
        if let Some((name, reason)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ignored")) {
            outcome.skipped.push(format!("{name}: ignored{reason}"));
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted() {
        let said = "test a ... ok\ntest b ... ignored, needs a GPU\n\
                    test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.0s\n\
                    test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let outcome = count(said);
        assert_eq!((outcome.passed, outcome.failed), (15, 2));
        assert_eq!(outcome.skipped, ["b: ignored, needs a GPU"]);
    }

    #[test]
    fn the_summary_ends_with_the_counts() {
        let mut run = Run::default();
        run.step("one", Outcome::passed);
        run.step("two", || Outcome::skipped("--quick"));
        run.step("three", || Outcome::failed("it broke"));
        assert_eq!(run.summary(), "skipped: two: --quick\n1 passed, 1 failed, 1 skipped");
        assert_eq!(run.failed(), 1);
    }
}
