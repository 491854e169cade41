//! The originals of every model: where they are published, and what is known about them.

use crate::{Array, Source, Step, Subset, cifar10, digits, runner, weights, words};

/// A file at its publisher's.
#[derive(Clone, Debug)]
pub struct Original {
    /// What it is called here, and on a mirror.
    pub file: &'static str,
    /// Where it is published.
    pub url: String,
    /// Its SHA-256. Archives that GitHub makes of a commit have none that stays; what is made of them is checked.
    pub sha256: Option<String>,
    /// Its length, where the publisher says it.
    pub bytes: Option<u64>,
}

impl Original {
    fn new(file: &'static str, url: impl Into<String>) -> Self {
        Self { file, url: url.into(), sha256: None, bytes: None }
    }

    fn known(self, sha256: &str, bytes: u64) -> Self {
        Self { sha256: Some(sha256.into()), bytes: Some(bytes), ..self }
    }
}

/// What a model of this repository needs; none for a model that needs nothing.
pub fn steps(model: &str) -> Option<Vec<Step>> {
    match model {
        "ic" => Some(vec![
            reference(
                "ic",
                "image_classification/trained_models/pretrainedResnet.tflite",
                "b5c0046d6e0328b4956afd6baa29555a29b1f1c65bdd45aaed75b7cd484d9f79",
                318_144,
            ),
            runner(energyrunner(), vec![images()]),
            cifar10(cifar(), 10_000),
        ]),
        "vww" => Some(vec![
            reference(
                "vww",
                "visual_wake_words/trained_models/vww_96_float.tflite",
                "115bbc094d2119561320a21f01b6500a18bea8cc8589282ab007097bec8af38c",
                866_284,
            ),
            runner(energyrunner(), vec![people()]),
            cifar10(cifar(), 10_000),
        ]),
        "ad" => Some(vec![
            reference(
                "ad",
                "anomaly_detection/trained_models/ad01_fp32.tflite",
                "c66636f4d7f8af8b10518e7be750a22c9d8d46ec97326b40b0d94c097e0aad9b",
                1_067_648,
            ),
            runner(energyrunner(), cars()),
        ]),
        "kws" => Some(vec![
            reference(
                "kws",
                "keyword_spotting/trained_models/kws_ref_model_float32.tflite",
                "e5004c6f1012246e33fa068d8488325538e0444073cd361f5a7edb40c73f12d2",
                43_392,
            ),
            runner(energyrunner(), vec![keywords()]),
            digits(spoken_digits(), 50),
            words(speech_commands(), 321),
        ]),
        _ => None,
    }
}

/// MLPerf Tiny's reference weights.
fn reference(model: &str, path: &'static str, sha256: &str, bytes: u64) -> Step {
    let url = format!("https://github.com/mlcommons/tiny/raw/1afd2c9/benchmark/training/{path}");
    let file = path.rsplit('/').next().unwrap_or(path);
    weights(Original::new(file, url).known(sha256, bytes), model)
}

/// The inputs that MLPerf Tiny judges by.
fn energyrunner() -> Original {
    Original::new("energyrunner-777633e.tar.gz", "https://github.com/eembc/energyrunner/archive/777633e.tar.gz")
}

