//! A Burn module written outside this repository: deployed as it is, its blob embedded by a crate that knows only
//! `niwaki`, and refused with one clear line where it cannot be expressed.

use niwaki_pack::artefact::{EvalSet, Report};
use niwaki_tests::root;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const MODEL: &str = r#"//! Sums of pixels: a model of somebody who has never heard of niwaki's sources.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig, PaddingConfig2d, conv::{Conv2d, Conv2dConfig}},
    tensor::{Device, Tensor, activation::relu},
};
use niwaki_compile::{DataSet, Project, Samples, Task, capture};

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    left: Conv2d,
    head: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        Self {
            conv: Conv2dConfig::new([1, 16], [3, 3]).with_padding(padding).init(device),
            left: Conv2dConfig::new([8, 8], [1, 1]).init(device),
            head: LinearConfig::new(16 * 5 * 6, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv.forward(x));
        // HERE
        // Half of the channels take another way; parts change places; the first row is left out.
        let halves = x.chunk(2, 1);
        let x = Tensor::cat(vec![relu(self.left.forward(halves[0].clone())), halves[1].clone()], 1);
        let parts = x.split_with_sizes(vec![6, 10], 1);
        let x = Tensor::cat(vec![parts[1].clone(), parts[0].clone()], 1).slice_dim(2, 1..);
        self.head.forward(x.flatten(1, 3))
    }
}

/// Images that are bright in their upper, middle or lower third.
fn data() -> Result<DataSet, String> {
    let part = |start: usize, count: usize| {
        let image = |index: usize| (0..36).map(move |place| {
            let noise = ((index * 31 + place * 17) % 23) as f32 / 46.0;
            if place / 12 == index % 3 { 1.0 - noise } else { noise }
        });
        let inputs = (start..start + count).flat_map(image).collect();
        Samples::new(vec![1, 6, 6], inputs, (start..start + count).map(|index| index % 3).collect())
    };
    Ok(DataSet::new(part(0, 90).map_err(|e| e.to_string())?, part(90, 30).map_err(|e| e.to_string())?))
}

fn main() -> std::process::ExitCode {
    niwaki_compile::main(Project {
        name: env!("CARGO_PKG_NAME"),
        folder: env!("CARGO_MANIFEST_DIR"),
        model: Net::new,
        capture: |net| capture(net, [1, 1, 6, 6], Net::forward),
        weights: None,
        data,
        augment: None,
        task: Task::CLASSIFICATION,
    })
}
"#;

const RECIPE: &str = "seed = 3\n[train]\nepochs = 6\n[fine-tune]\nepochs = 3\n";

const DEVICE: &str = r#"//! The device half: knows `niwaki` and the blob, nothing else.
#![no_std]
extern crate std;

static BLOB: &[u8] = niwaki::include_blob!(env!("BLOB"));
const ARENA_BYTES: usize = niwaki::arena_bytes(BLOB);

fn main() {
    let model = niwaki::Model::read(BLOB).expect("a good blob");
    let mut arena = niwaki::Arena::<ARENA_BYTES>::new();
    let mut session = model.session(&mut arena).expect("an arena of the right size");
    let mut line = std::string::String::new();
    std::io::stdin().read_line(&mut line).expect("an input");
    for (slot, number) in session.input_mut(0).iter_mut().zip(line.split_whitespace()) {
        *slot = number.parse().expect("a number");
    }
    session.run().expect("runs");
    std::println!("{:?}", session.output(0));
}
"#;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    fs::write(path, text).expect("writable");
}

/// A crate of two files, with this repository's choice of versions so that Burn is not built again.
fn project(folder: &Path, name: &str, dependencies: &str, main: &str) {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n[workspace]\n"
    );
    write(&folder.join("Cargo.toml"), &manifest);
    write(&folder.join("src/main.rs"), main);
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
}

fn model(folder: &Path, name: &str, main: &str) {
    let crates = root().canonicalize().expect("exists").join("crates");
    let dependencies = format!(
        "burn = {{ version = \"=0.22.1\", default-features = false, features = [\"std\"] }}\n\
         niwaki-compile = {{ path = {:?} }}\n",
        crates.join("compile")
    );
    project(folder, name, &dependencies, main);
    write(&folder.join("recipe.toml"), RECIPE);
}

fn xtask(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "xtask", "--"]).args(arguments).current_dir(root());
    command.output().expect("cargo runs")
}

fn lines(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn deploys_without_a_change_and_runs_where_only_niwaki_is_known() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("thirds");
    model(&path, "niwaki-outside-thirds", MODEL);
    let path = path.to_str().expect("unicode");
    let output = xtask(&["deploy", path, "--board", "mps2-an386", "--quiet", "--json"]);
    assert!(output.status.success(), "{}", lines(&output.stderr));
    let results = root().join("target/niwaki/niwaki-outside-thirds");
    let report = Report::load(&results).expect("deploy left a report");
    assert!(report.pruned.int8_quality > 0.9, "{}", report.pruned.int8_quality);
    assert!(report.pruned.macs < report.unpruned.macs);

    let device = folder.path().join("device");
    let niwaki = root().canonicalize().expect("exists").join("crates/runtime");
    project(&device, "niwaki-outside-device", &format!("niwaki = {{ path = {niwaki:?} }}\n"), DEVICE);
    let eval = EvalSet::load(&results.join(&report.pruned.eval)).expect("deploy left an evaluation set");
    let blob = results.join(&report.pruned.blob).canonicalize().expect("deploy left a blob");
    let (input, _, expected) = eval.sample(7);
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--manifest-path"]).arg(device.join("Cargo.toml"));
    command.arg("--target-dir").arg(root().join("target/outside")).env("BLOB", blob);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("cargo runs");
    let text: Vec<String> = input.iter().map(|x| x.to_string()).collect();
    let mut stdin = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, format!("{}\n", text.join(" ")).as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(lines(&output.stdout).trim(), format!("{expected:?}"));
    fs::remove_dir_all(&results).expect("the results of a test");
}

#[test]
fn an_unsupported_operation_is_one_clear_error_and_earlier_results_stay() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("odd");
    let odd = MODEL.replace("// HERE", "let x = x.erf().sin();");
    model(&path, "niwaki-outside-odd", &odd);
    let results = root().join("target/niwaki/niwaki-outside-odd");
    write(&results.join("report.json"), "an earlier result");
    let output = xtask(&["deploy", path.to_str().expect("unicode"), "--board", "host", "--quiet"]);
    let message = lines(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in ["erf", "sin", "conv", "[1, 16, 6, 6]"] {
        assert!(message.to_lowercase().contains(part), "the message does not name {part}: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
    assert_eq!(fs::read_to_string(results.join("report.json")).expect("still there"), "an earlier result");
    fs::remove_dir_all(&results).expect("the results of a test");
}
