//! Everything that can be wrong before a board answers, each one line and exit code 1.

use crate::{
    error,
    fake::{FakeModel, PROCESS, board, small_board},
    xtask,
};
use std::{fs, path::Path};

#[test]
fn an_unknown_model_lists_what_exists() {
    let error = error(&xtask(&["run", "digtis"]).output().unwrap());
    assert!(error.starts_with("no model \"digtis\"; there ") && error.contains("digits"), "{error}");
    assert!(error.ends_with("did you mean \"digits\"?"), "{error}");
}

/// A comparison of no samples would find no difference.
#[test]
fn no_samples_are_no_run() {
    for command in ["run", "deploy"] {
        let output = xtask(&[command, "digits", "--samples", "0"]).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains("invalid value '0' for '--samples <N>'"));
    }
}

#[test]
fn an_unknown_board_lists_what_exists() {
    let error = error(&xtask(&["deploy", "digits", "--board", "mps2-an368"]).output().unwrap());
    assert!(error.starts_with("no board \"mps2-an368\"; there are ") && error.contains("host"), "{error}");
    assert!(error.ends_with("did you mean \"mps2-an386\"?"), "{error}");
}

#[test]
fn a_folder_that_is_no_model_or_board_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let message = error(&xtask(&["pack", path]).output().unwrap());
    assert_eq!(message, format!("no model in {path}: it has no Cargo.toml"));
    let message = error(&xtask(&["run", "digits", "--board", path]).output().unwrap());
    assert_eq!(message, format!("no board in {path}: it has no Cargo.toml"));
}

#[test]
fn a_data_folder_that_does_not_exist_is_named() {
    let model = FakeModel::new("data");
    let error = error(&xtask(&["pack", model.path()]).env("NIWAKI_DATA", "/no/such/folder").output().unwrap());
    assert!(error.starts_with("NIWAKI_DATA=/no/such/folder is not a folder; set it to "), "{error}");
}

/// Every command on every model that reads data sets, without them: what to download, how large it is, with which command.
#[test]
fn data_that_is_missing_says_how_to_get_it() {
    const COMMANDS: &[&[&str]] = &[
        &["deploy", "--board", "host", "--no-setup"],
        &["train"],
        &["prune"],
        &["prune", "--dry-run"],
        &["pack"],
        &["fit", "--board", "mps2-an386", "--no-setup", "--instructions", "1000", "--floor", "50%"],
        &["run", "--board", "host", "--no-setup"],
        &["size", "--board", "mps2-an386", "--no-setup"],
        &["diff", "--board", "host", "--no-setup"],
        &["diff", "--explain"],
        &["bench", "--board", "mps2-an386", "--no-setup"],
    ];
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sizes = [("ad", "1.1 MB"), ("ic", "170 MB"), ("kws", "2.4 GB"), ("vww", "170 MB")];
    for (model, size) in sizes {
        for arguments in COMMANDS {
            let (name, more) = arguments.split_first().unwrap();
            // What was packed here before needs no data any more.
            let packed = root.join("target/niwaki").join(model).join("report.json").exists();
            if packed && ["run", "size", "diff", "bench"].contains(name) && *more != ["--explain"] {
                continue;
            }
            let error =
                error(&xtask(&[&[*name, model], more].concat()).env("NIWAKI_DATA", folder.path()).output().unwrap());
            assert!(error.contains(&format!("{model} reads models/{model}_float.safetensors, which ")), "{error}");
            assert!(error.contains(&format!("`cargo xtask data {model}` downloads ")), "{error}");
            assert!(error.contains(size), "{error}");
        }
    }
}

#[test]
fn a_model_without_data_sets_has_none_to_download() {
    let error = error(&xtask(&["data", "digits"]).output().unwrap());
    assert_eq!(error, "digits needs no data; ad, ic, kws, vww do");
}

#[test]
fn a_model_that_is_not_packed_says_how_to() {
    let model = FakeModel::new("unpacked");
    let error = error(&xtask(&["run", model.path(), "--board", "host"]).output().unwrap());
    assert!(error.contains("is not packed yet") && error.contains("cargo xtask pack"), "{error}");
}