fn cifar() -> Original {
    Original::new("cifar-10-binary.tar.gz", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz")
        .known("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170_052_171)
}

fn speech_commands() -> Original {
    let url = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz";
    Original::new("speech_commands_v0.02.tar.gz", url)
        .known("af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58", 2_428_923_189)
}

fn spoken_digits() -> Original {
    let url = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz";
    Original::new("free-spoken-digit-dataset-1.0.10.tar.gz", url)
}

fn images() -> Subset {
    Subset {
        folder: "ic01",
        source: Source::Labels(200),
        inputs: Array::new("eval/ic01/x.u8", 200 * 32 * 32 * 3)
            .known("f6442743b8f3b0f535338b18fe0976f5aae86720b6e9e41c05a9aea90b286e5b"),
        labels: Array::new("eval/ic01/y.u8", 200)
            .known("6aac54ca0f2a598d3faef9d68f79361839e1f4bc3f934dfe1b70aff9ca4754c2"),
    }
}

fn people() -> Subset {
    Subset {
        folder: "vww01",
        source: Source::Labels(1_000),
        inputs: Array::new("eval/vww01/x.u8", 1_000 * 96 * 96 * 3)
            .known("e2dfc9c7bd43f40b7138d21dcdd9c763c9963f366187e642fb2199aadb6cf1c7"),
        labels: Array::new("eval/vww01/y.u8", 1_000)
            .known("5819e39211bce17d29429c28a8abdee763619d221268aee840c6bcb6f360b8d7"),
    }
}

fn keywords() -> Subset {
    Subset {
        folder: "kws01",
        source: Source::Labels(1_000),
        inputs: Array::new("eval/kws01/x.i8", 1_000 * 49 * 10)
            .known("c2e5f02def82726f5c49dfe85c311c52f295ad68561f6bae89931fdadaaedc73"),
        labels: Array::new("eval/kws01/y.u8", 1_000)
            .known("5ac94dbdf436c844edf433b207d8d61f0e10e0a86335f1b12beb3b2fdc212111"),
    }
}

/// Clips of four cars, normal and anomalous ones: nine of each are evaluated, the others may be learnt from.
fn cars() -> Vec<Subset> {
    /// The last two of the nine; the first seven are 3, 13 to 63.
    const LAST: [(&str, u8, [[usize; 2]; 4], usize); 2] = [
        ("normal", 0, [[73, 83], [73, 83], [73, 83], [73, 343]], 343),
        ("anomaly", 1, [[73, 93], [93, 223], [73, 83], [73, 83]], 263),
    ];
    let names = |evaluated: bool| -> Vec<(String, u8)> {
        let mut names = Vec::new();
        for (kind, label, last, end) in LAST {
            for (car, last) in (1..).zip(last) {
                let numbers = (3..=end).step_by(10);
                let chosen = numbers.filter(|number| (*number <= 63 || last.contains(number)) == evaluated);
                names.extend(chosen.map(|number| (format!("{kind}_id_{car:02}_{number:08}_hist_librosa.bin"), label)));
            }
        }
        names
    };
    let subset = |folder: &str, evaluated: bool, inputs: &str, labels: &str| {
        let names = names(evaluated);
        let count = names.len();
        Subset {
            folder: "ad01",
            source: Source::Names(names),
            inputs: Array::new(format!("{folder}/x.f32"), count * 200 * 128 * 4).known(inputs),
            labels: Array::new(format!("{folder}/y.u8"), count).known(labels),
        }
    };
    vec![
        subset(
            "eval/ad01",
            true,
            "e7fb39f9a90cfd3b056763ede80c2867b39b86f8220962fe7d0c4b3c1cb3d9d3",
            "f98b4ada8b92a12e4a117665ec25d3e87e20a95cb64a9f31ea072b389ab7ecfa",
        ),
        subset(
            "train/ad01",
            false,
            "0e9d2ba49f2b0cadf1dca37489cd9976edf71bec25c4fb77c8d9cc45838f9ce1",
            "18c16096da628245cef15c0c91a3ce844ece77e56d57cab19190d7c1f545cc7f",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_gets_what_it_needs() {
        for (model, needs) in niwaki_data::MODELS.iter().map(|needs| (needs.model, needs.files)) {
            let steps = steps(model).expect("a model with needs has steps");
            let made: Vec<&str> = steps.iter().flat_map(|step| &step.arrays).map(|array| array.file.as_str()).collect();
            for file in needs {
                assert!(made.contains(file), "{model} needs {file}, which nothing makes");
            }
        }
        assert!(steps("digits").is_none());
    }

    #[test]
    fn no_clip_is_both_learnt_from_and_evaluated() {
        let names = |subset: &Subset| match &subset.source {
            Source::Names(names) => names.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
            Source::Labels(_) => panic!("the cars have names"),
        };
        let [evaluated, learnt] = cars().try_into().expect("two");
        let (evaluated, learnt) = (names(&evaluated), names(&learnt));
        assert_eq!((evaluated.len(), learnt.len()), (72, 176));
        assert!(evaluated.iter().all(|name| !learnt.contains(name)));
        assert_eq!(evaluated[45], "anomaly_id_02_00000003_hist_librosa.bin");
    }
}
