//! What the models of this repository read, and how it is had.

use crate::DataFolder;

/// A model's data.
#[derive(Debug)]
pub struct Needs {
    /// The model.
    pub model: &'static str,
    /// Files that it reads, without the ending of compressed ones.
    pub files: &'static [&'static str],
    /// What has to be downloaded for it.
    pub downloads: &'static [Download],
}

/// A public original.
#[derive(Debug)]
pub struct Download {
    /// What it is.
    pub what: &'static str,
    /// How large it is.
    pub size: &'static str,
}

const RUNNER: &str = "MLPerf Tiny's test inputs (github.com/eembc/energyrunner)";
const WEIGHTS: &str = "MLPerf Tiny's reference weights (github.com/mlcommons/tiny)";
/// The archive's own size is not published: what is in it of these inputs, unpacked.
const RUNNER_SIZE: &str = "at least 54 MB unpacked";
const CIFAR: Download = Download { what: "CIFAR-10 (www.cs.toronto.edu)", size: "170 MB" };

/// Every model that reads more than lies in its folder.
pub const MODELS: &[Needs] = &[
    Needs {
        model: "ad",
        files: &[
            "models/ad_float.safetensors",
            "eval/ad01/x.f32",
            "eval/ad01/y.u8",
            "train/ad01/x.f32",
            "train/ad01/y.u8",
        ],
        downloads: &[Download { what: WEIGHTS, size: "1.1 MB" }, Download { what: RUNNER, size: RUNNER_SIZE }],
    },
    Needs {
        model: "ic",
        files: &[
            "models/ic_float.safetensors",
            "eval/ic01/x.u8",
            "eval/ic01/y.u8",
            "train/cifar10/train_0.u8",
            "train/cifar10/train_0_y.u8",
            "train/cifar10/train_1.u8",
            "train/cifar10/train_1_y.u8",
            "train/cifar10/test_a.u8",
            "train/cifar10/test_a_y.u8",
        ],
        downloads: &[Download { what: WEIGHTS, size: "0.3 MB" }, Download { what: RUNNER, size: RUNNER_SIZE }, CIFAR],
    },
    Needs {
        model: "kws",
        files: &[
            "models/kws_float.safetensors",
            "eval/kws01/x.i8",
            "eval/kws01/y.u8",
            "train/fsdd/train_mfcc.i8",
            "train/speech_commands_sample/mfcc.i8",
            "train/speech_commands_sample/y12.u8",
        ],
        downloads: &[
            Download { what: WEIGHTS, size: "0.05 MB" },
            Download { what: RUNNER, size: RUNNER_SIZE },
            Download { what: "Speech Commands (storage.googleapis.com)", size: "2.4 GB" },
            Download { what: "the Free Spoken Digit Dataset (github.com)", size: "size not published" },
        ],
    },
    Needs {
        model: "vww",
        files: &["models/vww_float.safetensors", "eval/vww01/x.u8", "eval/vww01/y.u8", "train/cifar10/train_0.u8"],
        downloads: &[Download { what: WEIGHTS, size: "0.9 MB" }, Download { what: RUNNER, size: RUNNER_SIZE }, CIFAR],
    },
];

impl Needs {
    /// Those of a model in this repository; none where it needs nothing.
    pub fn of(model: &str) -> Option<&'static Self> {
        MODELS.iter().find(|needs| needs.model == model)
    }

    /// The first file that the folder lacks.
    pub fn missing(&self, data: &DataFolder) -> Option<&'static str> {
        let there = |file: &str| data.file(file).is_ok() || data.file(&format!("{file}.xz")).is_ok();
        self.files.iter().copied().find(|file| !there(file))
    }
}

/// `` `cargo xtask data ic` downloads ... and converts it ``.
impl std::fmt::Display for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`cargo xtask data {}` downloads ", self.model)?;
        for (place, Download { what, size }) in self.downloads.iter().enumerate() {
            let before = match place {
                0 => "",
                _ if place + 1 == self.downloads.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}{what}, {size}")?;
        }
        write!(f, ", and converts them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_says_what_it_needs() {
        let needs = Needs::of("vww").expect("it needs data");
        assert!(needs.to_string().contains("CIFAR-10 (www.cs.toronto.edu), 170 MB"), "{needs}");
        assert!(Needs::of("digits").is_none());
    }

    #[test]
    fn what_is_missing_is_found_also_beside_compressed_files() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let needs = Needs { model: "two", files: &["a.u8", "b.u8"], downloads: &[] };
        let data = DataFolder::new(root.path());
        std::fs::write(root.path().join("a.u8.xz"), []).expect("written");
        assert_eq!(needs.missing(&data), Some("b.u8"));
        std::fs::write(root.path().join("b.u8"), []).expect("written");
        assert_eq!(needs.missing(&data), None);
    }
}
