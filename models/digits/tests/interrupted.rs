//! Pruning that is killed in the middle goes on after the last finished step, and ends where it would have ended.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn prune(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_digits"));
    command.args(["prune", "--quiet", "--structure", "channels", "--schedule", "iterative", "--steps", "5"]);
    command.args(["--step-epochs", "2", "--epochs", "2", "--out"]).arg(out);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn record(file: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

#[test]
fn killed_in_the_middle() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    assert!(prune(&whole).status().expect("runs").success());
    let mut child = prune(&killed).spawn().expect("starts");
    let steps = killed.join("steps/steps.json");
    let finished = || record(&steps).and_then(|saved| Some(saved["steps"].as_array()?.len())).unwrap_or(0);
    let start = Instant::now();
    while finished() < 2 {
        assert!(start.elapsed() < Duration::from_secs(300), "no step was finished");
        assert!(child.try_wait().expect("is ours").is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    // SIGKILL on Unix: nothing is tidied up.
    child.kill().expect("is ours");
    child.wait().expect("is ours");
    let done = finished();
    assert!((2..5).contains(&done), "{done}");
    assert!(!killed.join("pruned.safetensors").exists(), "it was not through");
    assert!(prune(&killed).status().expect("runs").success());
    let resumed = record(&killed.join("pruning.json")).map(|record| record["resumed"].clone());
    assert_eq!(resumed, Some(serde_json::json!(done)), "at most the step that was under way is lost");
    let network = |folder: &Path| std::fs::read(folder.join("pruned.safetensors")).expect("written");
    assert!(network(&killed) == network(&whole), "an interruption changes nothing");
}
