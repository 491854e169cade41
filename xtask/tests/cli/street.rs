//! The street behind a model's program: firmware, run, comparison, report.

use crate::{error, fake::FakeModel, text, xtask};
use niwaki_pack::artefact::EvalSet;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Runs a command that has to succeed; gives its JSON, which is all that is on stdout.
fn json(arguments: &[&str]) -> Value {
    let output = xtask(arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

fn saved(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn lists_are_json_on_demand() {
    let boards = json(&["boards"]);
    let names: Vec<&str> = boards.as_array().unwrap().iter().filter_map(|board| board["name"].as_str()).collect();
    assert!(names.contains(&"host") && names.contains(&"mps2-an386"), "{names:?}");
    assert!(json(&["models"]).is_array());
}

#[test]
fn every_command_explains_itself() {
    let help = text(&xtask(&["--help"]).output().unwrap().stdout);
    for command in [
        "setup", "doctor", "deploy", "train", "prune", "pack", "run", "size", "report", "diff", "bench", "models",
        "boards", "test",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in {help}");
        let output = xtask(&[command, "--help"]).output().unwrap();
        assert!(output.status.success() && text(&output.stdout).contains("--json"), "{command}");
    }
}

#[test]
fn a_model_of_ones_own_is_deployed_on_the_host() {
    let model = FakeModel::new("host");
    let result = json(&["deploy", model.path(), "--board", "host"]);
    for which in ["unpruned", "pruned"] {
        assert_eq!(result[which]["board"]["samples"], 3);
        assert_eq!(result[which]["board"]["differing"], Value::Array(Vec::new()));
        assert_eq!(result[which]["board"]["quality"], 1.0);
        assert!(result[which]["board"]["count"].is_null());
        assert!(result[which]["board"]["uncounted"].as_str().unwrap().contains("counts no instructions"));
    }
    let report = model.results().join("host/report.json");
    assert_eq!(saved(&report), result);

    // A step that fails says so itself, and leaves what was there.
    fs::remove_dir_all(model.files()).unwrap();
    let error = error(&xtask(&["deploy", model.path(), "--board", "host"]).output().unwrap());
    assert_eq!(error, "the model has no files");
    assert_eq!(saved(&report), result);
}

#[test]
fn an_output_that_differs_fails_the_run() {
    let model = FakeModel::new("differs");
    let mut set = EvalSet::load(&model.eval()).unwrap();
    set.outputs[1030] ^= 1;
    set.save(&model.eval()).unwrap();
    let model = model.packed();
    let output = xtask(&["run", model.path(), "--board", "host", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["runs"][0]["differing"], serde_json::json!([1]));
    assert!(text(&output.stderr).contains("error: host and host differ on 2 samples; "), "{}", text(&output.stderr));
}

#[test]
fn a_translated_process_computes_the_same_and_says_that_it_counts_nothing() {
    let model = FakeModel::new("pi");
    let result = json(&["deploy", model.path(), "--board", "raspberry-pi"]);
    for which in ["unpruned", "pruned"] {
        let board = &result[which]["board"];
        assert_eq!(board["differing"], serde_json::json!([]), "{result}");
        let reason = board["uncounted"].as_str().unwrap_or_default();
        assert!(reason.contains("neither counts nor keeps time"), "{result}");
    }
    assert_eq!((&result["emulated"], &result["silicon"]), (&true.into(), &false.into()));
}

#[test]
fn an_emulated_board_counts_instructions() {
    let model = FakeModel::new("emulated").packed();
    let run = || json(&["run", model.path(), "--variant", "pruned", "--log", "info"]);
    let (first, second) = (run(), run());
    assert_eq!(first, second, "emulated counts are reproducible");
    assert_eq!((&first["emulated"], &first["silicon"]), (&Value::Bool(true), &Value::Bool(false)));
    let count = &first["runs"][0]["count"];
    assert_eq!(count["unit"], "instructions");
    let (total, layer) = (count["total"].as_u64().unwrap(), count["layers"][0].as_u64().unwrap());
    assert!(layer > 0 && total >= layer && total < 100_000, "{count}");

    let size = json(&["size", model.path(), "--variant", "pruned"]);
    assert!(size[0]["flash"].as_u64().unwrap() > 1000, "{size}");
    let crates: Vec<&str> = size[0]["groups"].as_array().unwrap().iter().filter_map(|g| g["name"].as_str()).collect();
    assert!(crates.contains(&"niwaki_board") && crates.contains(&"niwaki_link"), "{crates:?}");

    // What this very command wrote has no changes; the last commit's firmware may have some, and does not stay.
    let saved = model.folder.path().join("before.json");
    fs::write(&saved, size.to_string()).unwrap();
    let same = json(&["size", model.path(), "--variant", "pruned", "--diff", saved.to_str().unwrap()]);
    let none = Value::Array(Vec::new());
    assert_eq!((&same["before"], &same["changes"][0]["sections"]), (&size, &none));
    let mut since = xtask(&["size", model.path(), "--variant", "pruned", "--diff", "HEAD", "--json"]);
    let since = since.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = since.id();
    let since = since.wait_with_output().unwrap();
    assert!(since.status.success(), "{}", text(&since.stderr));
    let since: Value = serde_json::from_slice(&since.stdout).unwrap();
    assert_eq!(since["after"], size);
    let [before, after] = ["before", "after"].map(|side| since[side][0]["flash"].as_i64().unwrap());
    let flash = &since["changes"][0]["totals"][0];
    assert_eq!((&flash["what"], &flash["difference"]), (&"flash".into(), &(after - before).into()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list = Command::new("git").current_dir(root).args(["worktree", "list"]).output().unwrap();
    assert!(!text(&list.stdout).contains(&format!("-{process} ")), "{}", text(&list.stdout));

    let diff = json(&["diff", model.path(), "--variant", "pruned", "--sample", "2"]);
    assert!(diff[0]["first_difference"].is_null(), "{diff}");
    // A firmware whose first layer is not what it should be is found, and the layer named; there is no second.
    let spoilt = |layer: &str| {
        let arguments = ["diff", model.path(), "--variant", "pruned", "--sample", "2", "--fault", layer];
        xtask(&arguments).arg("--json").output().unwrap()
    };
    let found = spoilt("0");
    let result: Value = serde_json::from_slice(&found.stdout).unwrap();
    let first = &result[0]["first_difference"];
    assert_eq!((&first["layer"], &first["index"]), (&"copy".into(), &0.into()), "{result}");
    assert!(text(&found.stderr).contains("host and mps2-an386 first differ in copy (pruned, sample 2)"));
    assert_eq!(found.status.code(), Some(1));
    assert!(spoilt("1").status.success());
}

#[test]
fn a_bench_counts_and_prices_every_layer() {
    let model = FakeModel::new("bench").packed();
    let benches = json(&["bench", model.path(), "--board", "mps2-an386,microbit,host", "--mlperf", "--no-setup"]);
    let [m4, m0, host] = &benches.as_array().unwrap()[..] else { panic!("{benches}") };
    for (board, unit) in [(m4, "instructions"), (m0, "instructions"), (host, "nanoseconds")] {
        let [before, after] = &board["networks"].as_array().unwrap()[..] else { panic!("{board}") };
        assert_eq!(before["unit"], unit);
        assert_eq!(before["layers"][0]["name"], "copy");
        assert!(before["whole"]["measured"]["median"].as_u64().unwrap() > 50, "{board}");
        let mlperf = &after["mlperf"];
        assert_eq!(
            (&mlperf["samples"], &mlperf["differing"], &mlperf["accuracy"]),
            (&3.into(), &0.into(), &1.0.into())
        );
        assert_eq!(mlperf["latency"].is_null(), unit == "instructions", "emulated boards keep no time");
        assert_eq!(before["whole"]["measured"]["milliseconds"].is_null(), unit == "instructions");
    }
    for board in [m4, m0] {
        let [before, after] = &board["networks"].as_array().unwrap()[..] else { panic!("{board}") };
        // Both networks are the same bytes: two firmwares, each run twice, count the same to the instruction.
        assert_eq!(before["whole"], after["whole"]);
        assert_eq!(before["layers"], after["layers"]);
        let (whole, layer) = (&before["whole"], &before["layers"][0]);
        let measured = &whole["measured"];
        assert_eq!((&measured["least"], &measured["most"]), (&measured["median"], &measured["median"]));
        // 1024 bytes through a table: a load each, and one load and one store of at most four.
        let mix = |class: &str| layer["mix"][class][0].as_u64().unwrap();
        assert!(mix("load") >= 1280 && mix("store") >= 256, "{layer}");
        let all = layer["mix"].as_object().unwrap().values();
        let (instructions, cycles) = all.fold((0, 0), |(instructions, cycles), class| {
            (instructions + class[0].as_u64().unwrap(), cycles + class[1].as_u64().unwrap())
        });
        let counted = layer["measured"]["median"].as_u64().unwrap();
        assert!(counted.abs_diff(instructions) * 50 < counted, "{counted} by the board, {instructions} by the plugin");
        assert_eq!(layer["estimated_cycles"], cycles);
        assert!(cycles > instructions);
        let [used, bytes] = [0, 1].map(|at| before["stack"][at].as_u64().unwrap());
        assert!(used > 500 && used < bytes, "{used} of {bytes} bytes");
    }
    // A Pi's process is translated; its core without an operating system counts.
    let pi = json(&["bench", model.path(), "--board", "raspberry-pi", "--no-setup"]);
    for network in pi[0]["networks"].as_array().unwrap() {
        assert_eq!((&network["unit"], &network["layers"][0]["name"]), (&"instructions".into(), &"copy".into()));
        let count = |line: &Value| line["measured"]["median"].as_u64().unwrap();
        let (whole, layer) = (count(&network["whole"]), count(&network["layers"][0]));
        assert!(layer > 50 && whole * 51 >= layer * 50 && whole < 10_000, "{whole}, {layer}");
    }

    // Another time, each of the emulated boards says the same to the instruction.
    let again = json(&["bench", model.path(), "--board", "mps2-an386,microbit", "--no-setup"]);
    for (first, second) in [m4, m0].into_iter().zip(again.as_array().unwrap()) {
        for (first, second) in [0, 1].map(|at| (&first["networks"][at], &second["networks"][at])) {
            assert_eq!((&first["whole"], &first["layers"]), (&second["whole"], &second["layers"]));
        }
    }
    assert_eq!(saved(&model.results().join("microbit/bench.json")), again[1]);

    // What was measured is remembered with the firmware.
    let size = json(&["size", model.path(), "--variant", "unpruned"]);
    let used = &m4["networks"][0]["stack"][0];
    assert_eq!(size[0]["stack_used"], serde_json::json!({ "bytes": used, "same_firmware": true }));
    assert!(host["networks"][0]["stack"].is_null() && host["networks"][0]["whole"]["estimated_cycles"].is_null());
}

/// The cells of the line of a printed table that begins with this word: numbers keep their single spaces.
fn cells(printed: &str, first: &str) -> Vec<String> {
    let line = printed.lines().map(|line| line.trim_matches(['│', ' '])).find(|line| line.starts_with(first));
    let line = line.unwrap_or_else(|| panic!("no line of {first} in {printed}"));
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(String::from).collect()
}

#[test]
fn a_page_shows_what_the_commands_print() {
    let model = FakeModel::new("page");
    let page = || {
        let file = model.folder.path().join("page.html");
        let result = json(&["report", model.path(), "--to", file.to_str().unwrap()]);
        (fs::read_to_string(file).unwrap(), result)
    };
    let (empty, result) = page();
    assert_eq!((&result["models"], result["missing"].as_array().map(Vec::len)), (&serde_json::json!([]), Some(1)));
    assert!(empty.contains("Nothing is packed") && empty.contains("cargo xtask deploy"), "{empty}");

    // What lies in the model's folder is shown where nothing is packed.
    let pruned = saved(&model.files().join("report.json"))["pruned"].clone();
    let record = serde_json::json!({
        "model": "m", "command": "cargo xtask prune m --keep", "seed": 7, "metric": "top-1", "seconds": 60.0, "recipe": {},
        "live_macs": [4321, 1234],
        "unpruned": pruned, "pruned": pruned,
        "steps": [{ "name": "channels 1/1", "live_macs": 1234, "curve": [[0.5, 0.25], [0.125, 0.75]], "seconds": 1.0 }],
    });
    fs::create_dir(model.folder.path().join("pruned")).unwrap();
    fs::write(model.folder.path().join("pruned/record.json"), record.to_string()).unwrap();
    let (stored, result) = page();
    assert_eq!(result["models"].as_array().map(Vec::len), Some(1));
    for part in ["cargo xtask prune m --keep", ">1 234<", ">0.5000 to 0.1250<", ">75.00 %<", ">100.00 %<"] {
        assert!(stored.contains(part), "{part} is not on the page: {stored}");
    }

    let printed = |arguments: &[&str]| {
        let output = xtask(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let deployed = printed(&["deploy", model.path(), "--board", "mps2-an386"]);
    let benched = printed(&["bench", model.path(), "--board", "mps2-an386", "--no-setup"]);
    let (html, _) = page();
    let on_page = |cell: &String| assert!(html.contains(&format!(">{cell}<")), "{cell} is not on the page: {html}");
    // Instructions, their ratio, the spread, what predictions are off, estimated cycles, their ratio.
    let whole = cells(&benched, "whole");
    assert_eq!(whole.len(), 10, "{whole:?}");
    whole[1..4].iter().chain(&whole[7..]).for_each(on_page);
    cells(&benched, "copy")[2..4].iter().for_each(on_page);
    for line in ["top-1, int8, computed by the host", "blob, bytes", "arena, bytes", "flash, bytes", "RAM without"] {
        cells(&deployed, line)[1..].iter().for_each(on_page);
    }
    assert!(html.contains("estimated cycles") || html.contains("Estimated cycles"));
    // What it says it is from is there, and it needs nothing else.
    for file in ["report.json", "mps2-an386/bench.json", "mps2-an386/report.json"] {
        assert!(html.contains(&format!("target/niwaki/niwaki-model-page/{file}")), "{file}");
    }
    assert!(!html.contains("http") && !html.contains("src=") && !html.contains(env!("CARGO_MANIFEST_DIR")));
    assert!(html.contains("--board b-l475e-iot01a,microbit,"), "boards without figures are named with the command");

    // Figures of networks that are not those packed now are left out, and that is said.
    let report = model.results().join("report.json");
    let other = fs::read_to_string(&report).unwrap().replace(&"0".repeat(64), &"1".repeat(64));
    fs::write(&report, other).unwrap();
    let (html, _) = page();
    assert!(html.contains("bench.json is of networks that were packed before, and is left out"), "{html}");
    assert!(!html.contains(&format!(">{}<", whole[1])));
}

#[test]
fn a_board_made_from_another_builds_and_runs() {
    let model = FakeModel::new("made").packed();
    let folder = tempfile::tempdir().unwrap();
    let board = folder.path().join("mps2-tiny");
    let path = board.to_str().unwrap();
    let made = json(&["boards", "new", path, "--from", "mps2-an386"]);
    assert_eq!((&made["name"], &made["from"]), (&"mps2-tiny".into(), &"mps2-an386".into()));
    assert!(
        error(&xtask(&["boards", "new", path, "--from", "mps2-an386"]).output().unwrap()).contains("is there already")
    );
    // A variant of the MPS2 with little memory.
    let change = |file: &str, pairs: &[(&str, &str)]| {
        let text = fs::read_to_string(board.join(file)).unwrap();
        let changed = pairs.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{file} has no {from}");
            text.replace(from, to)
        });
        fs::write(board.join(file), changed).unwrap();
    };
    change(
        "memory.x",
        &[
            ("LENGTH = 4M - 16K", "LENGTH = 48K"),
            ("ORIGIN = 0x00000000, LENGTH = 4M", "ORIGIN = 0x00000000, LENGTH = 128K"),
        ],
    );
    change("board.toml", &[("262_144", "65_536"), ("1_048_576", "131_072")]);
    let result = json(&["run", model.path(), "--board", path, "--variant", "pruned"]);
    assert_eq!((&result["board"], &result["silicon"]), (&"mps2-tiny".into(), &false.into()));
    assert_eq!(result["runs"][0]["differing"], serde_json::json!([]));
    assert_eq!(result["runs"][0]["count"]["unit"], "instructions");
}
