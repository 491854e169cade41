//! A model crate and a board crate of somebody's own, in a temporary folder. The model's program copies files that lie
//! beside it, so that no test here needs Burn.

use crate::sample;
use niwaki_pack::artefact::{EvalSet, Layer, Report, Variant};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const MAIN: &str = r#"
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let out = std::path::Path::new(&args[3]);
    assert_eq!(args[2], "--out");
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/files");
    if !std::path::Path::new(files).is_dir() {
        eprintln!("error: the model has no files");
        std::process::exit(1);
    }
    std::fs::create_dir_all(out).unwrap();
    for file in std::fs::read_dir(files).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), out.join(file.file_name())).unwrap();
    }
    println!("{{\"step\":\"{}\"}}", args[1]);
}
"#;

/// A model crate; what it leaves in target/niwaki is removed with it.
pub(crate) struct FakeModel {
    pub(crate) folder: TempDir,
    name: String,
}

impl FakeModel {
    /// Makes one; every test takes a name of its own.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("niwaki-model-{name}");
        let folder = tempfile::tempdir().unwrap();
        package(folder.path(), &name, MAIN);
        fs::write(folder.path().join("recipe.toml"), "").unwrap();
        let model = Self { folder, name };
        model.fill(&model.files(), 3);
        model
    }

    /// Writes what `pack` leaves: both networks are the sample blob, with so many test samples.
    fn fill(&self, folder: &Path, samples: i8) {
        fs::create_dir_all(folder).unwrap();
        let blob = sample::write(folder).unwrap();
        let bytes = usize::from(sample::BYTES);
        let layer =
            Layer { name: "copy".into(), kind: "lut".into(), output: [1, 1, bytes], macs: 0, parameter_bytes: 256 };
        let variant = Variant {
            blob: "sample.nwk".into(),
            eval: "sample.eval.safetensors".into(),
            samples: samples as usize,
            float_quality: 1.0,
            int8_quality: 1.0,
            more: Vec::new(),
            parameters: 0,
            macs: 0,
            blob_bytes: fs::read(blob).unwrap().len(),
            arena_bytes: 2 * bytes,
            channels: 0,
            layers: vec![layer],
        };
        let report = Report {
            model: self.name.clone(),
            recipe_hash: "0".repeat(64),
            metric: "top-1".into(),
            unpruned: variant.clone(),
            pruned: variant,
        };
        report.save(folder).unwrap();
        // Sample i has its largest number in place 1, and i in place 2.
        let input = |sample| (0..bytes).map(move |place| [0, 99, sample, -9][place.min(3)]);
        let inputs: Vec<i8> = (0..samples).flat_map(input).collect();
        let labels = vec![1; samples as usize];
        EvalSet { input_bytes: bytes, output_bytes: bytes, outputs: inputs.clone(), inputs, labels }
            .save(&self.eval())
            .unwrap();
    }

    /// What its program copies.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The test samples that its program copies.
    pub(crate) fn eval(&self) -> PathBuf {
        self.files().join("sample.eval.safetensors")
    }

    /// Its results, as xtask finds them.
    pub(crate) fn results(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/niwaki").join(&self.name)
    }

    /// Puts results there without running its program.
    pub(crate) fn packed(self) -> Self {
        fs::create_dir_all(self.results()).unwrap();
        for file in fs::read_dir(self.files()).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), self.results().join(file.file_name())).unwrap();
        }
        self
    }

    /// As an argument.
    pub(crate) fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.results());
    }
}

/// A crate without dependencies.
fn package(folder: &Path, name: &str, main: &str) {
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), main).unwrap();
}

/// A board crate with this board.toml, whose firmware does nothing for a minute.
pub(crate) fn board(board_toml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    package(
        folder.path(),
        "niwaki-model-board",
        "fn main() { std::thread::sleep(std::time::Duration::from_secs(60)) }",
    );
    fs::write(folder.path().join("board.toml"), board_toml).unwrap();
    folder
}

/// A board.toml for a microcontroller with this much RAM.
pub(crate) fn small_board(target: &str, ram: u32) -> String {
    format!(
        "name = \"small\"\ndescription = \"a small board\"\ntarget = \"{target}\"\ncore = \"cortex-m4f\"\n\
         clock_hz = 1_000_000\nsilicon = false\nflash = {{ origin = 0, bytes = 65536 }}\n\
         ram = {{ origin = 0x2000_0000, bytes = {ram} }}\n\
         budget = {{ flash_bytes = 65536, ram_bytes = {ram} }}\n\
         [runner]\nkind = \"qemu\"\nmachine = \"mps2-an386\"\nicount_shift = 8\nargs = []\n"
    )
}

/// A board.toml for a process.
pub(crate) const PROCESS: &str =
    "name = \"silent\"\ndescription = \"\"\ncore = \"host\"\nsilicon = false\n[runner]\nkind = \"process\"\n";
