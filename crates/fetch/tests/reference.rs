//! What is known about the real data, held against the data sets in the folder NIWAKI_DATA.

use niwaki_data::DataFolder;
use niwaki_fetch::{Downloader, Original, Outcome, fetch, sha256, steps, weights};
use safetensors::SafeTensors;

const MODELS: [&str; 4] = ["ad", "ic", "kws", "vww"];

#[test]
fn known_arrays_are_those_in_the_folder() {
    let data = DataFolder::from_environment().expect("NIWAKI_DATA has the data sets");
    let mut known = 0;
    for array in MODELS.iter().filter_map(|model| steps(model)).flatten().flat_map(|step| step.arrays) {
        let (Some(expected), Some(bytes)) = (array.sha256, array.bytes) else { continue };
        let content = data.u8(&array.file, &[bytes as usize]).expect("it is there");
        assert_eq!(sha256(&content), expected, "{}", array.file);
        known += 1;
    }
    assert_eq!(known, 10);
}

/// Reading is all that this does: the folder may be read-only, and the address serves nothing.
#[test]
fn a_full_folder_is_left_alone() {
    let data = std::env::var_os("NIWAKI_DATA").expect("NIWAKI_DATA has the data sets");
    let downloader = Downloader { mirror: Some("http://127.0.0.1:9".into()), quiet: true };
    for step in MODELS.iter().filter_map(|model| steps(model)).flatten() {
        assert_eq!(fetch(&step, data.as_ref(), &downloader).expect("all is there"), Outcome::There);
    }
}

#[test]
fn weights_are_those_of_the_reference_models() {
    let data = DataFolder::from_environment().expect("NIWAKI_DATA has the data sets");
    let files = [
        ("ad", "ad01_fp32.tflite"),
        ("ic", "ic_pretrainedResnet.tflite"),
        ("kws", "kws_ref_model_float32.tflite"),
        ("vww", "vww_96_float.tflite"),
    ];
    for (model, file) in files {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = data.file(&format!("models/tflite/{file}")).expect("it is there");
        std::fs::create_dir(folder.path().join("originals")).expect("created");
        let content = std::fs::read(source).expect("read");
        let reference = steps(model).expect("it needs weights").remove(0).original;
        assert_eq!(reference.sha256.as_deref(), Some(sha256(&content).as_str()), "{model}");
        assert_eq!(reference.bytes, Some(content.len() as u64), "{model}");
        std::fs::write(folder.path().join("originals").join(file), content).expect("written");
        let original = Original { file, url: file.into(), sha256: None, bytes: None };
        fetch(&weights(original, model), folder.path(), &Downloader::default()).expect("converted");
        let name = format!("models/{model}_float.safetensors");
        let ours = std::fs::read(folder.path().join(&name)).expect("written");
        let theirs = std::fs::read(data.file(&name).expect("it is there")).expect("read");
        let ours = SafeTensors::deserialize(&ours).expect("whole");
        let theirs = SafeTensors::deserialize(&theirs).expect("whole");
        assert_eq!(ours.len(), theirs.len(), "{model}");
        for (name, tensor) in theirs.tensors() {
            let found = ours.tensor(&name).expect("every tensor is there");
            assert_eq!(found.shape(), tensor.shape(), "{model} {name}");
            assert!(found.data() == tensor.data(), "{model} {name}");
        }
    }
}