#[test]
fn an_unknown_key_in_board_toml_names_key_and_file() {
    let model = FakeModel::new("key").packed();
    let board = board(&format!("colour = \"green\"\n{PROCESS}"));
    let error = error(&xtask(&["run", model.path(), "--board", board.path().to_str().unwrap()]).output().unwrap());
    assert!(error.contains("board.toml, line 1: unknown field `colour`, expected one of "), "{error}");
}

#[test]
fn a_missing_qemu_says_how_to_get_it() {
    let cargo = std::path::Path::new(env!("CARGO")).parent().unwrap();
    let mut command = xtask(&["deploy", "digits", "--no-setup"]);
    let error = error(&command.env("PATH", cargo).output().unwrap());
    assert!(error.starts_with("qemu-system-arm is not installed; `cargo xtask setup` installs it"), "{error}");
}

#[test]
fn a_missing_target_says_how_to_get_it() {
    let model = FakeModel::new("target").packed();
    let board = board(&small_board("armv4t-none-eabi", 65536));
    let arguments = ["run", model.path(), "--no-setup", "--board", board.path().to_str().unwrap()];
    let error = error(&xtask(&arguments).output().unwrap());
    assert!(error.starts_with("Rust target armv4t-none-eabi is not installed; "), "{error}");
    assert!(error.ends_with("rustup target add armv4t-none-eabi"), "{error}");
}

#[test]
fn what_sizes_cannot_be_compared_with_is_named_before_anything_is_built() {
    let model = FakeModel::new("since").packed();
    let size = |board: &str, since: &str| {
        error(&xtask(&["size", model.path(), "--board", board, "--diff", since, "--no-setup"]).output().unwrap())
    };
    let message = size("mps2-an386", "no-such-revision");
    assert!(message.starts_with("no revision \"no-such-revision\" in "), "{message}");
    assert!(message.contains("`git log --oneline` lists them"), "{message}");
    let message = size("mps2-an386", "no/such/file.json");
    assert!(message.starts_with("no/such/file.json cannot be read; `cargo xtask size "), "{message}");
    let board = board(&small_board("thumbv7em-none-eabihf", 65536));
    let message = size(board.path().to_str().unwrap(), "HEAD");
    assert!(message.contains("is no board of this repository: there is none at HEAD; save a report"), "{message}");
}

#[test]
fn a_network_larger_than_the_board_says_by_how_much() {
    let model = FakeModel::new("large").packed();
    let board = board(&small_board("thumbv7em-none-eabihf", 2040));
    let error = error(&xtask(&["run", model.path(), "--board", board.path().to_str().unwrap()]).output().unwrap());
    assert!(
        error.contains("sample.nwk does not fit on small: the arena takes 2 048 bytes, 8 more than the 2 040"),
        "{error}"
    );
}

#[test]
fn a_damaged_blob_is_refused() {
    let model = FakeModel::new("damaged").packed();
    let good = fs::read(model.files().join("sample.nwk")).unwrap();
    let file = model.folder.path().join("given.nwk");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let arguments = ["run", model.path(), "--board", "host", "--blob", file.to_str().unwrap()];
        error(&xtask(&arguments).output().unwrap())
    };
    let changed = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 0x10;
        bytes
    };
    assert!(refused(&good[..100]).contains("given.nwk: the blob is cut off"));
    assert!(refused(&changed(good.len() - 3)).contains("given.nwk: the blob is damaged: its checksum does not match"));
    let (known, other) = (niwaki_blob::VERSION, niwaki_blob::VERSION ^ 0x10);
    let version = format!("given.nwk: blob of format version {other}; this reader knows version {known}");
    assert!(refused(&changed(4)).contains(&version));
    assert!(refused(&changed(0)).contains("given.nwk: not a .nwk blob"));

    fs::write(model.results().join("sample.nwk"), &good[..100]).unwrap();
    let error = error(&xtask(&["run", model.path(), "--board", "host"]).output().unwrap());
    assert!(error.contains("sample.nwk: the blob is cut off; make it anew with `cargo xtask pack"), "{error}");
}

#[test]
fn a_firmware_that_is_silent_is_noticed() {
    let model = FakeModel::new("silent").packed();
    let board = board(PROCESS);
    let error = error(&xtask(&["run", model.path(), "--board", board.path().to_str().unwrap()]).output().unwrap());
    assert!(error.starts_with("silent: the board does not answer within "), "{error}");
}
